"""Makes .venv/ with all that the project needs, then runs a command in it.

    python3 scripts/bootstrap.py                        only makes it
    python3 scripts/bootstrap.py python local/run.py    makes it, then runs the command in the root

Needs Python >= 3.11 and nothing else. A second run does nothing until requirements-dev.txt changes.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python is the very case to speak about
    sys.exit(
        f"Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: "
        "name a newer one, e.g. make PYTHON=python3.13 run"
    )

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed-from"
REQUIREMENTS = ROOT / "requirements-dev.txt"
# The installers may download packages only, never a Python, and must write into .venv alone.
INSTALLER_SETTINGS = {"UV_PYTHON_DOWNLOADS": "never", "PIP_USER": "0", "PIP_RETRIES": "2"}


def main() -> None:
    """Make the environment if it is not up to date; run the command given, if any."""
    parent = os.getppid()
    try:
        with one_at_a_time():
            if not is_up_to_date():
                make_environment()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted: the next run begins again.")
    except OSError as error:
        sys.exit(f"The environment could not be made in {VENV}: {error.strerror}.")
    if "MAKELEVEL" in os.environ and os.getppid() != parent:
        sys.exit("make has ended meanwhile.")
    if sys.argv[1:]:
        run_inside(sys.argv[1:])


@contextlib.contextmanager
def one_at_a_time():  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Hold a lock on the root folder, which needs no file of its own."""
    folder = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(folder)


def wanted_stamp() -> str:
    """Return the digest of what .venv is made from; a change of any of it makes it anew."""
    made_from = f"{REQUIREMENTS.read_text()}{Path(__file__).read_text()}{sys.version}{ROOT}"
    return hashlib.sha256(made_from.encode()).hexdigest()


def is_up_to_date() -> bool:
    return STAMP.is_file() and STAMP.read_text() == wanted_stamp()


def make_environment() -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit("Python's venv module is missing: on Debian and Ubuntu, apt install python3-venv.")
    if not os.access(ROOT, os.W_OK):
        sys.exit(f"The folder {ROOT} is not writable: .venv/ and .data/ have to be made in it.")
    if not step("Making .venv", [sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit(f"The virtual environment {VENV} could not be made: the reason is above.")
    if not (install_with_uv() or install_with_pip()):
        sys.exit("The packages could not be installed (is the package index reachable?).")
    find_chassis()
    STAMP.write_text(wanted_stamp())


def find_chassis() -> None:
    """Have the environment's Python find the chassis, which is copied or found, never installed."""
    [packages] = VENV.glob("lib/python3*/site-packages")
    (packages / "inkwell.pth").write_text(f"{ROOT / 'chassis'}\n")


def install_with_uv() -> bool:
    """Install with uv, which takes a fraction of pip's time, where pip can get it."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
        only_uv.write(locked("uv"))
        only_uv.flush()
        if not step("Installing uv", [*pip_install(), "--no-deps", "-r", only_uv.name]):
            return False
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--require-hashes"]
    # Compiled now, once, rather than at the first start or, where Python may not write, at each.
    options = ["--compile-bytecode", "-r", str(REQUIREMENTS)]
    return step("Installing the packages with uv", [*uv, *options])


def install_with_pip() -> bool:
    message = "Installing the packages with pip (a minute or two)"
    return step(message, [*pip_install(), "-r", str(REQUIREMENTS)])


def pip_install() -> list[str]:
    options = ["--require-hashes", "--no-input", "--disable-pip-version-check"]
    return [str(PYTHON), "-m", "pip", "install", *options]


def locked(package: str) -> str:
    """The lines of the requirements file that pin one package and its hashes."""
    found = re.search(rf"^{package}==(?:.*\\\n)*.*\n", REQUIREMENTS.read_text(), re.MULTILINE)
    return found.group() if found else package


def step(message: str, command: list[str]) -> bool:
    """Run a command under a line of dots; when it fails, show the end of what it said."""
    sys.stderr.write(message + " ")
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        failed = wait_with_dots(command, output.fileno())
        sys.stderr.write(
            f" {'failed' if failed else 'done'} ({time.monotonic() - started:.0f} s)\n"
        )
        output.seek(0)
        sys.stderr.writelines("  " + line for line in output.readlines()[-5:] if failed)
    return not failed


def wait_with_dots(command: list[str], output: int) -> int:
    environment = {**os.environ, **INSTALLER_SETTINGS}
    process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    while True:
        sys.stderr.write(".")
        sys.stderr.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=1)


def run_inside(command: list[str]) -> None:
    """Become the command, with the environment's programs found first."""
    os.chdir(ROOT)
    os.environ["VIRTUAL_ENV"] = str(VENV)
    os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} could not be run: {error.strerror}.")


if __name__ == "__main__":
    main()
