"""ETag, If-None-Match and If-Match through the gateway."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.api import User, word, write_article, write_post
from support.contract import valid_body
from support.wire import Wire

each_resource = pytest.mark.parametrize("collection", ["/posts/", "/articles/"])


def paths(api: httpx.Client, user: User) -> list[str]:
    """Return the paths of a new post and of a new article, which everyone sees."""
    post, article = write_post(api, user, published=True), write_article(api, user)
    path = f"/articles/{article['id']}"
    assert api.patch(path, json={"is_published": True}, headers=user.auth).status_code == 200
    return [f"/posts/{post['id']}", path]


@each_resource
def test_whoever_is_slower_is_told_of_the_change(
    api: httpx.Client, ada: User, collection: str
) -> None:
    created = api.post(collection, json=valid_body(collection), headers=ada.auth)
    path, tag = created.headers["Location"], created.headers["ETag"]
    assert api.get(path, headers=ada.auth).headers["ETag"] == tag
    mine = {**ada.auth, "If-Match": tag}
    first = api.patch(path, json={"title": "First"}, headers=mine)
    assert first.status_code == 200
    for slower in (
        api.patch(path, json={"title": "Second"}, headers=mine),
        api.delete(path, headers=mine),
    ):
        assert (slower.status_code, "etag" in slower.headers) == (412, False)
    read = api.get(path, headers=ada.auth)
    assert (read.json(), read.headers["ETag"]) == (first.json(), first.headers["ETag"])
    again = {**ada.auth, "If-Match": read.headers["ETag"]}
    second = api.patch(path, json={"title": "Second"}, headers=again)
    assert (second.status_code, second.json()["title"]) == (200, "Second")
    blind = api.patch(path, json={"title": "Third"}, headers=ada.auth)
    assert (blind.status_code, blind.json()["title"]) == (200, "Third")
    assert api.delete(path, headers=again).status_code == 412
    last = {**ada.auth, "If-Match": f"{tag}, {blind.headers['ETag']}"}
    assert api.delete(path, headers=last).status_code == 204
    assert api.delete(path, headers=last).status_code == 404


def test_what_a_client_has_already_is_304_without_content(api: httpx.Client, author: User) -> None:
    for path in paths(api, author):
        whole = api.get(path)
        for method in ("GET", "HEAD", "GET"):  # over kept connections: nothing is left in them
            known = {"If-None-Match": f'"x", W/{whole.headers["ETag"]}', "X-Request-ID": "mine"}
            answer = api.request(method, path, headers=known)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["X-Request-ID"] == "mine"
            for name in ("ETag", "Cache-Control", "Vary"):
                assert answer.headers[name] == whole.headers[name]
            assert not {"content-type", "content-length", "transfer-encoding"} & set(answer.headers)
            assert api.get(path).json() == whole.json()
        tag = whole.headers["ETag"]
        changed = api.patch(path, json={"title": word()}, headers=author.auth)
        assert api.get(path, headers={"If-None-Match": tag}).json() == changed.json()


def test_a_304_ends_with_its_head(api: httpx.Client, wire: Wire, author: User) -> None:
    for path in paths(api, author):
        tag = api.get(path).headers["ETag"]
        conditional = [("If-None-Match", tag)]
        requests = [
            wire.head("GET", path, conditional),
            wire.head("HEAD", path, conditional),
            wire.head("GET", path, [("Connection", "close")]),
        ]
        with wire.connect() as connection:
            connection.sendall(b"".join(requests))
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        heads = received.split(b"\r\n\r\n")
        assert [head.split(b" ")[1] for head in heads[:3]] == [b"304", b"304", b"200"]
        assert heads[3].startswith(b'{"id":')


@each_resource
def test_of_twenty_changes_at_once_with_one_tag_one_is_made(
    api: httpx.Client, crowd: httpx.Client, ada: User, collection: str
) -> None:
    created = api.post(collection, json=valid_body(collection), headers=ada.auth)
    path, headers = created.headers["Location"], {**ada.auth, "If-Match": created.headers["ETag"]}

    def change(number: int) -> int:
        return crowd.patch(path, json={"title": f"By {number}"}, headers=headers).status_code

    with ThreadPoolExecutor(20) as clients:
        assert sorted(clients.map(change, range(20))) == [200, *[412] * 19]


@pytest.mark.parametrize(
    "value",
    ["", "1", '"', "\x7f", "\xff\xfe", "*, *", 'W/"1', '"' * 8_000, '"x", ' * 1_200, "\t,,,\t"],
)
def test_what_is_no_tag_matches_nothing(
    api: httpx.Client, wire: Wire, author: User, value: str
) -> None:
    for path in paths(api, author):
        read = wire.ask("GET", path, [("If-None-Match", value)])
        assert read is not None
        assert read.status_code in {200, 400, 431}
        auth = ("Authorization", author.auth["Authorization"])
        refused = wire.ask("DELETE", path, [auth, ("If-Match", value)])
        assert refused is not None
        assert refused.status_code == (412 if read.status_code == 200 else read.status_code)
        assert api.get(path).status_code == 200


def test_a_tag_opens_nothing(api: httpx.Client, ada: User, bob: User) -> None:
    post, article = write_post(api, ada, published=False), write_article(api, ada)
    for path in (f"/posts/{post['id']}", f"/articles/{article['id']}"):
        tag = api.get(path, headers=ada.auth).headers["ETag"]
        for field, value in (("If-None-Match", tag), ("If-None-Match", "*"), ("If-Match", tag)):
            headers = {**bob.auth, field: value}
            assert api.get(path, headers={field: value}).status_code == 404
            assert api.get(path, headers=headers).status_code == 404
            assert api.patch(path, json={}, headers=headers).status_code == 404
            assert api.delete(path, headers=headers).status_code == 404
            invalid = {"Authorization": "Bearer x", field: value}
            assert api.get(path, headers=invalid).status_code == 401
    for path in paths(api, ada):
        headers = {**bob.auth, "If-Match": '"0"'}
        assert api.patch(path, json={"title": 1}, headers=headers).status_code == 422
        assert api.patch(path, json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/posts/{post_id}", "/articles/{article_id}"])
def test_the_document_has_what_each_route_takes_and_answers(api: httpx.Client, path: str) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    item, create = paths[path], paths[f"{path.rpartition('/')[0]}/"]["post"]
    taken = {
        method: [each["name"] for each in item[method]["parameters"] if each["in"] == "header"]
        for method in ("get", "patch", "delete")
    }
    assert taken == {"get": ["If-None-Match"], "patch": ["If-Match"], "delete": ["If-Match"]}
    assert all("412" in item[method]["responses"] for method in taken)
    shown = [item["get"]["responses"][status] for status in ("200", "304")]
    shown += [item["patch"]["responses"]["200"], create["responses"]["201"]]
    assert all("ETag" in answer["headers"] for answer in shown)
