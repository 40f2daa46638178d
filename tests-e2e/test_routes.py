"""Every route of the contract: status, fields, slash forms, methods, headers."""

import re
from dataclasses import replace

import httpx
import pytest
from support.api import User, write_article
from support.contract import (
    GATEWAY_PAGES,
    LISTS,
    METHODS,
    READS,
    ROUTES,
    Route,
    call,
    each_route,
    valid_body,
)

from chassis_testing.changes import assert_changed

LACKING = [
    (method, path)
    for path, methods in METHODS.items()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    if method not in methods
]


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
        for item in items:
            assert set(item) == route.shape
        assert response.headers["content-type"] == "application/json"


@each_route
def test_a_route_that_needs_a_token_answers_401_without_one(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    response = call(api, replace(route, signed_in=False), route.path.format(**ids), author)
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


def test_head_of_an_unknown_path_is_404(api: httpx.Client) -> None:
    assert api.head(f"/posts/{2**63 - 1}").status_code == 404
    assert api.head("/nothing").status_code == 404


@pytest.mark.parametrize(("method", "path"), LACKING)
def test_another_method_is_405_with_the_methods_of_the_path(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    response = api.request(method, path.format(**ids), headers=author.auth)
    assert response.status_code == 405
    assert set(re.split(r",\s*", response.headers["allow"])) == METHODS[path]


UNKNOWN = [
    *("/nothing", "/postsX", "/post", "/posts/1/comments", "/users/1/articles", "/articles/1/x"),
    *("/auth", "/auth/", "/auth/tokens", "/.well-known/", "/.well-known/x", "/metrics", "/n%C3%A9"),
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_404(api: httpx.Client, author: User, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert api.request(method, path, headers=author.auth).status_code == 404


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/"])
def test_location_leads_to_the_created_resource(api: httpx.Client, author: User, path: str) -> None:
    for form in (path, path.rstrip("/")):
        created = api.post(form, json=valid_body(path), headers=author.auth)
        assert created.headers["location"] == f"{path}{created.json()['id']}"
        found = api.get(created.headers["location"], headers=author.auth)
        assert found.json() == created.json()


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/"])
def test_location_and_link_name_no_host(api: httpx.Client, author: User, path: str) -> None:
    headers = {**author.auth, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for _ in range(2):
        created = api.post(path, json=valid_body(path), headers=headers)
        assert created.headers["location"].startswith(path)
    listed = api.get(f"{path}?limit=1", headers=headers)
    assert listed.headers["link"].startswith("</")
    for answer in (created, listed):
        assert "evil.example" not in answer.text + str(answer.headers)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.mark.parametrize("route", [r for r in ROUTES if "created_at" in (r.shape or ())], ids=str)
def test_times_are_utc_with_a_z(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    answered = call(api, route, route.path.format(**ids), author).json()
    for item in answered if isinstance(answered, list) else [answered]:
        assert TIME.fullmatch(item["created_at"])


def test_a_field_that_is_not_sent_gets_its_default(api: httpx.Client, author: User) -> None:
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
        changed = api.patch(path, json={field: value}, headers=author.auth).json()
        assert_changed(changed, expected, {field: value})
        expected = changed
    assert api.get(path, headers=author.auth).json() == expected


@pytest.mark.parametrize("path", ["/posts/", "/articles/"])
def test_an_id_is_never_used_again(api: httpx.Client, author: User, path: str) -> None:
    ids = []
    for _ in range(3):
        created = api.post(path, json=valid_body(path), headers=author.auth).json()
        ids.append(created["id"])
        api.delete(f"{path}{created['id']}", headers=author.auth)
    assert ids == sorted(set(ids))


def test_no_shared_cache_keeps_what_a_token_sees(api: httpx.Client, author: User) -> None:
    for path in ("/posts/", "/articles/", "/users/me", "/.well-known/jwks.json", "/users/0"):
        private = api.get(path, headers=author.auth)
        assert private.headers.get_list("cache-control") == ["private, no-cache"]
        public = api.get(path)
        assert public.headers.get_list("cache-control") == ["public, no-cache"]
        assert public.headers.get_list("vary") == ["Authorization"]
