"""PostgreSQL: every connection is set up, and a closed one is replaced before it is used."""

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import SAMPLE, Write
from sample import Settings, make_database
from sqlalchemy import URL, event, text
from sqlalchemy.exc import ArgumentError, OperationalError

from chassis.database import Database
from chassis.postgresql import (
    DRIVER,
    LIMITS,
    RECYCLE_SECONDS,
    limit_role,
    make_postgresql_engine,
    parse_url,
)
from chassis_testing import postgres
from chassis_testing.fixtures import only
from chassis_testing.problem import assert_problem
from chassis_testing.running import finish
from chassis_testing.service import rendered

pytestmark = only("postgresql")

LIBPQ = {"PGTZ": "America/New_York", "PGCLIENTENCODING": "LATIN1", "PGOPTIONS": "-c work_mem=64"}
SETTINGS = {
    **{name: LIMITS[name] for name in ("statement_timeout", "idle_in_transaction_session_timeout")},
    "timezone": "UTC",
    "client_encoding": "UTF8",
    "application_name": "sample",
    "work_mem": "4MB",
}


@pytest.fixture
def libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that libpq reads."""
    for name, value in LIBPQ.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("libpq")
@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_every_connection_is_set_up_whatever_libpq_reads(
    database: Database, name: str, value: str
) -> None:
    for engine in (database.read_engine, database.engine):
        with engine.connect() as connection:
            assert connection.scalar(text(f"SHOW {name}")) == value


@pytest.mark.usefixtures("libpq")
def test_texts_and_times_are_the_same_whatever_libpq_reads(
    client: httpx.Client, write_note: Write
) -> None:
    note = write_note("漢")
    assert (note["text"], note["created_at"][-1]) == ("漢", "Z")
    assert client.get("/notes/").json() == [note]


@pytest.mark.usefixtures("libpq")
def test_a_client_sends_nothing_that_a_pooler_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        port = server.getsockname()[1]
        url = f"postgresql://user@127.0.0.1:{port}/name?sslmode=disable&gssencmode=disable"
        database = make_database(Settings(database_url=url))
        asked = pool.submit(database.check)
        with server.accept()[0] as accepted, accepted.makefile("rb") as sent:
            length, _version = struct.unpack("!ii", sent.read(8))
            fields = sent.read(length - 8).rstrip(b"\0").decode().split("\0")
        assert asked.result() == {"database": False, "schema": False}
    database.close()
    names = set(fields[::2])
    assert names - {"user", "database"} == {"application_name", "client_encoding", "timezone"}


def test_the_migration_limits_the_role(empty_url: URL, empty: Database, tmp_path: Path) -> None:
    forget = f"ALTER ROLE CURRENT_ROLE IN DATABASE {empty_url.database} RESET ALL"
    postgres.administer(empty_url, forget)
    variables = {"SAMPLE_DATABASE_URL": rendered(empty_url)}
    for _ in range(2):
        code, _, err = finish(SAMPLE.start(tmp_path, "sample", "migrate", **variables))
        assert code == 0, err
    with empty.engine.connect() as connection:
        wrong = (
            "SELECT name FROM pg_settings WHERE setting = reset_val AND source = 'database user'"
        )
        assert set(connection.scalars(text(wrong))) == set(LIMITS)
        assert connection.scalar(text("SHOW statement_timeout")) == LIMITS["statement_timeout"]


def test_the_pool_replaces_a_connection_before_the_server_ends_it() -> None:
    assert LIMITS["idle_session_timeout"] == f"{2 * RECYCLE_SECONDS}s"


def test_a_role_without_rights_limits_itself(empty_url: URL, empty: Database) -> None:
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    url = empty_url.set(username="plain", password="plain")
    database = SAMPLE.database_at(url)
    try:
        with database.engine.begin() as connection:
            limit_role(connection)
        database.engine.dispose()
        with database.engine.connect() as connection:
            assert connection.scalar(text("SHOW statement_timeout")) == LIMITS["statement_timeout"]
    finally:
        database.close()
        with empty.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY plain")
            connection.exec_driver_sql("DROP ROLE plain")


def test_a_server_that_became_read_only_is_left_at_the_first_write(
    client: httpx.Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with database.engine.connect() as first, database.engine.connect() as second:
        for connection in (first, second):
            connection.exec_driver_sql("SET default_transaction_read_only = on")
            connection.commit()
    assert_problem(client.post("/notes/", json={"text": "x"}), 503)
    assert "read-only" in caplog.text
    assert "Traceback" not in caplog.text
    assert client.post("/notes/", json={"text": "x"}).status_code == 201


def test_of_several_hosts_the_one_that_takes_writes_is_used(database_url: URL) -> None:
    port = f"127.0.0.1:9,{database_url.host}:{database_url.port}"
    login = f"{database_url.username}:{database_url.password}"
    query = "target_session_attrs=read-write&application_name=mine"
    url = f"postgresql://{login}@{port}/{database_url.database}?{query}"
    database = make_database(Settings(database_url=url))
    for engine in (database.read_engine, database.engine):
        with engine.connect() as connection:
            assert connection.scalar(text("SHOW application_name")) == "mine"
    database.close()


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("one", {"host": "one"}),
        ("one:1", {"host": "one", "port": 1}),
        ("one:1,two:2", {"host": "one,two", "port": "1,2"}),
        ("one,two", {"host": "one,two", "port": ","}),
        ("one,two:2", {"host": "one,two", "port": ",2"}),
        ("[::1]:1,[::2]:2", {"host": "::1,::2", "port": "1,2"}),
    ],
)
@pytest.mark.parametrize("login", ["user", "user:p%40,ss"])
def test_several_hosts_are_understood(written: str, hosts: dict[str, object], login: str) -> None:
    url = parse_url(f"postgres://{login}@{written}/name?sslmode=require")
    arguments = url.get_dialect()().create_connect_args(url)[1]
    password = {"password": "p@,ss"} if ":" in login else {}
    assert arguments == {
        "user": "user",
        "dbname": "name",
        "sslmode": "require",
        **password,
        **hosts,
    }


@pytest.mark.parametrize(
    "url", ["nonsense", "", "postgresql://user@one:x/name", "a://one:1,two:x/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ArgumentError):
        parse_url(url).get_dialect()


def test_only_a_get_that_counts_needs_a_transaction_to_see_one_snapshot(
    client: httpx.Client, database: Database
) -> None:
    seen: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement.partition(" ")[0])

    event.listen(database.read_engine, "after_cursor_execute", look)
    client.get("/notes/")
    client.get("/notes/?count=true")
    client.get("/notes/")
    assert seen == ["SELECT", "BEGIN", "SELECT", "SELECT", "COMMIT", "SELECT"]


def test_a_snapshot_whose_connection_broke_leaves_nothing_behind(
    client: httpx.Client, database: Database, database_url: URL
) -> None:
    def terminate(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "count" in statement:
            postgres.administer(
                database_url.set(database="postgres"),
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                "WHERE application_name = 'sample'",
            )

    event.listen(database.read_engine, "after_cursor_execute", terminate)
    assert_problem(client.get("/notes/?count=true"), 503)
    event.remove(database.read_engine, "after_cursor_execute", terminate)
    for _ in range(3):
        assert client.get("/notes/?count=true").status_code == 200


def test_a_connection_that_the_server_has_closed_is_replaced(
    client: httpx.Client, database_url: URL
) -> None:
    for _ in range(3):
        assert client.get("/notes/").status_code == 200
        assert client.post("/notes/", json={"text": "x"}).status_code == 201
        postgres.administer(
            database_url.set(database="postgres"),
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE application_name = 'sample'",
        )


def test_a_statement_that_takes_too_long_is_503(client: httpx.Client, database: Database) -> None:
    def hurry(connection: object, _record: object) -> None:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SET statement_timeout = 200")
        connection.commit()  # type: ignore[attr-defined]

    event.listen(database.read_engine, "connect", hurry)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE notes")
        assert_problem(client.get("/notes/"), 503)
    event.remove(database.read_engine, "connect", hurry)
    database.read_engine.dispose()
    assert client.get("/notes/").status_code == 200


def test_a_changed_password_is_read_for_the_next_connection(
    database_url: URL, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    postgres.administer(database_url, "CREATE ROLE changing LOGIN PASSWORD 'first'")
    url = database_url.set(drivername=DRIVER, username="changing", password=None)
    engine = make_postgresql_engine(
        url, "sample", connections=1, read_only=True, password_file=file
    )

    def connects() -> bool:
        engine.dispose()
        try:
            with engine.connect() as connection:
                return connection.scalar(text("SELECT true")) is True
        except OperationalError:
            return False

    try:
        assert not connects()
        file.write_text("first\n")
        assert connects()
        postgres.administer(database_url, "ALTER ROLE changing PASSWORD 'second'")
        assert not connects()
        file.write_text("second\n")
        assert connects()
    finally:
        engine.dispose()
        postgres.administer(database_url, "DROP ROLE changing")
