"""Keys that sign tokens, and a server that publishes them."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from pydantic_core import to_json

from chassis.tokens import ALGORITHM, TokenVerifier

ISSUER = "inkwell-platform"
AUDIENCE = "inkwell"


def base64url(data: bytes) -> str:
    """Return bytes as a token has them (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encoded(value: object) -> str:
    """Return a header or claims as a token has them."""
    return base64url(json.dumps(value).encode())


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token, whether it is valid or not."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


class SigningKey:
    """An Ed25519 key, its public half, and tokens that it signs."""

    def __init__(self, kid: str = "first") -> None:
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as a JWK."""
        public: dict[str, Any] = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": ALGORITHM}

    @property
    def verifier(self) -> TokenVerifier:
        """The object by which a service with this key verifies tokens."""
        return TokenVerifier(ISSUER, AUDIENCE, {self.kid: self.private.public_key()})

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a good token, except for these fields and claims. None leaves a claim out."""
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "1", "exp": int(time.time()) + 900}
        kept = {name: value for name, value in (good | claims).items() if value is not None}
        return jwt.encode(
            kept, self.private, ALGORITHM, headers={"kid": self.kid, **(header or {})}
        )

    def bearer(self, caller_id: int) -> dict[str, str]:
        """Return the header fields of a caller."""
        return {"Authorization": f"Bearer {self.token(sub=str(caller_id))}"}


class KeyServer:
    """A server of keys that may answer otherwise, and that counts how often it is asked."""

    def __init__(self) -> None:
        self.keys = [SigningKey()]
        self.answer: bytes | None = None
        self.fetches = 0
        self.url = ""

    def next_answer(self) -> bytes:
        """Return what the server answers with."""
        self.fetches += 1
        if self.answer is not None:
            return self.answer
        return ok(to_json({"keys": [key.jwk for key in self.keys]}))


def ok(body: bytes, *fields: bytes) -> bytes:
    """Return an answer of HTTP with this body."""
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join([*head, b"", body])


@contextmanager
def publishing() -> Iterator[KeyServer]:
    """Run a server of keys."""
    keys = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(keys.next_answer())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        keys.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield keys
        finally:
            server.shutdown()
            thread.join()
