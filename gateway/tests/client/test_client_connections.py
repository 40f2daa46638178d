"""The limit on clients' connections, and the garbage that a closed one leaves: none."""

import gc
import weakref

from support.gateway import Start
from support.upstream import RawUpstream
from support.waiting import eventually
from support.wire import GET, parse, read_all, read_head


def test_a_client_beyond_the_limit_is_503(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits={"client": {"max_connections": 2}})
    with running.connect(), running.connect() as second, running.connect() as third:
        eventually(lambda: len(running.connections) == 3)
        third.sendall(GET)
        refused = parse(read_all(third))
        assert (refused.status, refused.all(b"retry-after")) == (503, [b"1"])
        second.sendall(GET)
        assert b" 200 " in read_head(second)[0]
        third.close()
        eventually(lambda: len(running.connections) == 2)
    assert len(upstream.requests) == 1


def test_a_closed_connection_leaves_no_garbage(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    gc.collect()
    gc.disable()
    try:
        with running.connect() as sock:
            sock.sendall(GET)
            assert read_head(sock)[1] == b"ok"
            ends = [weakref.ref(it) for it in running.connections]
            ends += map(weakref.ref, running.app.proxy.upstreams["blog-service"].connections)
        upstream.close()
        assert running.get("/posts").status == 503  # the closed connection is not kept for use
        eventually(lambda: [end() for end in ends] == [None, None])
    finally:
        gc.enable()
