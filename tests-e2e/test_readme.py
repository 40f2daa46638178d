r"""The tour in README.md works as printed, and the table of limits is that of the gateway.

Each ```sh block below a line `<!-- tour -->` is part of it; all run in order, in one bash that
stops at the first error. A line `#> text` promises that the text is in the output, after what was
promised before it; `...` in it stands for anything.
"""

import os
import re
import subprocess
import tomllib

import pytest
from support.api import word
from support.deployment import PATIENCE, ROOT, Deployment, Foreign

BLOCK = re.compile(r"^<!-- tour -->\n+```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LIMITS = re.compile(r"^<!-- limits -->\n+((?:\|.*\n)+)", re.MULTILINE)
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
ROUTES = ROOT / "gateway" / "gateway" / "routes.toml"


@pytest.fixture(scope="module")
def tour(deployment: Deployment) -> str:
    """The commands, with this deployment's address and with e-mail addresses that are new to it."""
    script = "".join(BLOCK.findall(README.read_text()))
    assert "curl" in script
    script = script.replace("http://localhost:8000", deployment.url)
    return script.replace("@example.com", f"@{word()}.example.com")


@pytest.fixture
def environment(deployment: Deployment) -> dict[str, str]:
    """The environment for curl, which must not ask a proxy for a deployment on this machine."""
    return dict(os.environ) if isinstance(deployment, Foreign) else {**os.environ, "no_proxy": "*"}


def test_the_tour_works_as_printed(tour: str, environment: dict[str, str]) -> None:
    command = ["bash", "-euo", "pipefail", "-c", tour]
    done = subprocess.run(
        command, capture_output=True, timeout=5 * PATIENCE, check=False, env=environment
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output + done.stderr.decode()
    promises = re.findall(r"^\s*#> ?(.*)$", tour, re.MULTILINE)
    assert promises, "the tour promises nothing"
    position = 0
    for promise in promises:
        pattern = ".*?".join(re.escape(part) for part in promise.split("..."))
        match = re.compile(pattern).search(output, position)
        assert match, f"{promise!r} is not in {output[position:]!r}"
        position = match.end()


def limits_as_shipped() -> dict[str, str]:
    """Return every limit in the gateway's file of routes, by its name or rule."""
    file = tomllib.loads(ROUTES.read_text())
    rates = {
        f"{it.get('method', '')} {it['path']}".strip(): it["limit"] for it in file["rate_limits"]
    }
    return {
        name: str(value) for name, value in {**file["defaults"], **file["client"], **rates}.items()
    }


def test_the_table_of_limits_lists_each_with_its_default() -> None:
    told: dict[str, str] = {}
    [found] = LIMITS.findall(CONFIGURATION.read_text())
    for row in found.splitlines()[2:]:
        _, names, defaults, meaning, _ = row.split("|")
        told |= dict(zip(re.findall(r"`(.+?)`", names), defaults.strip().split(", "), strict=True))
        told |= dict(re.findall(r"`(\w+)` = (\w+)", meaning))
    assert told == limits_as_shipped()
