"""Idempotency-Key: what is sent again through the gateway is created once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.api import Json, User, new_email, word
from support.contract import valid_body
from support.deployment import Containers

REPLAYED = "Idempotent-Replayed"
COLLECTIONS = ["/posts/", "/articles/", "/users/"]


def send(api: httpx.Client, user: User, path: str, body: Json, key: str) -> httpx.Response:
    return api.post(path, json=body, headers={**user.auth, "Idempotency-Key": key})


def assert_same(answers: list[httpx.Response]) -> None:
    """Check that one answer is the first, and the others are that one again."""
    kept = {
        (one.status_code, one.content, one.headers["Location"], one.headers.get("ETag"))
        for one in answers
    }
    assert len(kept) == 1
    assert answers[0].status_code == 201
    assert sum(REPLAYED not in one.headers for one in answers) == 1


@pytest.mark.parametrize("path", COLLECTIONS)
def test_the_same_request_has_the_first_answer_again(
    api: httpx.Client, ada: User, bob: User, path: str
) -> None:
    key, body = word(), valid_body(path)
    assert_same([send(api, ada, path, body, key), send(api, ada, path, body, f'"{key}"')])
    assert send(api, ada, path, valid_body(path), key).status_code == 422
    of_another = send(api, bob, path, valid_body(path), key)
    assert (of_another.status_code, REPLAYED in of_another.headers) == (201, False)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_fifty_at_once_are_one(crowd: httpx.Client, author: User, path: str) -> None:
    key, body = word(), valid_body(path)
    with ThreadPoolExecutor(50) as clients:
        assert_same(list(clients.map(lambda _: send(crowd, author, path, body, key), range(50))))


@pytest.fixture
def three(containers: Containers) -> Iterator[None]:
    """Three replicas of the platform."""
    containers.up("--no-recreate", "--scale", "platform-service=3")
    yield
    containers.up("--scale", "platform-service=1")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("path", ["/articles/", "/users/"])
def test_fifty_at_once_are_one_over_three_replicas(
    crowd: httpx.Client, author: User, path: str
) -> None:
    key, body = word(), valid_body(path)
    with ThreadPoolExecutor(50) as clients:
        assert_same(list(clients.map(lambda _: send(crowd, author, path, body, key), range(50))))


@pytest.mark.parametrize("path", COLLECTIONS)
def test_the_first_answer_is_there_after_a_restart(
    containers: Containers, api: httpx.Client, author: User, path: str
) -> None:
    key, body = word(), valid_body(path)
    first = send(api, author, path, body, key)
    service = "blog-service" if path == "/posts/" else "platform-service"
    containers.compose("restart", service)
    containers.up()
    assert_same([first, send(api, author, path, body, key)])


def test_an_email_that_is_taken_is_taken_with_a_key_too(api: httpx.Client, author: User) -> None:
    body = {"email": author.email, "password": "another password"}
    for _ in range(2):
        assert (
            api.post("/users/", json=body, headers={"Idempotency-Key": word()}).status_code == 409
        )
    body["email"] = new_email()
    assert api.post("/users/", json=body, headers={"Idempotency-Key": word()}).status_code == 201
