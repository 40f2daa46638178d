"""Layers: who may import whom, and which words belong where."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(file.parent for file in ROOT.glob("*-service/pyproject.toml"))
SERVICES = [folder.name.replace("-", "_") for folder in FOLDERS]
PACKAGES = {
    "chassis": ROOT / "chassis" / "chassis",
    **{name: folder / name for name, folder in zip(SERVICES, FOLDERS, strict=True)},
    "gateway": ROOT / "gateway" / "gateway",
}
RESOURCES = {"post", "posts", "user", "users", "article", "articles"}
PARAMETER_OF_LIBPQ = "tcp_user_timeout"
HTTP_LIBRARIES = {"fastapi", "starlette", "http", "httpx", "uvicorn"}
TYPES_OF_SQLALCHEMY = {"Session"}
SQL = {"select", "insert", "update", "text", "execute", "scalar", "scalars", "flush", "commit"}

Rule = Callable[[str], list[str]]


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Yield each import as its module and the name taken from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def imports_of(libraries: set[str], source: str) -> list[str]:
    return [module for module, _ in imported(source) if module.partition(".")[0] in libraries]


def words(source: str) -> Iterator[str]:
    """Yield the words of names, texts and comments. `POST` in capitals is a method of HTTP."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string.replace(PARAMETER_OF_LIBPQ, "")
        for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text):
            if word != "POST":
                yield word.lower()


def names_no_resource(source: str) -> list[str]:
    return [word for word in words(source) if word in RESOURCES]


def imports_no_part(source: str) -> list[str]:
    return imports_of(set(PACKAGES) - {"chassis"}, source)


def imports_no_other_part_than(package: str) -> Rule:
    return lambda source: imports_of(set(PACKAGES) - {"chassis", package}, source)


def holds_no_sql(source: str) -> list[str]:
    found = [
        name
        for module, name in imported(source)
        if module.partition(".")[0] == "sqlalchemy" and name not in TYPES_OF_SQLALCHEMY
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [f"db.{node.attr}"] if node.value.id == "db" else []
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            found += [called] if called in SQL else []
    return found


def holds_no_http(source: str) -> list[str]:
    statuses = {status.value for status in HTTPStatus}
    return imports_of(HTTP_LIBRARIES, source) + [
        str(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and node.value in statuses and node.value is not True
    ]


def files(package: str, pattern: str = "**/*.py") -> list[Path]:
    found = sorted(PACKAGES[package].glob(pattern))
    assert found, f"{package} has no {pattern}"
    return found


RULES: list[tuple[Rule, list[Path]]] = [
    (names_no_resource, files("chassis")),
    (imports_no_part, files("chassis")),
    *((imports_no_other_part_than(package), files(package)) for package in SERVICES),
    (imports_no_other_part_than("gateway"), files("gateway")),
    *((holds_no_sql, files(package, "routers/*.py")) for package in SERVICES),
    *((holds_no_http, files(package, "crud.py")) for package in SERVICES),
]


@pytest.mark.parametrize(("rule", "paths"), RULES)
def test_the_layers_hold(rule: Rule, paths: list[Path], subtests: pytest.Subtests) -> None:
    for path in paths:
        with subtests.test(str(path.relative_to(ROOT))):
            assert rule(path.read_text()) == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (names_no_resource, "post = 1"),
        (names_no_resource, "list_posts = 1"),
        (names_no_resource, "class UserOut: ..."),
        (names_no_resource, '"""Return an article."""'),
        (names_no_resource, "# the user's id"),
        (names_no_resource, 'x = f"/users/{id}"'),
        (imports_no_part, "import blog_service"),
        (imports_no_part, "def f():\n    from platform_service.crud import get_user"),
        (imports_no_part, "import gateway.main as x"),
        (imports_no_other_part_than("blog_service"), "from platform_service import crud"),
        (imports_no_other_part_than("blog_service"), "from gateway.problems import problem"),
        (holds_no_sql, "from sqlalchemy import select"),
        (holds_no_sql, "import sqlalchemy as sa"),
        (holds_no_sql, "db.add(post)"),
        (holds_no_sql, "rows = session.execute(query)"),
        (holds_no_sql, "query = select(Post)"),
        (holds_no_http, "from fastapi import HTTPException"),
        (holds_no_http, "import starlette.status"),
        (holds_no_http, "from http import HTTPStatus"),
        (holds_no_http, "raise Problem(404)"),
    ],
)
def test_each_rule_finds_a_breach(rule: Rule, source: str) -> None:
    assert rule(source)


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (names_no_resource, 'method = "POST"  # posted to postgresql, and used'),
        (names_no_resource, "postgresql = userinfo = 1"),
        (imports_no_part, "from chassis import health\nfrom . import blog_service_like"),
        (imports_no_other_part_than("blog_service"), "from blog_service import crud"),
        (holds_no_sql, "from sqlalchemy.orm import Session"),
        (holds_no_sql, "router.delete('/')(crud.delete_post(db, 1))"),
        (holds_no_http, "from sqlalchemy import select\nquery.limit(20)"),
    ],
)
def test_no_rule_goes_too_far(rule: Rule, source: str) -> None:
    assert rule(source) == []


@pytest.mark.parametrize("package", ["chassis", "gateway", "platform_service"])
def test_a_readme_names_each_module_once(package: str) -> None:
    readme = (PACKAGES[package].parent / "README.md").read_text()
    named = re.findall(r"`([\w/]+\.py)`", readme.partition("\n| ")[2])
    there = [file for file in files(package) if file.name != "__init__.py"]
    modules = sorted(str(file.relative_to(PACKAGES[package])) for file in there)
    assert sorted(named) == [it for it in modules if not it.startswith("migrations/")]
