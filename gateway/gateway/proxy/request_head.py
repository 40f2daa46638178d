"""A request's head as it comes from the client, and as the upstream gets it."""

from starlette.types import Scope

from chassis.logs import set_request_id
from gateway.http1 import SAFE, Headers, field_lines, values
from gateway.proxy import headers
from gateway.proxy.trusted_proxies import TrustedProxies

IDEMPOTENT = SAFE | {"PUT", "DELETE"}  # RFC 9110, section 9.2.2


class RequestHead:
    """The part of a request that is there before its body."""

    def __init__(self, scope: Scope, trusted: TrustedProxies) -> None:
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]  # as it came, and without the query
        self.headers: Headers = scope["headers"]
        self.id = set_request_id(self.headers)
        self._query: bytes = scope["query_string"]
        peer = scope["client"][0] if scope["client"] else ""
        self.source = trusted.source_of(self.headers, peer, scope["scheme"])
        self.client = self.source.client

    @property
    def may_run_twice(self) -> bool:
        """True if the request may run twice, even much later: by its method or its key."""
        if self.method != "POST":
            return self.method in SAFE
        keys = values(self.headers, b"idempotency-key")
        return len(keys) == 1 and keys != [b""]

    @property
    def may_resend(self) -> bool:
        """True if a lost request may be sent again at once. If-Match would fail the second time."""
        is_conditional = values(self.headers, b"if-match")
        return self.may_run_twice or (self.method in IDEMPOTENT and not is_conditional)

    def for_upstream(self, *, is_chunked: bool) -> bytes:
        """Return the head that the upstream gets. A chunked body stays chunked."""
        target = self.path + b"?" + self._query if self._query else self.path
        fields = headers.for_upstream(self.headers) + self.source.fields
        fields += headers.trace_context(self.headers)
        fields.append((b"x-request-id", self.id))
        if is_chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        start = b"%b %b HTTP/1.1\r\n" % (self.method.encode(), target)
        return start + field_lines(fields) + b"\r\n"
