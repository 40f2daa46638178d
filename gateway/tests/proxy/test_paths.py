"""Paths that could mean another path to someone, without a socket: RFC 3986, section 5.2.4."""

from urllib.parse import unquote_to_bytes

import pytest

from gateway.problems import Problem
from gateway.proxy import paths

SAFE = [
    b"/",
    b"/posts/...",
    b"/posts/.hidden",
    b"/posts/a..b",
    b"/posts/..b",
    b"/posts//1",
    b"/posts/a%2Fb",
    b"/posts/%20",
    b"/posts/%25",
    b"/posts/%2525",
    b"/posts/%zz",
    b"/posts/%FF%fe",
    b"/posts/%23",
    b"/posts/%3Fx",
    b"/posts/a;b=..",
]
UNSAFE = [
    b"/posts/..",
    b"/posts/.",
    b"/posts/../users",
    b"/posts/./1",
    b"/../posts",
    b"/posts/..;x=y/users",
    b"/posts/%2e%2E/users",
    b"/posts/.%2e",
    b"/posts%2f..%2fusers",
    b"/posts/%252e%252e/users",
    b"/posts/%25252e",
    b"/posts/%25252525",
    b"/posts/%c0%ae",
    b"/posts/%c0%afusers",
    b"/posts/%c1%9cusers",
    b"/posts/1#x",
    b"/posts\\..\\users",
    b"/posts/..\\users",
    b"/posts/..%5cusers",
    b"/posts/.%5C%00",
]
NOWHERE = [
    b"/posts\\users",
    b"/posts/%5c",
    b"/posts/%255C",
    b"/posts/%00",
    b"/posts/%0A",
    b"/posts/%1f",
    b"/posts/%7F",
    b"/posts/1%250a",
    b"/posts/a\\.b",
    b"/posts/1%0d%0aX:%20y",
]


def refusal(path: bytes) -> int:
    """Return the status of the answer to a path that is refused."""
    with pytest.raises(Problem) as refused:
        paths.check_path(path)
    return refused.value.status


@pytest.mark.parametrize("path", SAFE)
def test_a_path_with_one_meaning_is_safe(path: bytes) -> None:
    paths.check_path(path)


@pytest.mark.parametrize("path", UNSAFE)
def test_a_path_with_two_meanings_is_unsafe(path: bytes) -> None:
    assert refusal(path) == 400


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_that_misleads_leads_nowhere(path: bytes) -> None:
    assert refusal(path) == 404


def test_a_path_encoded_again_and_again_is_decoded_only_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[bytes] = []

    def counting(path: bytes) -> bytes:
        decoded.append(path)
        return unquote_to_bytes(path)

    monkeypatch.setattr(paths, "unquote_to_bytes", counting)
    assert refusal(b"/posts/%" + b"25" * 4080) == 400
    assert len(decoded) <= 4
