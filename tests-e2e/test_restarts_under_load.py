"""Restarts while many clients write."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.api import User, client, everything, word, write_post
from support.deployment import PARTS, Containers

from chassis_testing.waiting import until


class Writer:
    """A client that writes posts with unique titles over one connection for as long as it lasts.

    While the gateway itself restarts, a new connection may be refused. Through a port forwarder,
    that looks like a connection that ends without a response. Otherwise each request is answered.
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
            with client(self.containers) as api:
                self.write_until_refused(api)

    def write_until_refused(self, api: httpx.Client) -> None:
        is_new = True
        while not self.ended.is_set():
            title = word()
            try:
                post = {"title": title, "published": True}
                answer = api.post("/posts/", json=post, headers=self.user.auth)
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
@pytest.mark.parametrize("service", PARTS)
def test_a_restart_under_fifty_writers_loses_no_acknowledged_write(
    containers: Containers, api: httpx.Client, author: User, service: str
) -> None:
    before, ended = write_post(api, author), threading.Event()
    writers = [Writer(containers, author, service, ended) for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        running = [pool.submit(writer.work) for writer in writers]
        until(lambda: all(writer.acknowledged for writer in writers), "a write of each")
        try:
            containers.compose("restart", service)
            containers.up()
            until(since_now(writers), "another write of each")
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
