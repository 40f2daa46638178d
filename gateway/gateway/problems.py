"""The error body of RFC 9457, the same for everything that the gateway answers itself."""

import json
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException

Header = tuple[bytes, bytes]
Headers = list[Header]

CLOSE = (b"connection", b"close")
RETRY_SOON = (b"retry-after", b"1")


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer instead of another: a status, one sentence, header fields, and more members."""

    def __init__(self, status: int, detail: str, *headers: Header, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self._more = more

    def rendered(self, raw_path: bytes, request_id: bytes) -> tuple[Headers, bytes]:
        """Return the header fields and the body that answer a request."""
        content = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
            "instance": raw_path.decode("latin-1"),
            "request_id": request_id.decode(),
            **self._more,
        }
        body = json.dumps(content, separators=(",", ":")).encode()
        fields = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        return fields, body


async def refuse(_: Request, error: Exception) -> NoReturn:
    """Leave FastAPI's own refusals, as problems, and what nobody foresaw to the proxy."""
    if isinstance(error, HTTPException):
        headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
        raise Problem(error.status_code, f"{error.detail.rstrip('.')}.", *headers)
    raise error
