"""A connection: uvicorn's protocol, which goes on in HTTP/1.1 when another one is asked for."""
# ruff: noqa: D102 - asyncio and httptools name the methods here

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """Ignores the field Upgrade, as RFC 9110, section 7.8 allows, and reads the body.

    The parser takes everything behind the head of such a request for another protocol.
    """

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        if not self._is_upgrade():  # else the head will be parsed once more
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._is_upgrade():
            super().on_message_complete()

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                if not self._is_upgrade():
                    return  # CONNECT has its answer, and nothing may follow
                data = _head_without_upgrade(self) + data[stop.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            else:
                return

    def _is_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"


def _head_without_upgrade(connection: HttpToolsProtocol) -> bytes:
    """Return the head that a connection has just read, but for its field Upgrade."""
    parser, fields = connection.parser, connection.headers
    version = parser.get_http_version().encode()
    start = b"%b %b HTTP/%b\r\n" % (parser.get_method(), connection.url, version)
    kept = [b"%b: %b\r\n" % field for field in fields if field[0] != b"upgrade"]
    return b"".join([start, *kept, b"\r\n"])
