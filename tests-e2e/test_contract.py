"""The contract's routes: statuses, fields, lists, headers."""

import re
from typing import Any

import httpx
import jwt
import pytest
from api import PASSWORD, User, everything, named, sign_in, word, write_article, write_post
from openapi_spec_validator import validate
from samples import ARTICLE, GATEWAY_PAGES, LISTS, METHODS, READS, ROUTES, Route, valid_body

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UNKNOWN = [
    *("/nothing", "/postsX", "/post", "/posts/1/comments", "/users/1/articles", "/articles/1/x"),
    *("/auth", "/auth/", "/auth/tokens", "/.well-known/", "/.well-known/x", "/metrics", "/n%C3%A9"),
]
LACKING = [
    (method, path)
    for path, methods in METHODS.items()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    if method not in methods
]
each_route = pytest.mark.parametrize("route", ROUTES, ids=str)
each_list = pytest.mark.parametrize("route", LISTS, ids=str)


def call(api: httpx.Client, route: Route, path: str, user: User, **headers: str) -> httpx.Response:
    """The route called as its kind of client calls it."""
    auth = user.auth if route.signed_in else {}
    options: dict[str, Any] = {"headers": {**auth, **headers}}
    if path == "/auth/token":
        options["data"] = {"username": user.email, "password": PASSWORD}
    elif route.method in ("POST", "PATCH"):
        options["json"] = valid_body(path)
    return api.request(route.method, path, **options)


@pytest.fixture
def ids(api: httpx.Client, author: User) -> dict[str, int]:
    post, article = write_post(api, author), write_article(api, author, is_published=True)
    return {"post": post["id"], "article": article["id"], "user": author.id}


@each_route
def test_a_route_answers_with_its_status_and_exactly_its_fields(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    response = call(api, route, route.path.format(**ids), author)
    assert response.status_code == route.status
    if route.shape is not None:
        answered = response.json()
        items = answered if route in LISTS else [answered]
        assert items
        assert all(set(item) == route.shape for item in items)
        assert response.headers["content-type"] == "application/json"


@each_route
def test_a_route_that_needs_a_token_answers_401_without_one(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    anonymous = Route(route.method, route.path, route.status)
    response = call(api, anonymous, route.path.format(**ids), author)
    assert response.status_code == (401 if route.signed_in else route.status)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.is_collection], ids=str)
def test_a_collection_answers_at_both_slash_forms(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    assert ids
    with_slash = call(api, route, route.path, author)
    without = call(api, route, route.path.rstrip("/"), author)
    assert with_slash.status_code == without.status_code == route.status
    assert set(with_slash.headers) == set(without.headers)


@pytest.mark.parametrize("path", ["/posts/{post}/", "/users/{user}/", "/articles/{article}/"])
def test_an_item_does_not_answer_with_a_slash_at_its_end(
    api: httpx.Client, author: User, ids: dict[str, int], path: str
) -> None:
    assert api.get(path.format(**ids), headers=author.auth).status_code == 404


@pytest.mark.parametrize("path", [route.path for route in READS] + GATEWAY_PAGES)
def test_head_answers_like_get_without_a_body(
    api: httpx.Client, author: User, ids: dict[str, int], path: str
) -> None:
    changing = ("date", "x-request-id", "ratelimit", "x-ratelimit")
    answers = []
    for method in ("GET", "HEAD"):
        response = api.request(method, path.format(**ids), headers=author.auth)
        assert response.status_code == 200
        answers.append({k: v for k, v in response.headers.items() if not k.startswith(changing)})
    assert answers[0] == answers[1]


def test_head_of_what_is_not_there_is_404(api: httpx.Client) -> None:
    assert api.head(f"/posts/{2**63 - 1}").status_code == 404
    assert api.head("/nothing").status_code == 404


@pytest.mark.parametrize(("method", "path"), LACKING)
def test_a_method_that_a_path_lacks_is_405_with_all_that_it_has(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    response = api.request(method, path.format(**ids), headers=author.auth)
    assert response.status_code == 405
    assert set(re.split(r",\s*", response.headers["allow"])) == METHODS[path]


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_404(api: httpx.Client, author: User, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert api.request(method, path, headers=author.auth).status_code == 404


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/"])
def test_location_leads_to_what_was_created(api: httpx.Client, author: User, path: str) -> None:
    for form in (path, path.rstrip("/")):
        created = api.post(form, json=valid_body(path), headers=author.auth)
        assert created.headers["location"] == f"{path}{created.json()['id']}"
        found = api.get(created.headers["location"], headers=author.auth)
        assert found.json() == created.json()


@pytest.mark.parametrize("route", [r for r in ROUTES if "created_at" in (r.shape or ())], ids=str)
def test_times_are_utc_with_a_z(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    answered = call(api, route, route.path.format(**ids), author).json()
    for item in answered if isinstance(answered, list) else [answered]:
        assert TIME.fullmatch(item["created_at"])


def test_what_is_not_sent_gets_its_default(api: httpx.Client, author: User) -> None:
    post = api.post("/posts/", json={"title": "x"}, headers=author.auth).json()
    assert (post["body"], post["published"]) == (None, False)
    article = write_article(api, author)
    assert (article["is_published"], article["owner_id"]) == (False, author.id)


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/posts/{post}", {"title": "new", "body": "new", "published": True}),
        ("/articles/{article}", {"title": "new", "content": "new", "is_published": False}),
    ],
)
def test_patch_changes_only_the_fields_sent(
    api: httpx.Client, author: User, ids: dict[str, int], path: str, changes: dict[str, object]
) -> None:
    path = path.format(**ids)
    expected = api.get(path, headers=author.auth).json()
    assert api.patch(path, json={}, headers=author.auth).json() == expected
    for field, value in changes.items():
        expected[field] = value
        assert api.patch(path, json={field: value}, headers=author.auth).json() == expected
    assert api.get(path, headers=author.auth).json() == expected


@each_list
def test_a_list_has_twenty_items_unless_another_limit_is_asked_for(
    api: httpx.Client, ada: User, route: Route
) -> None:
    path, filters = route.path, ""
    if route.shape == ARTICLE:
        filters = f"&owner_id={ada.id}"
    for _ in range(22):
        response = api.post(path, json=valid_body(path), headers=ada.auth)
        assert response.status_code == 201
    for query, length in (("", 20), ("limit=1", 1), ("limit=21", 21)):
        listed = api.get(f"{path}?{query}{filters}", headers=ada.auth)
        ids = [item["id"] for item in listed.json()]
        assert len(ids) == length
        assert ids == sorted(ids)


@each_list
def test_a_list_is_counted_when_asked_whatever_the_cursor(
    api: httpx.Client, ada: User, route: Route
) -> None:
    for _ in range(3):
        api.post(route.path, json=valid_body(route.path), headers=ada.auth)
    assert "x-total-count" not in api.get(route.path, headers=ada.auth).headers
    for query in ("count=true", "count=true&limit=1", "count=true&skip=2"):
        answer = api.get(f"{route.path}?{query}", headers=ada.auth)
        assert int(answer.headers["x-total-count"]) >= 3
    last = f"count=true&after={2**63 - 1}"
    beyond = api.get(f"{route.path}?{last}", headers=ada.auth)
    assert (beyond.json(), beyond.links) == ([], {})
    assert beyond.headers["x-total-count"] == answer.headers["x-total-count"]


def test_the_next_link_is_a_path_that_keeps_filters_limit_and_count(
    api: httpx.Client, ada: User
) -> None:
    written = [write_article(api, ada, is_published=True) for _ in range(5)]
    query = {"owner_id": str(ada.id), "is_published": "true", "limit": "2", "count": "true"}
    for form in ("/articles/", "/articles"):
        first = api.get(form, params=query)
        following = httpx.URL(first.links["next"]["url"])
        assert str(following).startswith("/articles")
        assert dict(following.params) == query | {"after": str(written[1]["id"])}
        second = api.get(str(following))
        assert second.json() == written[2:4]
        assert second.headers["x-total-count"] == "5"
        third = api.get(second.links["next"]["url"])
        assert third.json() == written[4:]
        assert third.links == {}


def test_a_page_that_ends_with_the_list_has_no_next_link(api: httpx.Client, ada: User) -> None:
    written = [write_article(api, ada) for _ in range(4)]
    path = f"/articles/?owner_id={ada.id}&limit=2&skip=2"
    page = api.get(path, headers=ada.auth)
    assert (page.json(), page.links) == (written[2:], {})


def test_skip_is_followed_by_a_keyset_link(api: httpx.Client, ada: User) -> None:
    written = [write_article(api, ada) for _ in range(6)]
    path = f"/articles/?owner_id={ada.id}&limit=2&skip=1"
    assert everything(api, path, ada.auth) == written[1:]
    following = httpx.URL(api.get(path, headers=ada.auth).links["next"]["url"])
    assert "skip" not in following.params
    assert following.params["after"] == str(written[2]["id"])


def test_skip_and_after_do_not_go_together(api: httpx.Client, author: User) -> None:
    for route in LISTS:
        refused = api.get(f"{route.path}?skip=1&after=1", headers=author.auth)
        assert refused.status_code == 422
        assert {"skip", "after"} & named(refused) or "query" in named(refused)


def test_filters_choose_what_is_listed(api: httpx.Client, ada: User, bob: User) -> None:
    draft, public = write_article(api, ada), write_article(api, ada, is_published=True)
    own = f"/articles/?owner_id={ada.id}"
    assert api.get(own, headers=ada.auth).json() == [draft, public]
    assert api.get(f"{own}&is_published=false", headers=ada.auth).json() == [draft]
    assert api.get(f"{own}&is_published=true", headers=ada.auth).json() == [public]
    assert api.get(own, headers=bob.auth).json() == [public]
    assert api.get(f"/articles/?owner_id={2**63 - 1}").json() == []
    post = write_post(api, ada, published=True)
    around = f"/posts/?after={post['id'] - 1}&limit=1" if post["id"] > 1 else "/posts/?limit=1"
    assert api.get(f"{around}&published=true").json() == [post]
    assert post not in api.get(f"{around}&published=false").json()


@pytest.mark.parametrize("path", ["/posts/", "/articles/"])
def test_an_id_is_never_used_again(api: httpx.Client, author: User, path: str) -> None:
    ids = []
    for _ in range(3):
        created = api.post(path, json=valid_body(path), headers=author.auth).json()
        ids.append(created["id"])
        api.delete(f"{path}{created['id']}", headers=author.auth)
    assert ids == sorted(set(ids))


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


def test_the_key_set_shows_public_keys_alone(api: httpx.Client) -> None:
    for key in api.get("/.well-known/jwks.json").json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (key["kty"], key["crv"], key["alg"]) == ("OKP", "Ed25519", "EdDSA")


def test_the_gateway_is_alive_and_ready_and_lists_each_upstream(api: httpx.Client) -> None:
    alive, ready = api.get("/livez"), api.get("/readyz")
    assert alive.json() == {"status": "up"}
    checks = {"blog-service": "up", "platform-service": "up"}
    assert ready.json() == {"status": "up", "checks": checks}
    assert alive.headers["cache-control"] == ready.headers["cache-control"] == "no-store"


def test_the_documentation_lists_every_route_and_loads_nothing_from_elsewhere(
    api: httpx.Client,
) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    listed = {re.sub(r"\{.*?\}", "{}", path): set(item) for path, item in document["paths"].items()}
    for route in ROUTES:
        assert route.method.lower() in listed[re.sub(r"\{.*?\}", "{}", route.path)], route
    assert "/posts" not in listed
    assert not re.search(r"""(src|href)=["'](https?:)?//""", api.get("/docs").text)
    assert "/docs" in api.get("/").text


def test_the_document_of_all_routes_is_valid_openapi(api: httpx.Client) -> None:
    validate(api.get("/openapi.json").json())


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/me", "/livez", "/nothing", "/"])
def test_a_request_id_is_kept_or_replaced(api: httpx.Client, path: str) -> None:
    for kept in ("a", "A.b_c-9", word() * 5, "x" * 128):
        answer = api.get(path, headers={"X-Request-ID": kept})
        assert answer.headers["x-request-id"] == kept
    for replaced in ("", "x" * 129, "a b", "a,b", "a/b", "é", '"'):
        answer = api.get(path, headers={b"X-Request-ID": replaced.encode()})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert len({api.get(path).headers["x-request-id"] for _ in range(5)}) == 5
