"""`python -m platform_service.users`: the list of users, and who of them may sign in."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from conftest import PLATFORM, User, sign_in
from refreshing import assert_ended
from sqlalchemy import URL

from chassis_testing.fixtures import Sql
from chassis_testing.running import finish
from chassis_testing.service import rendered
from platform_service import crud

MODULE = "platform_service.users"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, database_url: URL) -> Run:
    """Runs the program on the database of the test; returns its exit code and what it says."""

    def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        variables = {"PLATFORM_DATABASE_URL": rendered(database_url), **variables}
        return finish(PLATFORM.start(tmp_path, MODULE, *arguments, **variables))

    return run


def test_the_list_has_a_line_for_each_user(run: Run, ann: User, bob: User, sql: Sql) -> None:
    sql("UPDATE users SET created_at = '2026-11-29 01:02:03'")
    sql(f"UPDATE users SET is_active = false, email = 'Straße@example.com' WHERE id = {bob.id}")
    code, out, err = run("list")
    assert (code, err) == (0, "")
    headings, *lines = (line.split() for line in out.splitlines())
    assert headings == ["ID", "E-MAIL", "ACTIVE", "CREATED"]
    assert lines == [
        [str(ann.id), ann.email, "yes", "2026-11-29T01:02:03Z"],
        [str(bob.id), "Straße@example.com", "no", "2026-11-29T01:02:03Z"],
    ]


def test_a_terminal_without_a_letter_of_an_email_is_no_fault(run: Run, ann: User, sql: Sql) -> None:
    sql(f"UPDATE users SET email = 'straße@example.com' WHERE id = {ann.id}")
    code, out, err = run("list", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert r"stra\xdfe@example.com" in out


@pytest.mark.parametrize("users", [0, 2 * crud.BATCH])
def test_the_list_of_many_users_has_each_of_them_once(run: Run, sql: Sql, users: int) -> None:
    if users:
        rows = ",".join(f"('user{number}@example.com', 'x')" for number in range(users))
        sql(f"INSERT INTO users (email, hashed_password) VALUES {rows}")
    code, out, err = run("list")
    assert (code, err) == (0, "")
    ids = [int(line.split()[0]) for line in out.splitlines()[1:]]
    assert ids == [row[0] for row in sql("SELECT id FROM users ORDER BY id")]
    assert len(ids) == users


def test_a_reader_of_the_list_may_leave(database_url: URL, tmp_path: Path, sql: Sql) -> None:
    rows = ",".join(f"('user{number}@example.com', 'x')" for number in range(5000))
    sql(f"INSERT INTO users (email, hashed_password) VALUES {rows}")
    url = rendered(database_url)
    with PLATFORM.start(tmp_path, MODULE, "list", PLATFORM_DATABASE_URL=url) as running:
        assert running.stdout
        assert running.stderr
        assert running.stdout.readline().split() == ["ID", "E-MAIL", "ACTIVE", "CREATED"]
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode < 0, "as any program that writes to nobody"


def test_deactivation_holds_at_once_and_activation_ends_it(
    run: Run, client: httpx.Client, ann: User, bob: User
) -> None:
    email = " ANN@Example.COM "

    def statuses(user: User) -> tuple[int, int]:
        me = client.get("/users/me", headers=user.headers)
        return me.status_code, sign_in(client, user.email).status_code

    token = sign_in(client, ann.email).json()["refresh_token"]
    for _ in range(2):  # a repetition does no harm
        code, out, err = run("deactivate", email)
        assert (code, err) == (0, "")
        assert out.startswith(f"User {ann.id} is inactive, and every session has ended. ")
        assert (statuses(ann), statuses(bob)) == ((401, 401), (200, 200))
    assert run("activate", email) == (0, f"User {ann.id} is active, and may sign in.\n", "")
    assert (statuses(ann), statuses(bob)) == ((200, 200), (200, 200))
    assert_ended(client, token)


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("email", ["eve@example.com", ""])
def test_an_email_that_nobody_has_ends_the_program_with_one_sentence(run: Run, email: str) -> None:
    assert run("deactivate", email) == (1, "", "users: nobody has this e-mail.\n")


def test_a_database_without_tables_is_one_sentence(empty_url: URL, tmp_path: Path) -> None:
    url = rendered(empty_url)
    code, out, err = finish(PLATFORM.start(tmp_path, MODULE, "list", PLATFORM_DATABASE_URL=url))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("users: the database cannot be used: ")


@pytest.mark.parametrize(
    ("url", "begin"),
    [
        ("postgresql://user@127.0.0.1:1/name", "users: the database cannot be used: "),
        ("nonsense", "platform-service: PLATFORM_DATABASE_URL "),
        ("", "platform-service: PLATFORM_DATABASE_URL is missing."),
    ],
)
def test_no_database_is_one_sentence(tmp_path: Path, url: str, begin: str) -> None:
    code, out, err = finish(PLATFORM.start(tmp_path, MODULE, "list", PLATFORM_DATABASE_URL=url))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(begin)


def test_the_program_explains_its_arguments(tmp_path: Path) -> None:
    for arguments in (["--help"], ["deactivate", "--help"]):
        code, out, err = finish(PLATFORM.start(tmp_path, MODULE, *arguments))
        assert (code, err) == (0, "")
        assert "usage: python -m platform_service.users" in out
    for arguments in ([], ["remove"], ["list", "x"], ["activate"], ["activate", "\udcff@x.com"]):
        code, out, err = finish(PLATFORM.start(tmp_path, MODULE, *arguments))
        assert (code, out) == (2, "")
        assert "Traceback" not in err
