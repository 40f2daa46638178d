"""Everything around FastAPI that each request passes: its id, its log line, its limits."""

import logging
import re
import time

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.bodies import BODY_LIMIT, TOO_LARGE
from chassis.logs import AccessLog, set_request_id
from chassis.problems import internal_error

logger = logging.getLogger(__name__)

# A cache asks again before it uses an answer, and keeps what it got for a token for that token.
PRIVATE = [(b"cache-control", b"private, no-cache")]
PUBLIC = [(b"cache-control", b"public, no-cache"), (b"vary", b"Authorization")]
# Once decoded, a router would take the first for a slash and overlook the second at the end.
_MISLEADING = re.compile(rb"%(2f|0a)", re.IGNORECASE)


class RequestMiddleware:
    """Plain ASGI: a middleware that buffers would not let a route see that its client has left."""

    def __init__(self, app: ASGIApp, collections: frozenset[str], log: AccessLog) -> None:
        self.app = app
        self.collections = collections
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request. No exception leaves, since it would take the connection with it."""
        if scope["type"] != "http":
            await self.app(scope, receive, _without_traceback(send))
            return
        request_id = set_request_id(scope["headers"])
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
                headers.append((b"x-request-id", request_id))
                if b"cache-control" not in dict(headers):
                    headers += PRIVATE if b"authorization" in dict(scope["headers"]) else PUBLIC
                if scope["app"].state.draining:
                    headers.append((b"connection", b"close"))
            await send(message)

        try:
            await self.app(self._routed(scope), _limited(receive), send_with_headers)
        except Exception:
            logger.exception("request failed")
            if status:
                raise  # the answer has begun: only breaking the connection tells the client
            await internal_error(Request(scope))(scope, receive, send_with_headers)
        finally:
            self._write_line(scope, status, time.perf_counter() - started)

    def _routed(self, scope: Scope) -> Scope:
        """Return the scope for the router: HEAD as GET, and /things as /things/.

        The server drops the body of an answer to HEAD.
        """
        method, path, raw_path = scope["method"], scope["path"], scope["raw_path"]
        if _MISLEADING.search(raw_path):
            path = raw_path.decode("ascii", "backslashreplace")
        return {
            **scope,
            "method": "GET" if method == "HEAD" else method,
            "path": f"{path}/" if path in self.collections else path,
        }

    def _write_line(self, scope: Scope, status: int, seconds: float) -> None:
        client = scope.get("client")
        self.log.write(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii", "backslashreplace"),
            status=status,
            duration_ms=round(seconds * 1000, 2),
            client=client[0] if client else None,
        )


def _without_traceback(send: Send) -> Send:
    """Leave out the text of a failed start, which is logged in one sentence."""

    async def send_briefly(message: Message) -> None:
        await send({name: value for name, value in message.items() if name != "message"})

    return send_briefly


def _limited(receive: Receive) -> Receive:
    """Count a body's bytes as they come. FastAPI's own limit answers in plain text."""
    size = 0

    async def limited_receive() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise HTTPException(413, TOO_LARGE)
        return message

    return limited_receive
