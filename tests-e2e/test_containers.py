"""Containers and images may do only what they must, says `docker inspect`."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deployment import LONG_RUNNING, PARTS, ROOT, Containers
from support.engine import Inspected, docker, inspected, name_of

# The official image of PostgreSQL needs them to own its data folder and to give up root.
CAPABILITIES_OF_THE_DATABASE = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


@pytest.fixture(scope="module")
def all_of_them(containers: Containers) -> list[Inspected]:
    """Every container of the project, also the exited ones."""
    found = inspected(containers.ids())
    assert set(LONG_RUNNING) < {name_of(container) for container in found}
    return found


@pytest.fixture(scope="module")
def long_running(all_of_them: list[Inspected]) -> list[Inspected]:
    return [container for container in all_of_them if name_of(container) in LONG_RUNNING]


@pytest.fixture(scope="module")
def one_shots(all_of_them: list[Inspected]) -> list[Inspected]:
    return [container for container in all_of_them if name_of(container) not in LONG_RUNNING]


def test_no_container_runs_as_root(all_of_them: list[Inspected]) -> None:
    for container in all_of_them:
        user = container["Config"]["User"].split(":")[0]
        assert user not in ("", "root", "0"), name_of(container)


def test_every_container_has_a_read_only_root_and_no_new_privileges(
    all_of_them: list[Inspected],
) -> None:
    for container in all_of_them:
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], name_of(container)
        assert not host["Privileged"]
        options = [option.replace("=", ":") for option in host["SecurityOpt"] or []]
        assert {"no-new-privileges", "no-new-privileges:true"} & set(options), name_of(container)


def test_every_container_has_dropped_all_capabilities(all_of_them: list[Inspected]) -> None:
    for container in all_of_them:
        host = container["HostConfig"]
        assert [c.upper() for c in host["CapDrop"] or []] == ["ALL"], name_of(container)
        added = {c.upper().removeprefix("CAP_") for c in host["CapAdd"] or []}
        allowed = CAPABILITIES_OF_THE_DATABASE if name_of(container) == "platform-db" else set()
        assert added <= allowed, name_of(container)


def test_every_container_has_a_memory_and_a_process_limit(all_of_them: list[Inspected]) -> None:
    for container in all_of_them:
        assert container["HostConfig"]["Memory"] > 0, name_of(container)
        assert container["HostConfig"]["PidsLimit"] > 0, name_of(container)


def test_only_the_gateway_publishes_a_port(all_of_them: list[Inspected]) -> None:
    for container in all_of_them:
        published = [port for port, bound in container["NetworkSettings"]["Ports"].items() if bound]
        assert len(published) == (1 if name_of(container) == "gateway" else 0), name_of(container)


def test_every_long_running_container_has_a_health_check_and_is_restarted(
    long_running: list[Inspected],
) -> None:
    for container in long_running:
        assert container["State"]["Health"]["Status"] == "healthy", name_of(container)
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert container["Config"].get("StopTimeout", 10) > 2, name_of(container)


def test_a_proxy_in_the_environment_makes_no_container_unhealthy(
    long_running: list[Inspected],
) -> None:
    proxies = [f"--env={name}=http://127.0.0.1:9" for name in ("http_proxy", "HTTP_PROXY")]
    for container in long_running:
        _, *check = container["Config"]["Healthcheck"]["Test"]
        docker("exec", *proxies, container["Id"], *check)


def test_a_one_shot_container_exits_with_0_and_is_not_restarted(one_shots: list[Inspected]) -> None:
    for container in one_shots:
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "no", name_of(container)
        assert container["State"]["Status"] == "exited"
        assert container["State"]["ExitCode"] == 0
        assert "Health" not in container["State"], name_of(container)


def secret_files(container: Inspected) -> list[str]:
    """Return the paths of the secrets in a service's environment."""
    found = (re.fullmatch(r"\w+_FILE=(/.+)", entry) for entry in container["Config"]["Env"])
    return [match[1] for match in found if match]


def test_no_secret_is_in_an_environment_a_label_a_command_or_an_image(
    containers: Containers, all_of_them: list[Inspected]
) -> None:
    [platform] = [c for c in all_of_them if name_of(c) == "platform-service"]
    paths = secret_files(platform)
    assert len(paths) >= 2
    read = [containers.compose("exec", "-T", "platform-service", "cat", path) for path in paths]
    secrets = [line for text in read for line in text.split("\n") if line and "-----" not in line]
    assert len(secrets) >= 2
    shown = str(all_of_them)
    for image in {container["Image"] for container in all_of_them}:
        shown += docker("history", "--no-trunc", image) + docker("inspect", image)
    for secret in secrets:
        assert secret not in shown


def test_the_superuser_of_the_database_has_no_password(containers: Containers) -> None:
    sql = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL"
    psql = ("psql", "--username=postgres", "--tuples-only", "--no-align", f"--command={sql}")
    assert containers.compose("exec", "-T", "platform-db", *psql).split() == ["postgres"]


def mounts(container: Inspected) -> dict[str, bool]:
    """Return the named volumes of a container, and whether it may write to each."""
    return {m["Name"]: m["RW"] for m in container["Mounts"] if m["Type"] == "volume"}


def test_containers_images_and_volumes_are_named_after_the_project(
    containers: Containers, all_of_them: list[Inspected]
) -> None:
    for container in all_of_them:
        assert container["Name"].startswith(f"/{containers.project}-")
        assert container["Config"]["Image"].startswith(f"{containers.project}-")
        assert all(name.startswith(f"{containers.project}_") for name in mounts(container))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_listens_by_ipv4_and_by_ipv6(containers: Containers, part: str) -> None:
    for table, any_address in (("tcp", "0" * 8), ("tcp6", "0" * 32)):
        listed = containers.compose("exec", "-T", part, "cat", f"/proc/net/{table}")
        assert f" {any_address}:{8000:04X} " in listed


def test_secrets_are_mounted_only_where_needed_and_written_by_one_job(
    all_of_them: list[Inspected],
) -> None:
    [platform] = [c for c in all_of_them if name_of(c) == "platform-service"]
    for volume in mounts(platform):
        holders = {name_of(c): mounts(c)[volume] for c in all_of_them if volume in mounts(c)}
        assert not {"gateway", "blog-service"} & set(holders)
        writers = [name for name, may_write in holders.items() if may_write]
        assert len(writers) == 1
        assert writers[0] not in LONG_RUNNING


def test_the_services_share_one_network_and_no_other_part_is_in_the_database_s(
    all_of_them: list[Inspected],
) -> None:
    networks = {
        name_of(c): {name.rpartition("_")[2] for name in c["NetworkSettings"]["Networks"]}
        for c in all_of_them
    }
    assert networks["blog-service"] == {"blog", "keys"}
    assert networks["platform-service"] & networks["blog-service"] == {"keys"}
    members = {name for name, joined in networks.items() if "platform-db" in joined}
    assert members == {"platform-service", "platform-migrate", "platform-db"}


def test_no_container_can_change_the_host(all_of_them: list[Inspected]) -> None:
    for container in all_of_them:
        host = container["HostConfig"]
        assert not [m for m in container["Mounts"] if m["Type"] == "bind" and m["RW"]]
        assert "docker.sock" not in str(container["Mounts"])
        assert "host" not in (host["NetworkMode"], host["PidMode"], host["IpcMode"])


@pytest.fixture(params=PARTS)
def strict_copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a part, beside the chassis, with the modes of a clone under `umask 077`."""
    for folder in (request.param, "chassis"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    for path in tmp_path.rglob("*"):
        if not path.match("requirements*.txt"):  # another mode would install all of them anew
            path.chmod(0o700 if path.is_dir() else 0o600)
    return tmp_path / str(request.param)


@pytest.fixture(params=["runtime", "test"])
def image(request: pytest.FixtureRequest, strict_copy: Path) -> Iterator[str]:
    chassis = f"chassis={strict_copy.parent / 'chassis'}"
    build = ("build", "--quiet", "--build-context", chassis, "--target", request.param)
    image = docker(*build, str(strict_copy)).strip()
    yield image
    docker("image", "rm", image)


@pytest.mark.usefixtures("containers")
def test_a_clone_under_a_strict_umask_makes_readable_images(image: str) -> None:
    barred = ("!", "-readable", "-o", "-type", "d", "!", "-executable")
    assert docker("run", "--rm", image, "find", "/app", *barred) == ""
