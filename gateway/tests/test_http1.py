"""The syntax that both sides share, without a socket."""

import pytest

from gateway.http1 import chunk, field_lines, values

FIELDS = [(b"a", b"1"), (b"b", b""), (b"a", b"2")]


def test_the_values_of_a_field_keep_their_order() -> None:
    assert values(FIELDS, b"a") == [b"1", b"2"]
    assert values(FIELDS, b"c") == []


def test_fields_become_lines() -> None:
    assert field_lines(FIELDS) == b"a: 1\r\nb: \r\na: 2\r\n"
    assert field_lines([]) == b""


@pytest.mark.parametrize(
    ("data", "is_last", "framed"),
    [
        (b"x" * 26, False, b"1a\r\n" + b"x" * 26 + b"\r\n"),
        (b"ab", True, b"2\r\nab\r\n0\r\n\r\n"),
        (b"", True, b"0\r\n\r\n"),
        (b"", False, b""),
    ],
)
def test_data_becomes_a_chunk(data: bytes, is_last: bool, framed: bytes) -> None:
    """RFC 9112, section 7.1. An empty chunk would end the body."""
    assert chunk(data, is_last=is_last) == framed
