"""The machine that the numbers were measured on."""

import os
import platform
import re
import sqlite3
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import find
from chassis_testing.postgres import find_programs

PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "psycopg2-binary", "httpx", "fastapi-proxy-lib")


def describe() -> dict[str, str]:
    """Return the machine, the kernel and the versions, each under its name."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "PostgreSQL": _said([str(find_programs() / "postgres"), "--version"], r"[\d.]+"),
        "SQLite (blog)": _sqlite(),
        "SQLite (platform)": sqlite3.sqlite_version,
        "nginx": _said([find("nginx") or "nginx", "-v"], r"(?<=nginx/)[\d.]+"),
        "wrk": _said(["wrk", "-v"], r"[\d.]+[\w.+-]*(?= )"),
    }


def busy() -> str:
    """Return a warning if other programs are running, for they are measured too."""
    load = os.getloadavg()[0]
    if load < 1:
        return ""
    return f"The machine is busy (load {load:.1f}): absolute numbers and ratios are rough."


def _cpu_model() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found.group(1)
    return platform.machine()


def _sqlite() -> str:
    with suppress(ImportError):
        return str(import_module("pysqlite3").sqlite_version)
    return sqlite3.sqlite_version


def _said(command: list[str], pattern: str) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return "not installed"
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group() if found else "unknown"
