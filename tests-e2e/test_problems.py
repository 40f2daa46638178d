"""The contract's refusals: who may not, what is too much, and which field is wrong."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest
from api import PASSWORD, User, named, new_email, sign_in, sign_up, word, write_article, write_post
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from samples import JSON_ROUTES, LISTS, ROUTES, Route, valid_body

MEBIBYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}
BOUNDS = [("skip", 0, 1_000_000), ("limit", 1, 100), ("after", 1, 2**63 - 1)]
each_json_route = pytest.mark.parametrize(("method", "path"), JSON_ROUTES)


@pytest.fixture(scope="module")
def ids(api: httpx.Client, author: User) -> dict[str, int]:
    post, article = write_post(api, author), write_article(api, author, is_published=True)
    return {"post": post["id"], "article": article["id"], "user": author.id}


def altered(token: str, **claims: object) -> str:
    header, payload, signature = token.split(".")
    decoded = jwt.decode(token, options={"verify_signature": False}) | claims
    payload = base64.urlsafe_b64encode(json.dumps(decoded).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def forgeries(api: httpx.Client, user: User) -> dict[str, str]:
    """Tokens that were not issued, each close to one that was."""
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
def test_other_credentials_are_401(api: httpx.Client, value: str) -> None:
    auth = {b"Authorization": value.encode("latin-1")}
    assert api.get("/users/me", headers=auth).status_code == 401
    assert api.post("/posts/", json={"title": "x"}, headers=auth).status_code == 401


def test_the_name_of_the_scheme_may_have_any_letter_case(api: httpx.Client, author: User) -> None:
    for scheme in ("bearer", "BEARER"):
        auth = {"Authorization": f"{scheme} {author.token}"}
        assert api.get("/users/me", headers=auth).status_code == 200
        assert api.post("/posts/", json={"title": "x"}, headers=auth).status_code == 201


def test_a_token_sent_to_a_public_route_of_the_platform_must_be_valid(
    api: httpx.Client, author: User, ids: dict[str, int]
) -> None:
    auth = {"Authorization": f"Bearer {author.token[:-4]}"}
    assert api.get("/articles/", headers=auth).status_code == 401
    assert api.get(f"/articles/{ids['article']}", headers=auth).status_code == 401
    assert api.get("/posts/", headers=auth).status_code == 200


@each_json_route
def test_a_body_of_another_media_type_is_415(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    path, content = path.format(**ids), json.dumps(valid_body(path)).encode()
    for media in (None, "text/plain", "application/x-www-form-urlencoded", "x", "application/xml"):
        headers = author.auth | ({"Content-Type": media} if media else {})
        answer = api.request(method, path, content=content, headers=headers)
        assert answer.status_code == 415, media
    for media in ("application/json; charset=utf-8", "Application/JSON"):
        headers = author.auth | {"Content-Type": media}
        answer = api.request(method, path, content=content, headers=headers)
        assert answer.status_code in (200, 201), media
        content = json.dumps(valid_body(path)).encode()


def test_a_sign_in_that_is_no_form_is_415(api: httpx.Client, author: User) -> None:
    fields = {"username": author.email, "password": PASSWORD}
    assert api.post("/auth/token", json=fields).status_code == 415
    assert api.post("/auth/token", content=b"username=a&password=b").status_code == 415


def test_who_is_not_signed_in_learns_that_first(api: httpx.Client, ids: dict[str, int]) -> None:
    for method, path in JSON_ROUTES:
        if path == "/users/":
            continue
        for content in (b"x", b"{", b'{"title": 1}'):
            answer = api.request(method, path.format(**ids), content=content)
            assert answer.status_code == 401


@each_json_route
def test_bytes_that_are_no_json_are_400(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    for content in (b"{", b"x", b'{"title": NaN}', b'{"title": -Infinity}', b'{"title": "\xff"}'):
        headers = author.auth | JSON
        answer = api.request(method, path.format(**ids), content=content, headers=headers)
        assert answer.status_code == 400, content


@each_json_route
def test_a_body_above_two_mebibytes_is_413(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    headers, large = author.auth | JSON, b'{"x": "' + b"x" * (2 * MEBIBYTE) + b'"}'
    chunks = (large[start : start + 65536] for start in range(0, len(large), 65536))
    for content in (large, chunks):
        answer = api.request(method, path.format(**ids), content=content, headers=headers)
        assert answer.status_code == 413
    fitting = b'{"x": "' + b"x" * (MEBIBYTE) + b'"}'
    answer = api.request(method, path.format(**ids), content=fitting, headers=headers)
    assert answer.status_code == 422


def test_a_form_above_two_mebibytes_is_413(api: httpx.Client) -> None:
    assert sign_in(api, "a" * 2 * MEBIBYTE).status_code == 413


@each_json_route
def test_an_unknown_field_is_refused_by_name(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    path = path.format(**ids)
    for field in ("id", "owner_id", "is_active", "hashed_password", "created_at", "titel"):
        body = valid_body(path) | {field: 1}
        answer = api.request(method, path, json=body, headers=author.auth)
        assert answer.status_code == 422
        assert named(answer) == {"body", field}


@pytest.mark.parametrize("route", [r for r in ROUTES if "jwks" not in r.path], ids=str)
def test_an_unknown_query_parameter_is_refused_by_name(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    body = None if route.method in ("GET", "DELETE") else valid_body(route.path)
    fields = {"data": {"username": author.email, "password": PASSWORD}}
    options = fields if route.path == "/auth/token" else {"json": body}
    path = f"{route.path.format(**ids)}?limt=1"
    answer = api.request(route.method, path, headers=author.auth, **options)
    assert answer.status_code == 422
    assert named(answer) == {"query", "limt"}


@pytest.mark.parametrize("route", LISTS, ids=str)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_a_page_is_bounded(
    api: httpx.Client, author: User, route: Route, bounds: tuple[str, int, int]
) -> None:
    name, lowest, highest = bounds
    for value, status in ((lowest, 200), (highest, 200), (lowest - 1, 422), (highest + 1, 422)):
        answer = api.get(f"{route.path}?{name}={value}", headers=author.auth)
        assert answer.status_code == status, value
        if status == 422:
            assert named(answer) == {"query", name}


LENGTHS = [  # route, field, shortest, longest
    ("/posts/", "title", 1, 200),
    ("/posts/", "body", 0, 100_000),
    ("/articles/", "title", 1, 200),
    ("/articles/", "content", 1, 100_000),
    ("/users/", "password", 8, 128),
]


@pytest.mark.parametrize("letter", ["a", "\N{PILE OF POO}"])
@pytest.mark.parametrize("bounds", LENGTHS)
def test_text_has_bounds_counted_in_characters(
    api: httpx.Client, author: User, bounds: tuple[str, str, int, int], letter: str
) -> None:
    path, field, lowest, highest = bounds
    for length in {lowest - 1, lowest, highest, highest + 1} - {-1}:
        fits = lowest <= length <= highest
        body = valid_body(path) | {field: letter * length}
        answer = api.post(path, json=body, headers=author.auth)
        assert answer.status_code == (201 if fits else 422), length
        if not fits:
            assert named(answer) == {"body", field}
        elif field != "password":
            assert answer.json()[field] == letter * length


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/"])
def test_a_missing_field_is_named(api: httpx.Client, author: User, path: str) -> None:
    needed = set(valid_body(path)) - {"body"}
    answer = api.post(path, json={}, headers=author.auth)
    assert answer.status_code == 422
    assert named(answer) == {"body"} | needed


def test_a_sign_in_names_what_is_missing(api: httpx.Client) -> None:
    answer = api.post("/auth/token", data={"username": new_email()})
    assert answer.status_code == 422
    assert "password" in named(answer)


def test_null_is_taken_where_the_column_allows_it(
    api: httpx.Client, author: User, ids: dict[str, int]
) -> None:
    post, article = f"/posts/{ids['post']}", f"/articles/{ids['article']}"
    assert api.patch(post, json={"body": None}, headers=author.auth).json()["body"] is None
    refused = [(post, "title"), (post, "published")]
    refused += [(article, field) for field in ("title", "content", "is_published")]
    for path, field in refused:
        answer = api.patch(path, json={field: None}, headers=author.auth)
        assert answer.status_code == 422
        assert named(answer) == {"body", field}


def test_an_email_is_taken_in_any_letter_case(api: httpx.Client) -> None:
    email = new_email()
    assert sign_up(api, email).status_code == 201
    for again in (email, email.upper(), email.title()):
        answer = sign_up(api, again)
        assert answer.status_code == 409
        assert again not in answer.text


def test_twenty_sign_ups_at_once_with_one_email_make_one_user(api: httpx.Client) -> None:
    email = new_email()
    emails = [email, email.upper()] * 10
    with ThreadPoolExecutor(20) as clients:
        statuses = sorted(clients.map(lambda e: sign_up(api, e).status_code, emails))
    assert statuses == [201] + [409] * 19


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/"])
def test_no_host_of_any_kind_is_in_location_or_link(
    api: httpx.Client, author: User, path: str
) -> None:
    headers = {**author.auth, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for _ in range(2):
        created = api.post(path, json=valid_body(path), headers=headers)
        assert created.headers["location"].startswith(path)
    listed = api.get(f"{path}?limit=1", headers=headers)
    assert listed.headers["link"].startswith("</")
    for answer in (created, listed):
        assert "evil.example" not in answer.text + str(answer.headers)
