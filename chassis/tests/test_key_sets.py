"""Key sets as they are published: what is a key that verifies tokens, and what is none."""

import asyncio
import json

import jwt
import pytest
from conftest import refusal
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.exceptions import HTTPException

from chassis import tokens
from chassis.tokens import PublishedKeysVerifier
from chassis_testing.keys import (
    KeyServer,
    SigningKey,
    base64url,
    claims_of,
    ok,
)

KEY = SigningKey()


def jwks(*keys: object) -> bytes:
    return ok(json.dumps({"keys": keys}).encode())


PRIVATE_RSA = rsa.generate_private_key(65537, 2048)
RSA = RSAAlgorithm.to_jwk(PRIVATE_RSA.public_key(), as_dict=True) | {"kid": "first"}
EC = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
ED448 = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)
SECRET = {"kty": "oct", "k": base64url(b"secret" * 8), "kid": "first"}
PRIVATE = OKPAlgorithm.to_jwk(KEY.private, as_dict=True) | {"kid": "first"}
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
WITHOUT_KEYS = {
    "garbage": b"garbage\r\n\r\n",
    "nothing": b"",
    "a wrong chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "less than announced": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
    "a redirection": REDIRECT,
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "404 with keys": jwks(KEY.jwk).replace(b"200 OK", b"404 Not Found"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    **{text[:9]: ok(text.encode()) for text in ("{}", "[]", "null", "nonsense", "[" * 50_000)},
    "not UTF-8": ok(b"\xff\xfe"),
    "compressed": ok(b"\x1f\x8b\x08", b"Content-Encoding: gzip"),
    "huge": ok(json.dumps({"x": "x" * tokens.MAX_KEY_SET, "keys": [KEY.jwk]}).encode()),
    "keys that are no list": ok(b'{"keys":{"a":1}}'),
    "no keys": jwks(),
    "a key that is a number": jwks(3),
    "a key of lists": jwks({"kty": ["x"], "crv": ["x"]}),
    "a key without its value": jwks({"kty": "OKP", "crv": "Ed25519", "kid": "first"}),
    "a value that is too short": jwks(KEY.jwk | {"x": "AAAA"}),
    "a key without an id": jwks({n: v for n, v in KEY.jwk.items() if n != "kid"}),
    "an id that is a list": jwks(KEY.jwk | {"kid": ["first"]}),
    "a key to encrypt": jwks(KEY.jwk | {"use": "enc"}),
    "a key of another algorithm": jwks(KEY.jwk | {"alg": "ES256"}),
    "an algorithm that is a list": jwks(KEY.jwk | {"alg": ["EdDSA"]}),
    "other key types": jwks(RSA, EC | {"kid": "first"}, ED448 | {"kid": "first"}, SECRET, PRIVATE),
}


@pytest.mark.parametrize("bad", WITHOUT_KEYS)
@pytest.mark.usefixtures("eager")
def test_an_answer_without_keys_changes_nothing(
    key_server: KeyServer, published: PublishedKeysVerifier, bad: str
) -> None:
    key_server.keys = [KEY]

    async def story() -> None:
        key_server.answer = WITHOUT_KEYS[bad]
        with pytest.raises(HTTPException, match="503"):
            await published.caller_id(KEY.token())
        key_server.answer = None
        await published.caller_id(KEY.token())
        key_server.answer = WITHOUT_KEYS[bad]
        await refusal(published.caller_id(SigningKey("unknown").token()))
        await published.caller_id(KEY.token(sub="2"))

    asyncio.run(story())
    assert key_server.fetches == 3


@pytest.mark.usefixtures("eager")
def test_a_key_of_another_type_verifies_nothing_beside_a_good_one(
    key_server: KeyServer, published: PublishedKeysVerifier
) -> None:
    key_server.answer = jwks(RSA | {"kid": "rsa"}, SECRET | {"kid": "secret"}, 3, KEY.jwk)
    claims = claims_of(KEY.token())
    rs256 = jwt.encode(claims, PRIVATE_RSA, "RS256", headers={"kid": "rsa"})
    hs256 = jwt.encode(claims, b"secret" * 8, "HS256", headers={"kid": "secret"})

    async def story() -> None:
        assert await published.caller_id(KEY.token()) == 1
        await refusal(published.caller_id(rs256))
        await refusal(published.caller_id(hs256))

    asyncio.run(story())


def test_of_200_keys_each_verifies(key_server: KeyServer, published: PublishedKeysVerifier) -> None:
    key_server.keys = [SigningKey(f"key-{number}") for number in range(200)]

    async def story() -> None:
        for key in key_server.keys:
            assert await published.caller_id(key.token()) == 1

    asyncio.run(story())
    assert key_server.fetches == 1
