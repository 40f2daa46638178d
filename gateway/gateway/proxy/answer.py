"""The response to a client, with the header fields that the gateway adds."""

from starlette.types import Message, Send

from gateway.http1 import Headers


class Answer:
    """Sends one response; `status` is 0 until it has begun."""

    def __init__(self, send: Send, added: Headers, cors: Headers) -> None:
        self.status = 0
        self.added = added
        self._cors = cors
        self._send = send

    async def begin(self, status: int, fields: Headers) -> None:
        """Send the head."""
        self.status = status
        fields = [*fields, *self.added, *self._cors]
        await self._send({"type": "http.response.start", "status": status, "headers": fields})

    async def write(self, data: bytes, *, is_last: bool) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def reply(self, status: int, fields: Headers, body: bytes) -> None:
        """Send a whole response."""
        await self.begin(status, fields)
        await self.write(body, is_last=True)

    async def send_page(self, message: Message) -> None:
        """Send a message of a page, whose own fields take precedence."""
        if message["type"] == "http.response.start":
            theirs = dict(message["headers"])
            self.added = [field for field in self.added if field[0] not in theirs]
            await self.begin(message["status"], message["headers"])
        else:
            await self._send(message)
