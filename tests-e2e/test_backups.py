"""The commands under Backups in docs/operating.md bring a lost system back."""

import re
from pathlib import Path

import httpx
from support.api import PASSWORD, User, new_user, write_article, write_post
from support.deployment import PATIENCE, ROOT, Containers, run

SECTION = re.compile(r"^### Backups\n(.*?)^##", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def type_in(commands: str, containers: Containers, folder: Path) -> None:
    """Run what an operator pastes into a terminal, in a folder for the copies."""
    environment = {**containers.environment, "COMPOSE_FILE": str(ROOT / "docker-compose.yml")}
    run(["bash", "-euc", commands], environment, 5 * PATIENCE, folder)


def test_the_copies_bring_back_what_was_lost(
    containers: Containers, api: httpx.Client, tmp_path: Path
) -> None:
    user = new_user(api)
    session = api.post("/auth/token", data={"username": user.email, "password": PASSWORD}).json()
    post, article = write_post(api, user), write_article(api, user, is_published=True)
    [section] = SECTION.findall((ROOT / "docs" / "operating.md").read_text())
    copy, bring_back = BLOCK.findall(section)
    type_in(copy, containers, tmp_path)
    containers.compose("down", "--volumes")
    type_in(bring_back, containers, tmp_path)
    assert api.get(f"/posts/{post['id']}").json() == post
    assert api.get(f"/articles/{article['id']}").json() == article
    assert_a_session_goes_on(api, user, session["refresh_token"])


def assert_a_session_goes_on(api: httpx.Client, user: User, refresh_token: str) -> None:
    """Check that the new keys refuse the token that the lost ones signed, and refresh it."""
    assert api.get("/users/me", headers=user.auth).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    token = api.post("/auth/token", data=form).json()["access_token"]
    answer = api.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["id"] == user.id
