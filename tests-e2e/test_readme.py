r"""The tour in README.md works as printed.

Each ```sh block below a line `<!-- tour -->` is part of it; all run in order, in one bash that
stops at the first error. A line `#> text` promises that the text is in the output, after what was
promised before it; `...` in it stands for anything.
"""

import os
import re
import subprocess

import pytest
from api import word
from deployment import ROOT, Deployment, Foreign

BLOCK = re.compile(r"^<!-- tour -->\n+```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
README = ROOT / "README.md"


@pytest.fixture(scope="module")
def tour(deployment: Deployment) -> str:
    """The commands, but for the address and the e-mails, of which a deployment takes each once."""
    script = "".join(BLOCK.findall(README.read_text()))
    assert "curl" in script
    script = script.replace("http://localhost:8000", deployment.url)
    return script.replace("@example.com", f"@{word()}.example.com")


@pytest.fixture
def environment(deployment: Deployment) -> dict[str, str]:
    """For curl; no proxy leads to a deployment on this machine."""
    return dict(os.environ) if isinstance(deployment, Foreign) else {**os.environ, "no_proxy": "*"}


def test_the_tour_works_as_printed(tour: str, environment: dict[str, str]) -> None:
    command = ["bash", "-euo", "pipefail", "-c", tour]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
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
