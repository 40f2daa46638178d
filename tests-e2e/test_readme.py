r"""The tour in README.md works as printed.

Everything from `<!-- tour -->` to the next heading is the tour. A person pastes its ```sh blocks
into a terminal, in order. A line "> `text`" below them promises that the text is in the output,
after what was promised before it; `…` in it stands for anything.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.api import word
from support.deployment import PATIENCE, ROOT, Deployment, Foreign

TOUR = re.compile(r"^<!-- tour -->\n(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROMISE = re.compile(r"^> `(.*)`(?:<br>)?$", re.MULTILINE)
# A terminal reads a pasted line as an interactive shell does. Without the options, this machine's
# own settings would count.
SHELLS = {"bash": ["bash", "-euo", "pipefail"], "zsh": ["zsh", "-f", "-i"]}
README = ROOT / "README.md"


@pytest.fixture(scope="module")
def tour(deployment: Deployment) -> str:
    """The tour, with this deployment's address."""
    [tour] = TOUR.findall(README.read_text())
    return str(tour).replace("http://localhost:8000", deployment.url)


@pytest.fixture
def environment(deployment: Deployment) -> dict[str, str]:
    """The environment for curl, which must not ask a proxy for a deployment on this machine."""
    return dict(os.environ) if isinstance(deployment, Foreign) else {**os.environ, "no_proxy": "*"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_tour_works_as_printed(
    tour: str, environment: dict[str, str], shell: str, tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    tour = tour.replace("@example.com", f"@{word()}.example.com")  # so that the address is new
    done = subprocess.run(
        SHELLS[shell],
        input="".join(BLOCK.findall(tour)).encode(),
        capture_output=True,
        timeout=5 * PATIENCE,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output + done.stderr.decode()
    assert list(tmp_path.iterdir()) == [], "the tour has made files"
    keeps(output, PROMISE.findall(tour))


def keeps(output: str, promises: list[str]) -> None:
    """Check that each promise is a whole line of the output, in order."""
    lines = iter(output.splitlines())
    assert promises, "the tour promises nothing"
    for promise in promises:
        pattern = ".*".join(re.escape(part) for part in promise.split("…"))
        assert any(re.fullmatch(pattern, line) for line in lines), f"{promise!r}: {output!r}"


def test_the_tour_has_no_line_that_a_terminal_would_misread(tour: str) -> None:
    """A # begins a comment in scripts only: zsh takes a pasted one for a command."""
    assert re.findall(r"^\s*#.*", "".join(BLOCK.findall(tour)), re.MULTILINE) == []
