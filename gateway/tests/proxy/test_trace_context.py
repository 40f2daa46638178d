"""W3C Trace Context: valid traces are forwarded, others replaced."""

import pytest
from support.gateway import Pair

GOOD_TRACES = [
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
]
BAD_TRACES = [
    b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntraceparent: x",
    b"nonsense",
]


@pytest.mark.parametrize("parent", GOOD_TRACES)
def test_a_valid_trace_passes(pair: Pair, parent: bytes) -> None:
    """W3C Trace Context, section 3."""
    gateway, raw = pair
    gateway.get("/posts", b"traceparent: " + parent, b"tracestate: a=1", b"tracestate: b=2")
    assert raw.all(b"traceparent") == [parent]
    assert raw.all(b"tracestate") == [b"a=1", b"b=2"]


@pytest.mark.parametrize("parent", BAD_TRACES)
def test_an_invalid_trace_is_replaced(pair: Pair, parent: bytes) -> None:
    """W3C Trace Context, sections 3.2.2 and 4.3."""
    gateway, raw = pair
    gateway.get("/posts", b"traceparent: " + parent, b"tracestate: a=1")
    (begun,) = raw.all(b"traceparent")
    assert begun not in parent
    assert [len(part) for part in begun.split(b"-")] == [2, 32, 16, 2]
    assert raw.all(b"tracestate") == []


GOOD_STATES = [b"a=1", b"a=1,b=2", b"0a/b*c-d_e@f=x y!", b"a=1, ,b=2,", b""]
BAD_STATES = [
    b"\xff garbage=,,",
    b"a",
    b"=1",
    b"a=",
    b"A=1",
    b"a=1=2",
    b"a=\xe4",
    b"a=" + b"x" * 257,
]


@pytest.mark.parametrize("state", [*GOOD_STATES, *BAD_STATES])
def test_a_trace_state_passes_only_if_it_is_valid(pair: Pair, state: bytes) -> None:
    """W3C Trace Context, section 3.3.1; the trace itself goes on either way."""
    gateway, raw = pair
    gateway.get("/posts", b"traceparent: " + GOOD_TRACES[0], b"tracestate: " + state)
    assert raw.all(b"traceparent") == [GOOD_TRACES[0]]
    assert raw.all(b"tracestate") == ([state] if state in GOOD_STATES else [])
