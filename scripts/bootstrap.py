"""Make .venv/ with what the project needs, then run a command in it.

    python3 scripts/bootstrap.py                                 install what development needs
    python3 scripts/bootstrap.py COMMAND…                        then run the command in the root
    python3 scripts/bootstrap.py --only-run python local/run.py  install what `make run` needs

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
# They steer Python and PostgreSQL's client, and so everything that this script starts.
STEERING = re.compile(r"PYTHON\w+|PG[A-Z]+")
HARMLESS = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"}
# Of the installers' own variables, only those may count that say how the index is reached. Others
# would lead to another folder than .venv.
INSTALLERS = re.compile(r"(PIP|UV)_\w+")
WAY_TO_THE_INDEX = re.compile(
    r"\w+(INDEX|LINK|CERT|TLS|PROXY|HOST|TIMEOUT|RETRIES|CACHE|CONFIG|KEYRING|OFFLINE)\w*"
)
DEFAULTS = {"PIP_RETRIES": "2", "UV_SYSTEM_CERTS": "1"}  # a company's proxy may sign all answers
FIXED = {"PIP_USER": "0", "UV_PYTHON_DOWNLOADS": "never"}


def main() -> None:
    """Install what is missing; run the command, if there is one."""
    forget_steering_variables()
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


def forget_steering_variables() -> None:
    for name in filter(STEERING.fullmatch, list(os.environ)):
        if name not in HARMLESS:
            del os.environ[name]


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
    if step("Making .venv", [sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit(f"The environment {VENV} could not be made: the reason is above.")
    [packages] = VENV.glob("lib/python3*/site-packages")
    (packages / "inkwell.pth").write_text(f"{ROOT / 'chassis'}\n")


def install(requirements: Path) -> None:
    """Install a requirements file. Exit with the reasons if that fails."""
    with tempfile.TemporaryDirectory() as folder:
        uv = install_with_uv(requirements, Path(folder))
        pip = install_with_pip(requirements) if uv else ""
    if uv and pip:
        hint = " Is the package index reachable?" if "from versions: none" in pip else ""
        sys.exit(f"Neither uv nor pip could install the packages.{hint}\n  uv: {uv}\n  pip: {pip}")


def install_with_uv(requirements: Path, folder: Path) -> str:
    """Install with uv, which takes a fraction of pip's time. Return why that failed, or nothing."""
    only_uv = folder / "uv.txt"
    only_uv.write_text(locked("uv"))
    get = [*pip_install(), "--target", str(folder), "-r", str(only_uv)]
    reason = step("Downloading uv with pip", get)
    if reason:
        return f"could not be downloaded: {reason}"
    uv = [str(folder / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--require-hashes"]
    # Compiled once now, not at the first start, or at each start where Python may not write.
    options = ["--compile-bytecode", "-r", str(requirements)]
    return step("Installing the packages with uv", [*uv, *options])


def install_with_pip(requirements: Path) -> str:
    message = "Installing the packages with pip (a minute or two)"
    return step(message, [*pip_install(), "-r", str(requirements)])


def pip_install() -> list[str]:
    # The file has all dependencies. Before 23.1 pip finds no hash for one that is named with an
    # extra, such as coverage[toml], and would refuse the file.
    options = ["--require-hashes", "--no-deps", "--no-input", "--disable-pip-version-check"]
    return [str(PYTHON), "-m", "pip", "install", *options]


def locked(package: str) -> str:
    """Return the lines that pin one package and its hashes."""
    found = re.search(rf"^{package}==(?:.*\\\n)*.*\n", TO_DEVELOP.read_text(), re.MULTILINE)
    return found.group() if found else package


def step(message: str, command: list[str]) -> str:
    """Run a command behind a line of dots. If it fails, show its last lines and return the reason.

    pip names the reason in its first line with ERROR, uv in its last line but for hints.
    """
    sys.stderr.write(message + " ")
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        try:
            failed = wait_with_dots(command, output.fileno())
        except OSError as error:  # such as uv in a temporary folder that no program may run from
            failed = 1
            output.write(f"{command[0]} could not be run: {error.strerror}")
        sys.stderr.write(
            f" {'failed' if failed else 'done'} ({time.monotonic() - started:.0f} s)\n"
        )
        output.seek(0)
        lines = [line.strip() for line in output if line.strip() and failed]
    sys.stderr.writelines(f"  {line}\n" for line in lines[-5:])
    errors = [line for line in lines if line.startswith("ERROR: ")]
    others = [line for line in lines if not line.startswith("hint: ")]
    reason = (errors[:1] or others[-1:] or [f"it ended with code {failed}"])[0]
    return reason.removeprefix("ERROR: ") if failed else ""


def wait_with_dots(command: list[str], output: int) -> int:
    process = subprocess.Popen(command, stdout=output, stderr=output, env=for_installers())
    while True:
        sys.stderr.write(".")
        sys.stderr.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=1)


def for_installers() -> dict[str, str]:
    """Return the environment of pip and uv."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if WAY_TO_THE_INDEX.fullmatch(name) or not INSTALLERS.fullmatch(name)
    }
    return {**DEFAULTS, **kept, **FIXED}


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
