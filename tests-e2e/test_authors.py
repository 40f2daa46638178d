"""Authors: whose post it is, through the gateway and past it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.api import User, write_post
from support.deployment import Containers

Change = Callable[[dict[str, str]], httpx.Response]


@pytest.fixture
def changes(api: httpx.Client) -> Callable[[str], list[Change]]:
    """Ways to change the post at a path, each for the header fields of a caller."""
    return lambda path: [
        lambda auth: api.patch(path, json={"title": "new"}, headers=auth),
        lambda auth: api.delete(path, headers=auth),
    ]


def test_only_the_author_changes_a_post(
    api: httpx.Client, ada: User, bob: User, changes: Callable[[str], list[Change]]
) -> None:
    post = write_post(api, ada)
    path = f"/posts/{post['id']}"
    assert post["author_id"] == ada.id
    for change in changes(path):
        assert change({}).status_code == 401
        assert change(bob.auth).status_code == 403
    assert api.get(path).json() == post
    for change in changes(path):
        assert change(ada.auth).is_success


def test_a_draft_is_seen_by_its_author_alone(
    api: httpx.Client, ada: User, bob: User, changes: Callable[[str], list[Change]]
) -> None:
    before = write_post(api, ada)["id"]
    draft = write_post(api, ada, published=False)
    path, listed = f"/posts/{draft['id']}", f"/posts/?after={before}&limit=100&count=true"
    assert api.get(path, headers=ada.auth).json() == draft
    assert draft in api.get(listed, headers=ada.auth).json()
    for stranger in (bob.auth, {}):
        assert api.get(path, headers=stranger).status_code == 404
        assert draft not in api.get(listed, headers=stranger).json()
        assert draft not in api.get(f"{listed}&published=false", headers=stranger).json()
    for change in changes(path):
        assert change({}).status_code == 401
        assert change(bob.auth).status_code == 404


def test_while_the_author_withdraws_a_post_no_stranger_changes_it(
    api: httpx.Client, crowd: httpx.Client, ada: User, bob: User
) -> None:
    path = f"/posts/{write_post(api, ada)['id']}"

    def change(number: int) -> int:
        user, body = ((ada, {"published": number % 4 == 0}), (bob, {"title": "new"}))[number % 2]
        return crowd.patch(path, json=body, headers=user.auth).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(80)))
    assert set(statuses[::2]) == {200}
    assert set(statuses[1::2]) <= {403, 404}
    assert api.get(path, headers=ada.auth).json()["title"] != "new"


ASK = """
import json, sys, urllib.error, urllib.request
statuses = []
for method, path, fields in json.loads(sys.argv[1]):
    data = b'{"title": "x"}' if method in ("POST", "PATCH") else None
    headers = {"Content-Type": "application/json", **fields}
    request = urllib.request.Request(f"http://127.0.0.1:8000{path}", data, headers, method=method)
    try:
        statuses.append(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        statuses.append(error.code)
print(json.dumps(statuses))
"""


def test_past_the_gateway_a_service_is_as_safe(
    containers: Containers, api: httpx.Client, ada: User, bob: User
) -> None:
    public, draft = write_post(api, ada), write_post(api, ada, published=False)
    forged = {"Authorization": f"Bearer {ada.token[:-4]}AAAA"}
    expected = [
        (("POST", "/posts/", {}), 401),
        (("POST", "/posts/", forged), 401),
        (("GET", "/posts/", forged), 401),
        (("POST", "/posts/", ada.auth), 201),
        (("PATCH", f"/posts/{public['id']}", bob.auth), 403),
        (("DELETE", f"/posts/{public['id']}", {}), 401),
        (("GET", f"/posts/{draft['id']}", bob.auth), 404),
        (("DELETE", f"/posts/{draft['id']}", bob.auth), 404),
        (("DELETE", f"/posts/{draft['id']}", ada.auth), 204),
    ]
    asked = json.dumps([call for call, _ in expected])
    answered = containers.compose("exec", "-T", "blog-service", "python", "-c", ASK, asked)
    assert json.loads(answered) == [status for _, status in expected]
