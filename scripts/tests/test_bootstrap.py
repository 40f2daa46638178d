"""The environment is made from the locked requirements, or a sentence says why it is not."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
FILES = ("scripts/bootstrap.py", "requirements-dev.txt", "local/requirements.txt")
ONLY_RUN = ("--only-run", "true")
# The first three lead the installers to another folder, the others to another Python.
ELSEWHERE = ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "UV_PYTHON", "VIRTUAL_ENV"]
SWITCHES = ["PIP_USER", "PIP_DRY_RUN", "PIP_REQUIRE_VIRTUALENV", "UV_SYSTEM_PYTHON"]
STEERING = {
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PGTZ": "America/Bogota",
    "PGSSLMODE": "verify-full",
    "PGHOSTADDR": "192.0.2.1",
    "PGTARGETSESSIONATTRS": "standby",
}
DIGESTS = "from bootstrap import *; print(digest(TO_RUN), digest(TO_DEVELOP))"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree with nothing but what the environment is made from."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def bootstrap(root: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it as make does."""
    script = [sys.executable, "-I", str(root / "scripts" / "bootstrap.py"), *command]
    environment = {**os.environ, **UNREACHABLE, **variables}
    return subprocess.run(script, env=environment, capture_output=True, text=True, check=False)


def pretend_to_have_installed(root: Path, files: int) -> None:
    """Write the stamp of an environment, which is an empty folder."""
    command = [sys.executable, "-c", DIGESTS]
    digests = subprocess.check_output(command, cwd=root / "scripts", text=True).split()
    (root / ".venv").mkdir()
    (root / ".venv" / "installed").write_text("\n".join(digests[:files]))


def require(root: Path, *wheels: Path, digest: str = "") -> dict[str, str]:
    """Lock the wheels, and return the variables by which they are found."""
    pins = [
        f"{wheel.name.partition('-')[0]}==1.0 \\\n    --hash=sha256:{digest or sha256(wheel)}\n"
        for wheel in wheels
    ]
    for name in ("requirements-dev.txt", "local/requirements.txt"):
        (root / name).write_text("".join(pins))
    return {"PIP_FIND_LINKS": str(root)}


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def make_wheel(
    folder: Path, name: str, files: dict[str, str], requires: Sequence[str] = ()
) -> Path:
    about = f"{name}-1.0.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    metadata += [f"Requires-Dist: {other}" for other in requires]
    tags = ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    files |= {f"{about}/METADATA": "\n".join(metadata), f"{about}/WHEEL": "\n".join(tags)}
    record = [f"{path},{record_of(content)}" for path, content in files.items()]
    files |= {f"{about}/RECORD": "\n".join([*record, f"{about}/RECORD,,", ""])}
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, content)
    return wheel


def record_of(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},{len(content)}"


def test_without_a_package_index_it_says_so_and_tries_again_the_next_time(copy: Path) -> None:
    for _ in range(2):
        done = bootstrap(copy, "true")
        assert done.returncode == 1
        [sentence, uv, pip] = done.stderr.splitlines()[-3:]
        assert sentence.endswith("could install the packages. Is the package index reachable?")
        assert uv.startswith("  uv: could not be downloaded: ")
        assert pip.startswith("  pip: Could not find a version that satisfies the requirement ")


def test_installers_that_fail_are_named_with_their_reasons(copy: Path) -> None:
    files = {
        "uv-1.0.data/scripts/uv": (
            "#!python\nimport os\n"
            "exit(f'certificates: {os.environ[\"UV_SYSTEM_CERTS\"]}\\n\\nhint: none')\n"
        )
    }
    uv, other = make_wheel(copy, "uv", files), make_wheel(copy, "other", {})
    found = require(copy, uv, other)
    other.write_bytes(other.read_bytes() + b"changed")
    done = bootstrap(copy, "true", **found)
    assert done.returncode == 1
    [sentence, uv_failed, pip_failed] = done.stderr.splitlines()[-3:]
    assert sentence == "Neither uv nor pip could install the packages.", done.stderr
    assert uv_failed == "  uv: certificates: 1"
    assert pip_failed.startswith("  pip: THESE PACKAGES DO NOT MATCH THE HASHES")


def test_where_uv_cannot_run_pip_installs(copy: Path) -> None:
    uv = make_wheel(copy, "uv", {"uv-1.0.data/scripts/uv": "#!/nowhere/python\n"})
    done = bootstrap(
        copy,
        "python",
        "-c",
        "import one",
        **require(copy, uv, make_wheel(copy, "one", {"one.py": ""})),
    )
    assert done.returncode == 0, done.stderr


def test_what_is_locked_is_installed_and_nothing_else(copy: Path) -> None:
    """A dependency with an extra has no line of its own, and pip before 23.1 asks for one."""
    wheel = make_wheel(copy, "one", {"one.py": ""}, requires=["other[extra]"])
    done = bootstrap(copy, "python", "-c", "import one", **require(copy, wheel))
    assert done.returncode == 0, done.stderr


def test_variables_of_the_installers_lead_to_no_other_folder(copy: Path) -> None:
    found = require(copy, make_wheel(copy, "one", {"one.py": ""}))
    elsewhere = {name: str(copy / name.lower()) for name in ELSEWHERE}
    done = bootstrap(
        copy, "python", "-c", "import one", **found, **elsewhere, **dict.fromkeys(SWITCHES, "1")
    )
    assert done.returncode == 0, done.stderr
    assert not any((copy / name.lower()).exists() for name in ELSEWHERE)


def test_variables_that_steer_python_or_libpq_reach_no_command(copy: Path) -> None:
    pretend_to_have_installed(copy, files=2)
    kept = {"PYTHONDONTWRITEBYTECODE": "1", "GATEWAY_PORT": "8080", "LANG": "C.UTF-8"}
    done = bootstrap(copy, "env", **STEERING, **kept)
    assert done.returncode == 0, done.stderr
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert not STEERING.keys() & variables
    assert kept.items() <= variables.items()


def test_a_file_in_place_of_the_environment_is_one_sentence(copy: Path) -> None:
    (copy / ".venv").write_text("not a folder")
    done = bootstrap(copy, "true")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("The environment"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("true",), ONLY_RUN])
def test_nothing_is_installed_twice(copy: Path, command: tuple[str, ...]) -> None:
    pretend_to_have_installed(copy, files=2)
    done = bootstrap(copy, *command)
    assert (done.returncode, done.stderr) == (0, "")


def test_developers_tools_are_added_to_what_make_run_has_installed(copy: Path) -> None:
    pretend_to_have_installed(copy, files=1)
    assert bootstrap(copy, *ONLY_RUN).returncode == 0
    done = bootstrap(copy, "true")
    assert done.returncode == 1  # there is no Python in that folder to install them with
    assert "Making .venv" not in done.stderr
    assert (copy / ".venv" / "installed").exists()


@pytest.mark.parametrize("file", ["local/requirements.txt", "requirements-dev.txt"])
def test_a_changed_file_makes_the_environment_anew(copy: Path, file: str) -> None:
    pretend_to_have_installed(copy, files=2)
    with (copy / file).open("a") as requirements:
        requirements.write("# changed\n")
    assert "Making .venv" in bootstrap(copy, "true").stderr
    assert not (copy / ".venv" / "installed").exists()
