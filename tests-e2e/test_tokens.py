"""Access tokens and the keys that verify them."""

import base64
import json

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.api import User, sign_in, word, write_post
from support.contract import ROUTES, Route
from support.deployment import Containers


def test_a_token_verifies_with_the_published_keys(api: httpx.Client, author: User) -> None:
    answer = sign_in(api, author.email)
    token, keys = answer.json(), api.get("/.well-known/jwks.json").json()["keys"]
    assert answer.headers["cache-control"] == "no-store"
    assert (token["token_type"], token["expires_in"]) == ("bearer", 900)
    kid = jwt.get_unverified_header(token["access_token"])["kid"]
    [key] = [key for key in keys if key["kid"] == kid]
    claims = jwt.decode(
        token["access_token"],
        jwt.PyJWK(key),
        algorithms=["EdDSA"],
        audience="inkwell",
        issuer="inkwell-platform",
        options={"require": ["exp", "iat", "sub", "aud", "iss"]},
    )
    assert claims["exp"] - claims["iat"] == 900
    assert author.email not in str(claims)


def test_the_key_set_shows_only_public_keys(api: httpx.Client) -> None:
    for key in api.get("/.well-known/jwks.json").json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (key["kty"], key["crv"], key["alg"]) == ("OKP", "Ed25519", "EdDSA")


def altered(token: str, **claims: object) -> str:
    header, payload, signature = token.split(".")
    decoded = jwt.decode(token, options={"verify_signature": False}) | claims
    payload = base64.urlsafe_b64encode(json.dumps(decoded).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def forgeries(api: httpx.Client, user: User) -> dict[str, str]:
    """Return tokens that were not issued, each close to one that was."""
    claims = jwt.decode(user.token, options={"verify_signature": False})
    header = {"kid": jwt.get_unverified_header(user.token)["kid"]}
    public = api.get("/.well-known/jwks.json").json()["keys"][0]["x"]
    key = Ed25519PrivateKey.generate()
    return {
        "no token at all": "x",
        "three empty parts": "..",
        "unsigned": jwt.encode(claims, "", "none", headers=header),
        "signed with the public key": jwt.encode(claims, public, "HS256", headers=header),
        "signed with another key": jwt.encode(claims, key, "EdDSA", headers=header),
        "an unknown key": jwt.encode(claims, key, "EdDSA", headers={"kid": word()}),
        "no key named": jwt.encode(claims, key, "EdDSA"),
        "a key that is a path": jwt.encode(claims, key, "EdDSA", headers={"kid": "../../x"}),
        "another user's claims": altered(user.token, sub=str(user.id + 1)),
        "a later end": altered(user.token, exp=2**40),
        "cut off": user.token[:-4],
        "without its signature": user.token.rpartition(".")[0] + ".",
        "twice": f"{user.token} {user.token}",
    }


@pytest.mark.filterwarnings("ignore:The HMAC key")
@pytest.mark.parametrize("route", [r for r in ROUTES if r.signed_in], ids=str)
def test_a_forged_token_is_401(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    for forgery, token in forgeries(api, author).items():
        auth = {"Authorization": f"Bearer {token}"}
        answer = api.request(route.method, route.path.format(**ids), headers=auth)
        assert answer.status_code == 401, forgery
        assert token not in answer.text or len(token) < 3


@pytest.mark.parametrize("value", ["", "Bearer", "Basic YTpi", "Token x", "é", "Bearer é"])
def test_credentials_of_another_scheme_are_401(api: httpx.Client, value: str) -> None:
    auth = {b"Authorization": value.encode("latin-1")}
    assert api.get("/users/me", headers=auth).status_code == 401
    assert api.post("/posts/", json={"title": "x"}, headers=auth).status_code == 401


def test_the_name_of_the_scheme_may_have_any_letter_case(api: httpx.Client, author: User) -> None:
    for scheme in ("bearer", "BEARER"):
        auth = {"Authorization": f"{scheme} {author.token}"}
        assert api.get("/users/me", headers=auth).status_code == 200
        assert api.post("/posts/", json={"title": "x"}, headers=auth).status_code == 201


def test_an_invalid_token_is_401_on_a_public_route(
    api: httpx.Client, author: User, ids: dict[str, int]
) -> None:
    auth = {"Authorization": f"Bearer {author.token[:-4]}"}
    assert api.get("/articles/", headers=auth).status_code == 401
    assert api.get(f"/articles/{ids['article']}", headers=auth).status_code == 401
    assert api.get("/posts/", headers=auth).status_code == 401
    assert api.get(f"/posts/{ids['post']}", headers=auth).status_code == 401


def test_tokens_of_the_last_signing_key_are_valid_beside_those_of_a_new_one(
    containers: Containers, api: httpx.Client, ada: User
) -> None:
    def rotate(step: str) -> None:
        command = ("python", "-m", "platform_service.rotate_secrets", step)
        containers.compose("run", "--rm", "secrets", *command, "/secrets/signing/key.pem")
        containers.compose("restart", "platform-service")
        containers.up()

    rotate("add-key")
    assert len(api.get("/.well-known/jwks.json").json()["keys"]) == 2
    token = sign_in(api, ada.email).json()["access_token"]
    assert token.split(".")[0] == ada.token.split(".")[0]
    rotate("promote-key")
    token = sign_in(api, ada.email).json()["access_token"]
    assert token.split(".")[0] != ada.token.split(".")[0]
    for user in (ada, User(ada.id, ada.email, ada.password, token)):
        assert api.get("/users/me", headers=user.auth).status_code == 200
        assert write_post(api, user)


def test_a_refused_sign_in_says_why_in_the_words_of_oauth2(api: httpx.Client, author: User) -> None:
    refused = sign_in(api, author.email, "wrong password")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_grant")
    fields = {"username": author.email, "password": "wrong password", "grant_type": "implicit"}
    unsupported = api.post("/auth/token", data=fields)
    assert unsupported.json()["error"] == "unsupported_grant_type"


def test_an_email_is_the_same_in_every_letter_case_of_every_script(api: httpx.Client) -> None:
    email = f"σοφός-{word()}@example.com"
    user = {"email": email, "password": "Zu\u0308rich-Größe"}
    assert api.post("/users/", json=user).status_code == 201
    assert api.post("/users/", json=user | {"email": email.upper()}).status_code == 409
    assert sign_in(api, email.upper(), "Zürich-Größe").status_code == 200
