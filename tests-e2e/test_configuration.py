"""The tables of docs/configuration.md are those of the parts, routes.toml and compose."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from support.deployment import PARTS, ROOT, SERVICES, Containers

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
ROUTES_FILE = (ROOT / "gateway" / "gateway" / "routes.toml").read_text()
ROUTES = tomllib.loads(ROUTES_FILE)


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table of the document."""
    pattern = rf"^<!-- {table} -->\n+((?:\|.*\n)+)"
    [found] = re.findall(pattern, CONFIGURATION, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in found.splitlines()[2:]]


VARIABLES = rows("variables")


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def is_handed_on(name: str) -> bool:
    """Return whether compose takes the variable from the environment of its user."""
    return bool(re.search(rf"^ +{name}:$|\$\{{{name}\b", COMPOSE, re.MULTILINE))


def settings_of_the_parts(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    read = set()
    for part in PARTS:
        monkeypatch.syspath_prepend(ROOT / part)
        settings = import_module(f"{part.replace('-', '_')}.config").Settings
        prefix = settings.model_config["env_prefix"]
        read |= {f"{prefix}{field}".upper() for field in settings.model_fields}
    urls = {f"GATEWAY_{name}_URL".upper().replace("-", "_") for name in ROUTES["upstreams"]}
    return read | urls


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_in_compose_and_make_up_migrates_and_updates_it(service: str) -> None:
    job = service.replace("-service", "-migrate")
    [up] = re.findall(r"^up:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    for name in (service, job):
        assert f"\n  {name}:\n" in COMPOSE
        assert re.search(rf" {name}\b", up)


def test_the_table_lists_every_variable_of_a_part_and_of_compose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = [name for row in VARIABLES for name in names(row[0])]
    of_compose = set(re.findall(r"\$\{(\w+)", COMPOSE))
    others = {"INKWELL_DATA", "FORWARDED_ALLOW_IPS"}  # of `make run`, and of uvicorn
    assert sorted(listed) == sorted(settings_of_the_parts(monkeypatch) | of_compose | others)


@pytest.mark.parametrize("row", VARIABLES, ids=lambda row: str(row[0]))
def test_a_variable_is_handed_on_by_compose_if_the_table_says_so(row: list[str]) -> None:
    for name in names(row[0]):
        assert is_handed_on(name) == row[2].startswith("yes"), name


def limits_as_shipped() -> dict[str, str]:
    """Return every limit in the gateway's file of routes, by its name or rule."""
    rates = {
        f"{it.get('method', '')} {it['path']}".strip(): it["limit"] for it in ROUTES["rate_limits"]
    }
    limits = {**ROUTES["defaults"], **ROUTES["client"], **rates}
    return {name: str(value) for name, value in limits.items()}


def test_the_table_of_limits_lists_each_with_its_default() -> None:
    told: dict[str, str] = {}
    for limits, defaults, meaning in rows("limits"):
        told |= dict(zip(re.findall(r"`(.+?)`", limits), defaults.split(", "), strict=True))
        told |= dict(re.findall(r"`(\w+)` = (\w+)", meaning))
    assert told == limits_as_shipped()


def test_the_example_of_env_has_only_variables_that_compose_takes() -> None:
    shown = re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE)
    assert {"GATEWAY_PORT", "GATEWAY_RATE_LIMIT", "GATEWAY_ROUTES_FILE"} <= set(shown)
    assert [name for name in shown if not is_handed_on(name)] == []


def test_containers_take_a_file_of_routes_and_other_variables(
    containers: Containers, api: httpx.Client, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(ROUTES_FILE.replace('prefix = "/posts"', 'prefix = "/notes"'))
    mine.chmod(0o644)
    up = ("up", "--wait", "--no-deps", "gateway")
    containers.compose(*up, GATEWAY_ROUTES_FILE=str(mine), GATEWAY_CORS_ORIGINS="http://a.example")
    try:
        assert api.get("/posts/").status_code == 404
        asked = api.get("/notes/", headers={"Origin": "http://a.example"})
        assert asked.json()["instance"] == "/notes/"  # blog-service has no such path
        assert asked.headers["access-control-allow-origin"] == "http://a.example"
    finally:
        containers.up("--no-deps", "gateway")
