"""The SQL that the services send, counted, and what it costs without them."""

import sqlite3
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sqlalchemy import URL
from supervisor import Supervisor

from benchmarks import cases, databases, limit, queries
from benchmarks.databases import Databases
from benchmarks.limit import Limit
from benchmarks.measure import Competitor
from benchmarks.processes import Server
from benchmarks.queries import Queries, Wire


def count_platform(
    stores: Databases, url: URL, ours: Competitor, others: list[Competitor]
) -> list[Queries]:
    """Count the platform's SQL, and on PostgreSQL the usual way's."""
    if ours.group == cases.SQLITE:
        settings = databases.platform_settings(stores.folder, url)
        return count_traced(stores, "platform_service", settings, ours)
    wire = Wire(url.port or 0)
    tapped = url.set(port=wire.port)
    supervisor = Supervisor()
    try:
        log = stores.folder / "counted.log"
        settings = databases.platform_settings(stores.folder, tapped)
        server = databases.start_service(supervisor, "platform_service", settings, log)
        found = queries.count(counted(ours, server), lambda: wire.queries)
        settings = {"DATABASE_URL": databases.text_of(tapped)}
        server = databases.start_own(supervisor, "benchmarks.usual_way", log, settings, "/livez")
        for other in others:
            found += queries.count(replace(other, server=server), lambda: wire.queries)
        return found
    finally:
        supervisor.stop()
        wire.close()


def count_traced(
    stores: Databases, package: str, settings: dict[str, str], ours: Competitor
) -> list[Queries]:
    """Count the SQL of a service on SQLite."""
    supervisor = Supervisor()
    try:
        log = stores.folder / f"{package}-traced.log"
        server = databases.start_traced(supervisor, package, settings, log)
        file = databases.trace_file(log)
        return queries.count(counted(ours, server), lambda: file.read_text().splitlines())
    finally:
        supervisor.stop()


def counted(ours: Competitor, server: Server) -> Competitor:
    return replace(ours, server=server, cases=cases.with_count(list(ours.cases)))


def of_platform(stores: Databases, url: URL, rows: int, seconds: int) -> list[Limit]:
    """Run the articles' SQL through pgbench and psycopg2, or through sqlite3."""
    if url.get_backend_name() == "sqlite":
        return limit.bare_sqlite3(sqlite3, Path(str(url.database)), rows, seconds)
    text, found = databases.text_of(url), []
    for clients in (1, cases.MAIN):
        found += limit.pgbench(text, rows, clients, seconds, stores.pid)
    return found + limit.bare_psycopg2(text, rows, seconds, stores.pid)


def of_blog(url: URL, rows: int, seconds: int) -> list[Limit]:
    """Run the posts' SQL through the driver that the blog uses."""
    return limit.bare_sqlite3(blog_driver(), Path(str(url.database)), rows, seconds)


def blog_driver() -> ModuleType:
    try:
        return import_module("pysqlite3")
    except ImportError:
        return sqlite3
