"""Bodies of another media type, of broken JSON or of too many bytes."""

import json

import httpx
from support.api import PASSWORD, User, sign_in
from support.contract import JSON_ROUTES, each_json_route, valid_body

MEBIBYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}


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


def test_a_sign_in_that_is_not_a_form_is_415(api: httpx.Client, author: User) -> None:
    fields = {"username": author.email, "password": PASSWORD}
    assert api.post("/auth/token", json=fields).status_code == 415
    assert api.post("/auth/token", content=b"username=a&password=b").status_code == 415


@each_json_route
def test_a_body_that_is_not_json_is_400(
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


def test_a_missing_token_is_401_before_the_body_is_read(
    api: httpx.Client, ids: dict[str, int]
) -> None:
    for method, path in JSON_ROUTES:
        if path == "/users/":
            continue
        for content in (b"x", b"{", b'{"title": 1}'):
            answer = api.request(method, path.format(**ids), content=content)
            assert answer.status_code == 401
