"""PostgreSQL as `make run` starts it keeps what it has acknowledged."""

import signal
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]

import data
from chassis_testing.ports import free_ports
from chassis_testing.waiting import until
from postgres import Postgres
from supervisor import Supervisor


def start(folder: Path) -> tuple[Supervisor, Postgres]:
    supervisor, [port] = Supervisor(), free_ports(1)
    data.make_secrets(supervisor, folder)
    postgres = Postgres(folder / "postgres", data.database_password(folder), port)
    try:
        postgres.start(supervisor)
    except BaseException:
        supervisor.stop()
        raise
    return supervisor, postgres


def ask(folder: Path, postgres: Postgres, statement: str) -> list[tuple[object, ...]]:
    password = data.database_password(folder).read_text()
    connection = psycopg2.connect(postgres.url, password=password)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_a_committed_row_survives_sigkill_of_the_server(tmp_path: Path) -> None:
    supervisor, postgres = start(tmp_path)
    try:
        ask(tmp_path, postgres, "CREATE TABLE notes AS SELECT 'kept' AS text")
        [[server]] = supervisor.stages
        server.signal(signal.SIGKILL)
        until(lambda: server.has_ended, "the end of the server")
    finally:
        supervisor.stop()
    supervisor, postgres = start(tmp_path)
    try:
        assert ask(tmp_path, postgres, "SELECT text FROM notes") == [("kept",)]
    finally:
        supervisor.stop()


def test_no_socket_is_left_in_a_folder_that_others_can_open(tmp_path: Path) -> None:
    supervisor, postgres = start(tmp_path)
    try:
        assert ask(tmp_path, postgres, "SHOW unix_socket_directories") == [("",)]
    finally:
        supervisor.stop()
