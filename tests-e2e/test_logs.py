"""Log lines are JSON and hold nothing secret."""

import httpx
from support.api import new_email, sign_in, word
from support.deployment import PARTS, Containers
from support.logs import lines_of, log_lines

from chassis_testing.waiting import until


def test_every_log_line_is_a_json_object_with_time_level_service_and_event(
    containers: Containers, api: httpx.Client
) -> None:
    api.get("/nothing")
    for part in PARTS:
        lines = log_lines(containers, part)
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
    until(lambda: lines_of(containers, "platform-service", last), "the last line")
    logged = containers.compose("logs")
    for secret in (password[:-1], email, token.split(".")[1], token.split(".")[2][:-4], query):
        assert secret not in logged
