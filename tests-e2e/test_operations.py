"""What operators do: restart, stop, lose the database, add replicas, read the log."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from api import (
    PASSWORD,
    User,
    new_email,
    new_user,
    sign_in,
    sign_up,
    word,
    write_article,
    write_post,
)
from deployment import LONG_RUNNING, PARTS, Containers, eventually
from engine import docker, inspected, name_of


@pytest.fixture
def without_database(containers: Containers) -> Iterator[None]:
    containers.compose("stop", "platform-db")
    yield
    containers.up()


@pytest.fixture
def written(api: httpx.Client, ada: User) -> Callable[[], None]:
    """Writes a post, an article and a user, and gives the check that they are there."""
    post, article = write_post(api, ada, body="kept"), write_article(api, ada)

    def check() -> None:
        assert api.get(f"/posts/{post['id']}").json() == post
        assert api.get(f"/articles/{article['id']}", headers=ada.auth).json() == article
        assert sign_in(api, ada.email).status_code == 200

    return check


def states(containers: Containers) -> dict[str, str]:
    """What has become of each long-running container."""
    found = inspected(containers.ids(*LONG_RUNNING))
    assert len(found) >= len(LONG_RUNNING)
    return {name_of(one): f"{one['State']['Status']} {one['State']['ExitCode']}" for one in found}


def test_the_data_is_there_after_every_container_was_restarted(
    containers: Containers, written: Callable[[], None]
) -> None:
    containers.compose("restart", *LONG_RUNNING)
    containers.up()
    written()


def test_stop_ends_every_container_by_sigterm_within_its_grace_period(
    containers: Containers, written: Callable[[], None]
) -> None:
    containers.compose("stop")
    ended = states(containers)
    containers.up()
    assert set(ended.values()) <= {"exited 0", "exited 143"}, ended
    written()


def test_down_and_up_keeps_the_data(containers: Containers, written: Callable[[], None]) -> None:
    containers.compose("down")
    containers.up()
    written()


@pytest.fixture
def another(containers: Containers) -> Iterator[Containers]:
    """A second deployment of the images of the first, with nothing started."""
    assert containers
    another = Containers("another")
    yield another
    another.stop()


@pytest.mark.parametrize("waiting", [("--detach",), ("--wait",)])
def test_a_first_start_whose_database_was_killed_is_finished_by_the_next(
    another: Containers, waiting: tuple[str]
) -> None:
    another.compose("up", *waiting, "platform-db")
    another.compose("kill", "platform-db")
    another.up("platform-service")


@pytest.mark.usefixtures("without_database")
def test_without_its_database_the_platform_answers_503_and_all_else_is_well(
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
    eventually(lambda: platform_check(api) == "down", within=10)
    assert api.get("/readyz").status_code == 200

    containers.up("--no-deps", "platform-db")
    assert eventually(lambda: api.get("/articles/").status_code == 200, within=10) < 2
    assert sign_in(api, author.email).status_code == 200
    assert sign_up(api, new_email()).status_code == 201
    assert write_article(api, author)


def platform_check(api: httpx.Client) -> str:
    check: str = api.get("/readyz").json()["checks"]["platform-service"]
    return check


def test_a_service_that_is_gone_is_502_or_503_and_the_other_is_well(
    containers: Containers, api: httpx.Client, author: User
) -> None:
    for service, gone, well in (
        ("blog-service", "/posts/", "/articles/"),
        ("platform-service", "/articles/", "/posts/"),
    ):
        containers.compose("stop", service)
        try:
            assert api.get(gone, headers=author.auth).status_code in (502, 503)
            assert api.get(well).status_code == 200
            assert api.get("/readyz").json()["checks"][service] == "down"
            assert api.get("/openapi.json").status_code == 200
        finally:
            containers.up()
        eventually(lambda path=gone: api.get(path).status_code == 200, within=5)  # type: ignore[misc]


def test_three_replicas_of_a_service_all_get_work(
    containers: Containers, api: httpx.Client
) -> None:
    def worked(replicas: list[str]) -> bool:
        with ThreadPoolExecutor(10) as clients:
            answers = list(clients.map(lambda _: api.get("/articles/?limit=1"), range(30)))
        assert {answer.status_code for answer in answers} == {200}
        return all('"/articles/"' in docker("logs", replica) for replica in replicas)

    containers.up("--no-recreate", "--scale", "platform-service=3")
    try:
        replicas = containers.ids("platform-service")
        assert len(replicas) == 3
        eventually(lambda: worked(replicas), within=20)
    finally:
        containers.up("--scale", "platform-service=1")


def test_an_inactive_user_cannot_sign_in_and_their_token_stops(
    containers: Containers, api: httpx.Client
) -> None:
    user = new_user(api)
    sql = f"UPDATE users SET is_active = false WHERE id = {user.id}"
    psql = ("psql", "--username", "postgres", "--dbname", "platform", "--command", sql)
    assert "UPDATE 1" in containers.compose("exec", "-T", "platform-db", *psql)
    inactive, mistaken = sign_in(api, user.email), sign_in(api, user.email, "wrong password")
    assert inactive.status_code == mistaken.status_code == 401
    assert inactive.json() | {"request_id": ""} == mistaken.json() | {"request_id": ""}
    assert api.get("/users/me", headers=user.auth).status_code == 401
    assert api.get("/articles/", headers=user.auth).status_code == 401
    assert write_post(api, user)  # the gateway's rule ends with the token


def test_a_new_signing_key_is_put_before_the_last_one_and_both_are_good(
    containers: Containers, api: httpx.Client, ada: User
) -> None:
    command = ("python", "-m", "platform_service.make_secrets")
    key = "/secrets/signing/key.pem"
    containers.compose("run", "--rm", "secrets", *command, "--new-key", key)
    containers.compose("restart", "platform-service")
    containers.up()
    assert len(api.get("/.well-known/jwks.json").json()["keys"]) == 2
    token = sign_in(api, ada.email).json()["access_token"]
    assert token.split(".")[0] != ada.token.split(".")[0]
    for user in (ada, User(ada.id, ada.email, ada.password, token)):
        assert api.get("/users/me", headers=user.auth).status_code == 200
        assert write_post(api, user)


def records(containers: Containers, part: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in containers.lines(part)]


def test_a_request_id_is_found_in_the_log_of_every_part_it_went_through(
    containers: Containers, api: httpx.Client
) -> None:
    for path, service in (("/posts/", "blog-service"), ("/articles/", "platform-service")):
        request_id = word()
        assert api.get(path, headers={"X-Request-ID": request_id}).status_code == 200
        for part in ("gateway", service):
            eventually(lambda p=part, r=request_id: access(containers, p, r), within=5)  # type: ignore[misc]
            [line] = access(containers, part, request_id)
            assert (line["method"], line["path"], line["status"]) == ("GET", path, 200)
            assert (line["service"], line["event"]) == (part, "request")
            assert isinstance(line["duration_ms"], int | float)


def access(containers: Containers, part: str, request_id: str) -> list[dict[str, object]]:
    return [line for line in records(containers, part) if line.get("request_id") == request_id]


def test_every_log_line_is_one_json_object_that_says_when_where_and_what(
    containers: Containers, api: httpx.Client
) -> None:
    api.get("/nothing")
    for part in PARTS:
        lines = records(containers, part)
        assert lines
        for line in lines:
            assert {"time", "level", "service", "event"} <= set(line), line
            assert str(line["time"]).endswith("Z")


def test_no_log_line_shows_a_password_a_token_an_email_or_a_query(
    containers: Containers, api: httpx.Client
) -> None:
    password, query = f"pass{word()}", word()
    email = new_email()
    api.post("/users/", json={"email": email, "password": password})
    token = sign_in(api, email, password).json()["access_token"]
    api.post("/users/", json={"email": email, "password": password, "x": password})
    sign_in(api, email, password[:-1])
    for path in ("/users/me", f"/articles/?{query}=1", f"/posts/?limit={query}", "/nothing"):
        for sent in (token, token[:-4]):
            api.get(path, headers={"Authorization": f"Bearer {sent}"})
    last = word()
    api.get("/users/me", headers={"X-Request-ID": last})
    eventually(lambda: access(containers, "platform-service", last), within=5)
    logged = containers.compose("logs")
    for secret in (password[:-1], email, token.split(".")[1], token.split(".")[2][:-4], query):
        assert secret not in logged


def test_rates_are_limited_unless_switched_off(containers: Containers, api: httpx.Client) -> None:
    containers.compose("up", "--wait", "--no-deps", "gateway", GATEWAY_RATE_LIMIT="on")
    try:
        email = new_email()
        assert 429 in {sign_in(api, email).status_code for _ in range(25)}
        fields = {"username": email, "password": PASSWORD}
        forged = ({"X-Forwarded-For": f"203.0.113.{number}"} for number in range(25))
        answers = [api.post("/auth/token", data=fields, headers=headers) for headers in forged]
        assert 429 in {answer.status_code for answer in answers}
    finally:
        containers.up("--no-deps", "gateway")
