"""The error body of RFC 9457, the same for everything that the gateway answers itself."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException

Header = tuple[bytes, bytes]
Headers = list[Header]

UNFORESEEN = "Something went wrong here."
CLOSE = (b"connection", b"close")
RETRY_SOON = (b"retry-after", b"1")


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer instead of the upstream's: a status, one sentence, and header fields."""

    def __init__(self, status: int, detail: str, *headers: Header) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers

    def rendered(self, raw_path: bytes, request_id: bytes, **more: Any) -> tuple[Headers, bytes]:
        """Return the header fields and the body, with more members, that answer a request."""
        content = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
            "instance": raw_path.decode("latin-1"),
            "request_id": request_id.decode(),
            **more,
        }
        body = json.dumps(content, separators=(",", ":")).encode()
        fields = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        return fields, body


def answer(request: Request, problem: Problem, **more: Any) -> Response:
    """Answer with a problem behind FastAPI."""
    scope = request.scope
    fields, body = problem.rendered(scope["raw_path"], scope["request_id"], **more)
    headers = {name.decode(): value.decode() for name, value in fields}
    return Response(body, problem.status, headers)


async def refuse(request: Request, error: Exception) -> Response:
    """Answer FastAPI's own refusals, and what nobody foresaw, as problems too."""
    known = error if isinstance(error, HTTPException) else HTTPException(500, UNFORESEEN)
    headers = [(name.encode(), value.encode()) for name, value in (known.headers or {}).items()]
    return answer(request, Problem(known.status_code, f"{known.detail.rstrip('.')}.", *headers))
