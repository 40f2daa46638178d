"""Lists: pages, links, counts and filters."""

import httpx
import pytest
from support.api import User, everything, named, write_article, write_post
from support.contract import ARTICLE, LISTS, Route, each_list, valid_body


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
def test_a_list_is_counted_on_request_whatever_the_cursor(
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


@pytest.mark.parametrize("sort", ["-id", "-published_at"])
def test_the_newest_come_first_and_the_links_keep_the_order(
    api: httpx.Client, ada: User, sort: str
) -> None:
    written = [write_article(api, ada, is_published=number != 3) for number in range(6)]
    listed = [it for it in reversed(written) if sort == "-id" or it["is_published"]]
    path = f"/articles/?sort={sort}&owner_id={ada.id}&limit=2&count=true"
    first = api.get(path, headers=ada.auth)
    assert first.headers["x-total-count"] == str(len(listed))
    assert everything(api, path, ada.auth) == listed
    following = dict(httpx.URL(first.links["next"]["url"]).params)
    if sort == "-id":
        assert following.pop("after") == str(listed[1]["id"])
    else:
        assert following.pop("cursor")
    assert following == dict(httpx.URL(path).params)


def test_posts_are_listed_by_author_newest_first(api: httpx.Client, ada: User) -> None:
    draft, *others = [write_post(api, ada, published=False) for _ in range(4)]
    public = [  # in an order that is not that of their ids
        api.patch(f"/posts/{post['id']}", json={"published": True}, headers=ada.auth).json()
        for post in others[::-1]
    ]
    own = f"/posts/?author_id={ada.id}&limit=2"
    assert everything(api, f"{own}&sort=-published_at", {}) == public[::-1]
    assert everything(api, f"{own}&sort=-id", ada.auth) == [*public, draft]
    assert everything(api, f"{own}&sort=-published_at&published=false", ada.auth) == []


def test_a_cursor_that_no_link_gave_is_refused(api: httpx.Client, ada: User) -> None:
    for cursor in ("", "x", "A" * 22, "_" * 22, "-" * 22, "%00" * 22, "A" * 4000):
        for path in ("/posts/", "/articles/"):
            refused = api.get(f"{path}?sort=-published_at&cursor={cursor}")
            assert (refused.status_code, named(refused)) == (422, {"query", "cursor"})
    for query in ("sort=-published_at", "cursor=x", "q=x", "sort=published_at", "author_id=1"):
        assert api.get(f"/users/?{query}", headers=ada.auth).status_code == 422


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


def test_skip_and_after_together_are_422(api: httpx.Client, author: User) -> None:
    for route in LISTS:
        refused = api.get(f"{route.path}?skip=1&after=1", headers=author.auth)
        assert refused.status_code == 422
        assert {"skip", "after"} & named(refused) or "query" in named(refused)


def test_a_client_may_send_every_default_beside_after(api: httpx.Client, ada: User) -> None:
    written = [write_article(api, ada) for _ in range(2)]
    defaults = f"owner_id={ada.id}&skip=0&limit=20&count=false&after={written[0]['id']}"
    assert api.get(f"/articles/?{defaults}", headers=ada.auth).json() == written[1:]


def test_a_parameter_that_is_sent_twice_is_refused_by_name(api: httpx.Client, author: User) -> None:
    for route in LISTS:
        refused = api.get(f"{route.path}?limit=1&limit=2", headers=author.auth)
        assert refused.status_code == 422
        assert named(refused) == {"query", "limit"}


def test_a_filter_chooses_the_items_of_a_list(api: httpx.Client, ada: User, bob: User) -> None:
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


BOUNDS = [("skip", 0, 1_000_000), ("limit", 1, 100), ("after", 1, 2**63 - 1)]


@pytest.mark.parametrize("route", LISTS, ids=str)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_page_parameters_have_bounds(
    api: httpx.Client, author: User, route: Route, bounds: tuple[str, int, int]
) -> None:
    name, lowest, highest = bounds
    for value, status in ((lowest, 200), (highest, 200), (lowest - 1, 422), (highest + 1, 422)):
        answer = api.get(f"{route.path}?{name}={value}", headers=author.auth)
        assert answer.status_code == status, value
        if status == 422:
            assert named(answer) == {"query", name}
