"""A part that is down affects no other part."""

from collections.abc import Iterator

import httpx
import pytest
from support.api import PASSWORD, User, new_email, sign_in, sign_up, write_article, write_post
from support.deployment import Containers

from chassis_testing.waiting import until


@pytest.fixture
def without_database(containers: Containers) -> Iterator[None]:
    containers.compose("stop", "platform-db")
    yield
    containers.up()


@pytest.mark.usefixtures("without_database")
def test_without_its_database_only_the_platform_is_503(
    containers: Containers, api: httpx.Client, author: User
) -> None:
    routes = [
        ("GET", "/articles/"),
        ("GET", "/articles/1"),
        ("GET", "/users/me"),
        ("GET", "/users"),
    ]
    routes += [("DELETE", "/articles/1")]
    for method, path in routes:
        assert api.request(method, path, headers=author.auth).status_code == 503
    article = {"title": "x", "content": "x"}
    assert api.post("/articles/", json=article, headers=author.auth).status_code == 503
    assert sign_in(api, author.email).status_code == 503
    user = {"email": new_email(), "password": PASSWORD}
    assert api.post("/users/", json=user).status_code == 503
    assert api.get(f"/posts/{write_post(api, author)['id']}").status_code == 200
    assert api.get("/livez").status_code == 200
    until(lambda: platform_check(api) == "down", "the end of readiness")
    assert api.get("/readyz").status_code == 200

    containers.up("--no-deps", "platform-db")
    until(lambda: api.get("/articles/").status_code == 200, "the return of the database")
    assert sign_in(api, author.email).status_code == 200
    assert sign_up(api, new_email()).status_code == 201
    assert write_article(api, author)


def platform_check(api: httpx.Client) -> str:
    check: str = api.get("/readyz").json()["checks"]["platform-service"]
    return check


def test_without_the_platform_the_blog_knows_its_callers_by_the_keys_that_it_has(
    containers: Containers, api: httpx.Client, ada: User
) -> None:
    post = write_post(api, ada)
    containers.compose("stop", "platform-service")
    try:
        assert write_post(api, ada)["author_id"] == ada.id
        containers.compose("restart", "blog-service")  # which then has no keys
        containers.up("--no-deps", "blog-service")
        until(lambda: api.get(f"/posts/{post['id']}").json() == post, "the restart")
        refused = api.get("/posts/", headers=ada.auth)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    finally:
        containers.up()
    until(lambda: api.get("/posts/", headers=ada.auth).status_code == 200, "the fetch of keys")
    assert write_post(api, ada)["author_id"] == ada.id


@pytest.mark.parametrize(
    ("service", "gone", "well"),
    [
        ("blog-service", "/posts/", "/articles/"),
        ("platform-service", "/articles/", "/posts/"),
    ],
)
def test_a_stopped_service_is_502_or_503_and_the_other_still_answers(
    containers: Containers,
    api: httpx.Client,
    author: User,
    *,
    service: str,
    gone: str,
    well: str,
) -> None:
    containers.compose("stop", service)
    try:
        assert api.get(gone, headers=author.auth).status_code in (502, 503)
        assert api.get(well).status_code == 200
        assert api.get("/readyz").json()["checks"][service] == "down"
        assert api.get("/openapi.json").status_code == 200
    finally:
        containers.up()
    until(lambda: api.get(gone).status_code == 200, "its return")
