"""Makes .venv/ with what the project needs, then runs a command in it.

    python3 scripts/bootstrap.py                                 installs what development needs
    python3 scripts/bootstrap.py COMMAND…                        then runs the command in the root
    python3 scripts/bootstrap.py --only-run python local/run.py  installs what `make run` needs

It needs Python 3.11 or newer and nothing else. It does nothing when all of that is installed.
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

if sys.version_info < (3, 11):  # noqa: UP036 - it runs on older ones to say so
    sys.exit(
        f"Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: "
        "name a newer one, as in make PYTHON=python3.13 run"
    )

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
TO_RUN = ROOT / "local" / "requirements.txt"
TO_DEVELOP = ROOT / "requirements-dev.txt"  # has all of the other file, too
# The installers may download packages only, never a Python, and must write into .venv alone.
INSTALLER_SETTINGS = {"UV_PYTHON_DOWNLOADS": "never", "PIP_USER": "0", "PIP_RETRIES": "2"}


def main() -> None:
    """Install what is missing; run the command, if there is one."""
    parent, command = os.getppid(), sys.argv[1:]
    files = [TO_RUN, TO_DEVELOP]
    if command[:1] == ["--only-run"]:
        files, command = [TO_RUN], command[1:]
    try:
        with one_at_a_time():
            install_missing(files)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted: the next run begins again.")
    except OSError as error:
        sys.exit(f"The environment {VENV} could not be made: {error.strerror}.")
    if "MAKELEVEL" in os.environ and os.getppid() != parent:
        sys.exit("make has ended.")
    if command:
        run_inside(command)


@contextlib.contextmanager
def one_at_a_time():  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Hold a lock on the root folder."""
    folder = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(folder)


def install_missing(files: list[Path]) -> None:
    """Install the files that are missing; each is contained in the next.

    The stamp has a line for each file that is installed. A file that changed makes .venv anew.
    """
    wanted = [digest(file) for file in files]
    installed = STAMP.read_text().split() if STAMP.is_file() else []
    if installed[: len(wanted)] == wanted:
        return
    if not installed or installed != wanted[: len(installed)]:
        make_environment()
    install(files[-1])
    STAMP.write_text("\n".join(wanted))


def digest(file: Path) -> str:
    """Return the digest of a requirements file and of what else shapes .venv."""
    shaped_by = f"{file.read_text()}{Path(__file__).read_text()}{sys.version}{ROOT}"
    return hashlib.sha256(shaped_by.encode()).hexdigest()


def make_environment() -> None:
    """Make an empty .venv, whose Python finds the chassis."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit("Python's venv module is missing: on Debian and Ubuntu, apt install python3-venv.")
    if not os.access(ROOT, os.W_OK):
        sys.exit(f"The folder {ROOT} is not writable: .venv/ and .data/ are made in it.")
    if not step("Making .venv", [sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit(f"The environment {VENV} could not be made: the reason is above.")
    [packages] = VENV.glob("lib/python3*/site-packages")
    (packages / "inkwell.pth").write_text(f"{ROOT / 'chassis'}\n")


def install(requirements: Path) -> None:
    """Install a requirements file. Exits with a sentence if that fails."""
    with tempfile.TemporaryDirectory() as folder:
        if not (install_with_uv(requirements, Path(folder)) or install_with_pip(requirements)):
            sys.exit("The packages could not be installed (is the package index reachable?).")


def install_with_uv(requirements: Path, folder: Path) -> bool:
    """Install with uv, which takes a fraction of pip's time, if pip can install uv in a folder."""
    only_uv = folder / "uv.txt"
    only_uv.write_text(locked("uv"))
    get = [*pip_install(), "--no-deps", "--target", str(folder), "-r", str(only_uv)]
    if not step("Downloading uv", get):
        return False
    uv = [str(folder / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--require-hashes"]
    # Compiled once now, not at the first start, or at each start where Python may not write.
    options = ["--compile-bytecode", "-r", str(requirements)]
    return step("Installing the packages with uv", [*uv, *options])


def install_with_pip(requirements: Path) -> bool:
    message = "Installing the packages with pip (a minute or two)"
    return step(message, [*pip_install(), "-r", str(requirements)])


def pip_install() -> list[str]:
    options = ["--require-hashes", "--no-input", "--disable-pip-version-check"]
    return [str(PYTHON), "-m", "pip", "install", *options]


def locked(package: str) -> str:
    """Return the lines that pin one package and its hashes."""
    found = re.search(rf"^{package}==(?:.*\\\n)*.*\n", TO_DEVELOP.read_text(), re.MULTILINE)
    return found.group() if found else package


def step(message: str, command: list[str]) -> bool:
    """Run a command behind a line of dots; if it fails, show the end of its output."""
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
    """Become the command, which finds the environment's programs first."""
    os.chdir(ROOT)
    os.environ["VIRTUAL_ENV"] = str(VENV)
    os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} could not be run: {error.strerror}.")


if __name__ == "__main__":
    main()
