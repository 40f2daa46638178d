"""Tokens: which ones are valid (RFC 7519, RFC 8725), and the keys that verify them."""

import asyncio
import hmac
import time
from typing import Any

import jwt
import pytest

from chassis import tokens
from chassis.errors import UnauthorizedError
from chassis.tokens import TokenVerifier
from chassis_testing.keys import AUDIENCE, SigningKey, base64url, claims_of, encoded
from chassis_testing.problem import CANARY

KEY = SigningKey()
ANOTHER = SigningKey()  # of the same id
MAX_ID = 2**63 - 1


def signed_with_the_public_key() -> str:
    """Make the token of RFC 8725, section 2.1: HS256 with a secret that anyone can fetch."""
    signed = f"{encoded({'alg': 'HS256', 'kid': KEY.kid})}.{encoded(claims_of(KEY.token()))}"
    secret = KEY.private.public_key().public_bytes_raw()
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), 'sha256'))}"


def replaced(**parts: str) -> str:
    """Return a good token with other parts."""
    names = ("header", "claims", "signature")
    good = dict(zip(names, KEY.token().split("."), strict=True))
    return ".".join((good | parts).values())


WRONG_CLAIMS: dict[str, list[Any]] = {
    "exp": [1, None, "soon", [], 10**400, -1],
    "iss": ["somebody else", None, ""],
    "aud": ["something else", None, [], ""],
    "sub": [None, "ann", "0", "-1", " 1", "1.0", "+1", "01", "\u0661", "1_0", "", str(2**63)],
}
HEADER = {"alg": "EdDSA", "kid": KEY.kid}
BAD: dict[str, str] = {
    **{
        f"{claim} {str(value)[:20]!r}": KEY.token(**{claim: value})
        for claim, values in WRONG_CLAIMS.items()
        for value in values
    },
    "sub of 5000 digits": KEY.token(sub="9" * 5000),
    "sub 1": replaced(claims=encoded(claims_of(KEY.token()) | {"sub": 1})),
    "not valid yet": KEY.token(nbf=2**40),
    "signed by another key": ANOTHER.token(),
    "signed by another key that it brings along": ANOTHER.token({"jwk": ANOTHER.jwk}),
    "signed by another key that it names": ANOTHER.token({"jku": "https://example.com/keys"}),
    "critical": KEY.token({"crit": ["exp"]}),
    "critical and unknown": KEY.token({"crit": ["x"], "x": 1}),
    "critical and no list": KEY.token({"crit": "b64"}),
    "unsigned": jwt.encode(claims_of(KEY.token()), "", "none", headers={"kid": KEY.kid}),
    "signed with the public key": signed_with_the_public_key(),
    "no signature": replaced(signature=""),
    "another caller": replaced(claims=encoded(claims_of(KEY.token()) | {"sub": "2"})),
    "another algorithm": replaced(header=encoded(HEADER | {"alg": "none"}), signature=""),
    "an algorithm that is a list": replaced(header=encoded(HEADER | {"alg": ["EdDSA"]})),
    "no key id": replaced(header=encoded({"alg": "EdDSA"})),
    "an unknown key id": KEY.token({"kid": "another"}),
    "a key id that is a path": KEY.token({"kid": "../../etc/passwd"}),
    "an empty key id": KEY.token({"kid": ""}),
    "a key id that is a list": replaced(header=encoded(HEADER | {"kid": [1]})),
    "a key id that is a number": replaced(header=encoded(HEADER | {"kid": 1})),
    "a header that is no object": replaced(header=encoded([])),
    "claims that are no object": replaced(claims=encoded([])),
    "a header of 20,000 brackets": replaced(header=base64url(b"[" * 20_000)),
    "cut off": KEY.token()[:-4],
    "nothing": "",
    "dots": "..",
    "text": CANARY,
    "not ASCII": "\xe9.\xe9.\xe9",
    "twice": f"{KEY.token()} {KEY.token()}",
    "very long": "x" * 30_000,
}


def caller_of(token: str, verifier: TokenVerifier = KEY.verifier) -> int:
    return asyncio.run(verifier.caller_id(token))


@pytest.mark.parametrize("caller_id", [1, 7, MAX_ID])
def test_a_good_token_names_the_caller(caller_id: int) -> None:
    assert caller_of(KEY.token(sub=str(caller_id))) == caller_id


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_token_is_refused_and_not_echoed(bad: str) -> None:
    with pytest.raises(UnauthorizedError) as refusal:
        caller_of(BAD[bad])
    assert str(refusal.value) == tokens.NOT_VALID


@pytest.mark.parametrize("iat", [None, 2**40])
def test_the_time_of_issue_is_not_judged(iat: object) -> None:
    assert caller_of(KEY.token(iat=iat)) == 1


def test_a_token_may_have_several_audiences() -> None:
    assert caller_of(KEY.token(aud=["something", AUDIENCE])) == 1


def test_a_token_that_was_verified_is_refused_once_it_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time
    verifier, token = KEY.verifier, KEY.token(exp=int(now()) + 900)
    caller_of(token, verifier)
    monkeypatch.setattr(time, "time", lambda: now() + 900)  # the clocks may differ a little
    caller_of(token, verifier)
    monkeypatch.setattr(time, "time", lambda: now() + 900 + tokens.CLOCK_SECONDS)
    with pytest.raises(UnauthorizedError):
        caller_of(token, verifier)


def test_a_signature_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = KEY.verifier, KEY.token()
    caller_of(token, verifier)
    monkeypatch.setattr(jwt, "decode", None)
    assert caller_of(token, verifier) == 1
