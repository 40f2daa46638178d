"""The limit: the same SQL without a service, through pgbench and through bare drivers."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import randint
from typing import Any

import psycopg2  # type: ignore[import-untyped]
from sqlalchemy import make_url
from supervisor import FailedError

from benchmarks.cases import LIST, LIST_100, ONE, PUBLISHED_STEP
from benchmarks.processes import cpu_seconds, settle
from chassis_testing.postgres import find_programs

SHOWN = "a.id, a.title, a.content, a.is_published, a.owner_id, u.email, a.created_at"
SHOWN += ", coalesce(a.changed_at, a.created_at) AS updated_at, a.published_at"
ARTICLES = f"SELECT {SHOWN} FROM articles a JOIN users u ON u.id = a.owner_id"  # noqa: S608
POSTS = (
    "SELECT id, title, body, published, author_id, created_at, "
    "coalesce(changed_at, created_at) AS updated_at, published_at FROM posts"
)
LISTS = {LIST: 20 + 1, LIST_100: 100 + 1}  # the row after a page says that there is more


@dataclass(frozen=True)
class Limit:
    """The speed of the database alone with the SQL of one case."""

    way: str
    case: str
    clients: int
    per_second: float
    client_cpu_ms: float
    database_cpu_ms: float


def pgbench(url: str, rows: int, clients: int, seconds: int, database: int) -> list[Limit]:
    """Run prepared statements with pgbench on one thread."""
    found = []
    pick = f"\\set id {PUBLISHED_STEP} * random(1, {rows // PUBLISHED_STEP})\n"
    sql = {ONE: f"{pick}{ARTICLES} WHERE a.id = :id AND a.is_published IS true;\n"}
    for name, limit in LISTS.items():
        sql[name] = f"{ARTICLES} WHERE a.is_published IS true ORDER BY a.id LIMIT {limit};\n"
    for case, script in sql.items():
        before = cpu_seconds([database])
        output = _run_pgbench(url, script, clients, seconds)
        settle([database])  # until the connections' processes have ended and are counted
        cpu = cpu_seconds([database]) - before
        done = int(_found(r"transactions actually processed: (\d+)", output))
        tps = float(_found(r"tps = ([\d.]+)", output))
        found.append(Limit("pgbench, prepared", case, clients, tps, 0, cpu / done * 1000))
    return found


def _run_pgbench(url: str, script: str, clients: int, seconds: int) -> str:
    address = make_url(url)
    done = subprocess.run(
        [
            *(str(find_programs() / "pgbench"), "--no-vacuum", "--protocol=prepared"),
            *("-f", "/dev/stdin", "-c", str(clients), "-j", "1", "-T", str(seconds)),
            *("-h", str(address.host), "-p", str(address.port), "-U", str(address.username)),
            str(address.database),
        ],
        env={**os.environ, "PGPASSWORD": str(address.password)},
        input=script,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise FailedError(f"pgbench failed: {done.stderr.strip()}")
    return done.stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise FailedError(f"The output of pgbench cannot be read:\n{text}")
    return match.group(1)


def bare_psycopg2(url: str, rows: int, seconds: int, database: int) -> list[Limit]:
    """Send the SQL through psycopg2, on one connection without transactions."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(address)
    connection.autocommit = True
    cursor = connection.cursor()

    def fetch(sql: str, values: tuple[int, ...]) -> None:
        cursor.execute(sql, values)
        cursor.fetchall()

    one = f"{ARTICLES} WHERE a.id = %s AND a.is_published IS true"
    many = f"{ARTICLES} WHERE a.is_published IS true ORDER BY a.id LIMIT %s"
    found = _bare("bare psycopg2", fetch, one, many, rows, seconds, database)
    connection.close()
    return found


def bare_sqlite3(module: Any, file: Path, rows: int, seconds: int) -> list[Limit]:
    """Send the SQL of articles, or of posts, through sqlite3 on one connection."""
    connection = module.connect(str(file), isolation_level=None)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    articles = "articles" in tables

    def fetch(sql: str, values: tuple[int, ...]) -> None:
        connection.execute(sql, values).fetchall()

    one = f"{ARTICLES} WHERE a.id = ? AND a.is_published" if articles else f"{POSTS} WHERE id = ?"
    many = f"{ARTICLES} WHERE a.is_published ORDER BY a.id" if articles else f"{POSTS} ORDER BY id"
    way = f"bare sqlite3, {'articles' if articles else 'posts'}"
    found = _bare(way, fetch, one, f"{many} LIMIT ?", rows, seconds, None)
    connection.close()
    return found


def _bare(
    way: str,
    fetch: Callable[[str, tuple[int, ...]], None],
    one: str,
    many: str,
    rows: int,
    seconds: int,
    database: int | None,
) -> list[Limit]:
    last = rows // PUBLISHED_STEP
    loops: dict[str, Callable[[], None]] = {
        ONE: lambda: fetch(one, (PUBLISHED_STEP * randint(1, last),)),  # noqa: S311
        **{name: partial(fetch, many, (limit,)) for name, limit in LISTS.items()},
    }
    return [_timed(way, case, loop, seconds, database) for case, loop in loops.items()]


def _timed(
    way: str, case: str, loop: Callable[[], None], seconds: int, database: int | None
) -> Limit:
    pids = [database] if database else []
    before, cpu, began, count = cpu_seconds(pids), time.process_time(), time.monotonic(), 0
    while time.monotonic() < began + seconds:
        loop()
        count += 1
    elapsed = time.monotonic() - began
    own, databases = time.process_time() - cpu, cpu_seconds(pids) - before
    return Limit(way, case, 1, count / elapsed, own / count * 1000, databases / count * 1000)
