"""Many clients at once, impatient clients, and restarts under load."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from api import User, client, everything, word, write_article, write_post
from deployment import Containers, Deployment, eventually
from wire import Wire

Request = Callable[..., httpx.Response]


@contextmanager
def many(deployment: Deployment, clients: int) -> Iterator[Request]:
    """What sends a request as one of many clients, each with a connection, from any thread."""
    idle: SimpleQueue[httpx.Client] = SimpleQueue()

    def request(*arguments: Any, **named: Any) -> httpx.Response:
        one = idle.get()
        try:
            return one.request(*arguments, **named)
        finally:
            idle.put(one)

    with ExitStack() as stack:
        for _ in range(clients):
            idle.put(stack.enter_context(client(deployment, timeout=30)))
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


def test_thirty_two_clients_writing_posts_at_once_lose_nothing(
    deployment: Deployment, api: httpx.Client, author: User
) -> None:
    before, titles = write_post(api, author), [word() for _ in range(320)]

    def write(title: str) -> int:
        return request("POST", "/posts/", json={"title": title}, headers=author.auth).status_code

    with many(deployment, 32) as request, ThreadPoolExecutor(32) as pool:
        assert Counter(pool.map(write, titles)) == {201: 320}
    found = [post["title"] for post in everything(api, f"/posts/?after={before['id']}&limit=100")]
    assert sorted(title for title in found if title in titles) == sorted(titles)


def test_changes_to_one_post_by_many_clients_are_whole(
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


class Pulse(threading.Thread):
    """Asks for /livez again and again, and keeps what the answers were; None for none in time."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire, self.ended = wire, threading.Event()
        self.answers: Counter[int | None] = Counter()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            answer = None
            with suppress(OSError):
                answer = self.wire.ask("GET", "/livez")
            self.answers[answer.status_code if answer else None] += 1

    def __enter__(self) -> "Pulse":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


async def all_hang_up(wire: Wire, request: bytes) -> None:
    """Send the request from 600 clients, 100 at once, that wait for 30 ms at most."""
    at_once = asyncio.Semaphore(100)

    async def hang_up(number: int) -> None:
        async with at_once:
            base, tls = wire.base, wire.base.scheme == "https" or None
            reader, writer = await asyncio.open_connection(base.hostname, base.port, ssl=tls)
            writer.write(request)
            with suppress(TimeoutError, ConnectionResetError):
                await asyncio.wait_for(reader.read(1), number % 31 / 1000)
            writer.transport.abort()

    await asyncio.gather(*map(hang_up, range(600)))


@pytest.mark.parametrize("path", ["/posts/", "/articles/"])
def test_six_hundred_clients_that_hang_up_do_no_harm(
    api: httpx.Client, wire: Wire, author: User, path: str
) -> None:
    body = b'{"title": "hung up", "content": "x"}'
    if path == "/posts/":
        body = b'{"title": "hung up", "body": "x"}'
    sized = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    request = wire.head("POST", path, [*author.auth.items(), *sized]) + body

    with Pulse(wire) as pulse:
        asyncio.run(all_hang_up(wire, request))
        # The services finish what they have begun for those who left, however busy the machine is.
        assert api.get(f"{path}?limit=1", timeout=30).status_code == 200
    assert pulse.answers.keys() == {200}


class Writer:
    """Writes posts with unique titles over one connection, kept as long as it lasts.

    While the gateway itself restarts, a new connection may be refused, or end without an answer:
    that is how a refusal looks through a port forwarder. Else each request has its answer.
    """

    def __init__(
        self, containers: Containers, user: User, restarted: str, ended: threading.Event
    ) -> None:
        self.containers, self.user, self.ended = containers, user, ended
        self.may_be_refused = restarted == "gateway"
        self.acknowledged: list[str] = []
        self.unsure: list[str] = []
        self.faults: list[str] = []

    def work(self) -> None:
        while not self.ended.is_set():
            with client(self.containers, timeout=15) as api:
                self.write_until_refused(api)

    def write_until_refused(self, api: httpx.Client) -> None:
        is_new = True
        while not self.ended.is_set():
            title = word()
            try:
                answer = api.post("/posts/", json={"title": title}, headers=self.user.auth)
            except httpx.TransportError as error:
                self.unsure.append(title)
                refused = is_new or isinstance(error, httpx.ConnectError)
                if not (refused and self.may_be_refused):
                    self.faults.append(f"{type(error).__name__}: {error}")
                self.ended.wait(0.05)
                return
            self.note(title, answer)
            is_new = answer.headers.get("connection") == "close"

    def note(self, title: str, answer: httpx.Response) -> None:
        if answer.status_code == 201:
            self.acknowledged.append(title)
            return
        self.unsure.append(title)
        if answer.status_code != 503:
            self.faults.append(f"{answer.status_code}: {answer.text}")
        self.ended.wait(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["blog-service", "platform-service", "gateway"])
def test_a_restart_under_fifty_writers_loses_no_acknowledged_write(
    containers: Containers, api: httpx.Client, author: User, service: str
) -> None:
    before, ended = write_post(api, author), threading.Event()
    writers = [Writer(containers, author, service, ended) for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        running = [pool.submit(writer.work) for writer in writers]
        eventually(lambda: all(writer.acknowledged for writer in writers), within=30)
        try:
            containers.compose("restart", service)
            containers.up()
            eventually(since_now(writers), within=30)
        finally:
            ended.set()
        for future in running:
            future.result()
    check(api, before["id"], writers)


def since_now(writers: list[Writer]) -> Callable[[], bool]:
    counts = [len(writer.acknowledged) for writer in writers]
    return lambda: all(
        len(writer.acknowledged) > count for writer, count in zip(writers, counts, strict=True)
    )


def check(api: httpx.Client, before: int, writers: list[Writer]) -> None:
    posts = everything(api, f"/posts/?after={before}&limit=100")
    found = Counter(post["title"] for post in posts)
    assert [fault for writer in writers for fault in writer.faults] == []
    for writer in writers:
        assert all(found[title] == 1 for title in writer.acknowledged)
        assert all(found[title] <= 1 for title in writer.unsure)
