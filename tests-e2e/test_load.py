"""Many clients at once."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from support.api import User, client, everything, word, write_article, write_post
from support.deployment import Deployment

Request = Callable[..., httpx.Response]


@contextmanager
def many(deployment: Deployment, clients: int) -> Iterator[Request]:
    """Yield a function that sends a request as one of many clients, from any thread."""
    idle: SimpleQueue[httpx.Client] = SimpleQueue()

    def request(*arguments: Any, **named: Any) -> httpx.Response:
        one = idle.get()
        try:
            return one.request(*arguments, **named)
        finally:
            idle.put(one)

    with ExitStack() as stack:
        for _ in range(clients):
            idle.put(stack.enter_context(client(deployment)))
        yield request


@pytest.mark.parametrize("path", ["/articles/", "/posts/"])
def test_two_hundred_clients_at_once_are_all_answered(
    deployment: Deployment, api: httpx.Client, author: User, path: str
) -> None:
    for _ in range(20):
        write_article(api, author, is_published=True)
        write_post(api, author)
    with many(deployment, 200) as request, ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: request("GET", path), range(1000)))
    assert Counter(answer.status_code for answer in answers) == {200: 1000}
    assert {len(answer.json()) for answer in answers} == {20}


def test_thirty_two_clients_that_write_at_once_lose_no_post(
    deployment: Deployment, api: httpx.Client, author: User
) -> None:
    before, titles = write_post(api, author), [word() for _ in range(320)]

    def write(title: str) -> int:
        post = {"title": title, "published": True}
        return request("POST", "/posts/", json=post, headers=author.auth).status_code

    with many(deployment, 32) as request, ThreadPoolExecutor(32) as pool:
        assert Counter(pool.map(write, titles)) == {201: 320}
    found = [post["title"] for post in everything(api, f"/posts/?after={before['id']}&limit=100")]
    assert sorted(title for title in found if title in titles) == sorted(titles)


def test_concurrent_changes_to_one_post_are_not_mixed(
    deployment: Deployment, api: httpx.Client, author: User
) -> None:
    path = f"/posts/{write_post(api, author)['id']}"

    def change(text: str) -> int:
        body = {"title": text, "body": text}
        return request("PATCH", path, json=body, headers=author.auth).status_code

    with many(deployment, 16) as request, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(change, [word() for _ in range(160)])) == {200}
    post = api.get(path).json()
    assert post["title"] == post["body"]
