"""The words of a client: sign up, sign in, write a post or an article, follow the pages."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from chassis_testing import paging
from support.deployment import PATIENCE, Deployment, Foreign
from support.inspection import inspect

PASSWORD = "correct horse battery staple"
TLS = httpx.create_ssl_context()  # making it takes longer than making a client
Json = dict[str, Any]


@dataclass(frozen=True)
class User:
    """A user who has signed up and signed in."""

    id: int
    email: str
    password: str
    token: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class PatientTransport(httpx.HTTPTransport):
    """A transport that repeats a request while the answer is 503: nothing was stored.

    Of a crowd that writes one row, some wait too long for it on a slow machine.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        give_up_at = time.monotonic() + PATIENCE
        while True:
            response = super().handle_request(request)
            if response.status_code != 503 or time.monotonic() > give_up_at:
                return response
            response.close()
            time.sleep(int(response.headers["Retry-After"]))


def client(deployment: Deployment, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return a client that fails the test when a response breaks a rule for all responses."""
    return httpx.Client(
        base_url=deployment.url,
        timeout=PATIENCE,
        transport=transport,
        verify=TLS,
        event_hooks={"response": [inspect]},
        trust_env=isinstance(deployment, Foreign),  # no proxy leads to a deployment on this machine
    )


def word() -> str:
    """Return a word that nothing else in the system contains."""
    return f"e2e{secrets.token_hex(8)}"


def new_email() -> str:
    return f"{word()}@example.com"


def sign_up(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/users/", json={"email": email, "password": password})


def sign_in(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/auth/token", data={"username": email, "password": password})


def new_user(api: httpx.Client) -> User:
    email = new_email()
    signed_up, signed_in = sign_up(api, email), sign_in(api, email)
    assert (signed_up.status_code, signed_in.status_code) == (201, 200), signed_up.text
    return User(signed_up.json()["id"], email, PASSWORD, signed_in.json()["access_token"])


def write_post(api: httpx.Client, user: User, **fields: object) -> Json:
    """Write a post that everyone sees, unless the fields say something else."""
    post = {"title": word(), "published": True, **fields}
    return _created(api.post("/posts/", json=post, headers=user.auth))


def write_article(api: httpx.Client, user: User, **fields: object) -> Json:
    article = {"title": word(), "content": "Once upon a time.", **fields}
    return _created(api.post("/articles/", json=article, headers=user.auth))


def _created(response: httpx.Response) -> Json:
    assert response.status_code == 201, response.text
    created: Json = response.json()
    return created


def pages(api: httpx.Client, path: str, auth: dict[str, str] | None = None) -> Iterator[list[Json]]:
    """Yield the pages of a list by following Link to its end."""
    for page in paging.pages(api, path, auth):
        yield page.json()


def everything(api: httpx.Client, path: str, auth: dict[str, str] | None = None) -> list[Json]:
    """Return the rows of a list, from all its pages."""
    return paging.rows(api, path, auth)


def named(problem: httpx.Response) -> set[str]:
    """Return the fields, parameters and places that a 422 names."""
    return {str(part) for error in problem.json()["errors"] for part in error["loc"]}
