"""The error body of RFC 9457, the same for every answer of the gateway itself."""

from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException

from chassis.problems import MEDIA_TYPE, problem_document
from gateway.http1 import Header, Headers

RETRY_SOON = (b"retry-after", b"1")


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An error answer: a status, one sentence, header fields and more members of the body."""

    def __init__(self, status: int, detail: str, *headers: Header, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self._more = more

    def render(self, raw_path: bytes, request_id: bytes) -> tuple[Headers, bytes]:
        """Return the header fields and the body of the answer to a request."""
        body = problem_document(self.status, str(self), raw_path, request_id.decode(), **self._more)
        fields = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        return fields, body


async def leave_to_the_proxy(_: Request, error: Exception) -> NoReturn:
    """Raise FastAPI's own errors as problems and any other error as it is."""
    if isinstance(error, HTTPException):
        headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
        raise Problem(error.status_code, f"{error.detail.rstrip('.')}.", *headers)
    raise error
