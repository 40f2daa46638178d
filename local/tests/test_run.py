"""`make run` as its user sees it: it starts, names what is wrong, and leaves no process behind."""

import os
import re
import shlex
import shutil
import signal
import socket
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest
from stack import RUN, Stack, alive, descendants

from chassis_testing.waiting import until

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [file.parent.name for file in ROOT.glob("*-service/pyproject.toml")]
SERVICES = {folder.replace("-", "_") for folder in FOLDERS}

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_ctrl_c_stops_the_gateway_then_the_services_then_the_database(
    stack: Stack, port: int
) -> None:
    kept_alive = HTTPConnection("127.0.0.1", port)
    kept_alive.request("GET", "/articles/")
    assert kept_alive.getresponse().read() == b"[]"
    living = {pid: part(line) for pid, line in descendants(stack.process.pid).items()}
    ended: list[str] = []

    def all_have_ended() -> bool:
        ended.extend(living.pop(pid) for pid in set(living) - alive(set(living)))
        return not living

    stack.process.send_signal(signal.SIGINT)
    until(all_have_ended, "the end of all")
    assert stack.await_end() == 0, stack.output
    gateway, *services, database = [name for name in ended if name != "worker"]
    assert (gateway, database) == ("gateway", "database")
    assert set(services) == SERVICES
    kept_alive.close()


def test_the_services_listen_before_the_gateway_looks_for_them(stack: Stack) -> None:
    before, _, after = stack.output.partition("Starting the gateway.")
    assert before.count("listening at") == len(SERVICES)
    assert "listening at" in after


def part(command_line: str) -> str:
    """Return a part's package, or `database` for the server, or `worker` for its workers."""
    if module := re.search(r" -m (\w+)", command_line):
        return module[1]
    return "database" if "postgres -D" in command_line else "worker"


def test_after_sigkill_no_process_is_left_and_it_starts_again(
    stack: Stack, tmp_path: Path, port: int
) -> None:
    children = set(descendants(stack.process.pid))
    stack.process.kill()
    until(lambda: not alive(children), "the end of all")
    again = Stack(tmp_path, port)
    try:
        until(again.is_up, "the start")
    finally:
        again.stop()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_after_sigkill_of_make_no_process_is_left(tmp_path: Path, port: int) -> None:
    (tmp_path / "Makefile").write_text(f"run:\n\t{shlex.join(RUN)}\n")
    stack = Stack(tmp_path, port, command=["make", "-C", str(tmp_path), "run"])
    children = {}
    try:
        until(stack.is_up, "the start")
        children = descendants(stack.process.pid)
    finally:
        stack.process.kill()
        stack.await_end()
    until(lambda: not alive(set(children)), "the end of all")


def test_without_make_it_outlives_the_shell_that_started_it(tmp_path: Path, port: int) -> None:
    shell = ["sh", "-c", f"nohup {shlex.join(RUN)} & echo $! >{tmp_path / 'pid'}"]
    stack = Stack(tmp_path, port, command=shell)
    assert stack.await_end() == 0
    started = int((tmp_path / "pid").read_text())
    try:
        until(lambda: "Inkwell is running" in stack.output, "the start")
        os.kill(started, signal.SIGINT)  # ignored, as in every job in the background
        time.sleep(1)  # long enough for a stop to begin
        assert "Stopping" not in stack.output
    finally:
        os.kill(started, signal.SIGTERM)
        until(lambda: not alive({started}), "the end")
    assert "Stopped." in stack.output


@pytest.mark.parametrize(
    "moment",
    ["", "Starting PostgreSQL", "Migrating", "Starting the services", "listening", "the gateway"],
)
def test_in_the_background_sigterm_ends_it_at_any_moment_of_its_start(
    tmp_path: Path, port: int, moment: str
) -> None:
    stack = Stack(tmp_path, port, command=["sh", "-c", f"trap '' INT; exec {shlex.join(RUN)}"])
    children: set[int] = set()
    try:
        until(lambda: moment in stack.output, "the moment")
        children = set(descendants(stack.process.pid))
    finally:
        stack.process.send_signal(signal.SIGTERM)
    assert stack.await_end() in ({0} if moment else {0, -signal.SIGTERM}), stack.output
    assert not alive(children)
    assert "Traceback" not in stack.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_imports_ends_it_without_a_traceback(
    tmp_path: Path, port: int, number: signal.Signals
) -> None:
    stack = Stack(tmp_path, port, PYTHONPROFILEIMPORTTIME="1")
    until(lambda: "pydantic" in stack.output, "the import of pydantic")
    stack.process.send_signal(number)
    assert stack.await_end() in {0, -number}
    assert "Traceback" not in stack.output


def test_a_proxy_in_the_environment_is_not_asked(tmp_path: Path, port: int) -> None:
    nobody = "http://127.0.0.1:9"
    stack = Stack(tmp_path, port, http_proxy=nobody, HTTP_PROXY=nobody, no_proxy="", NO_PROXY="")
    try:
        until(stack.is_up, "the start")
    finally:
        stack.stop()


def test_a_part_that_dies_is_named_and_ends_everything(stack: Stack) -> None:
    children = descendants(stack.process.pid)
    os.kill(
        next(pid for pid, line in children.items() if "-m blog_service" in line), signal.SIGKILL
    )
    assert stack.await_end() == 1
    assert "make run: blog-service was ended by SIGKILL" in stack.output
    assert not alive(set(children))


def test_a_second_run_on_the_same_data_is_refused(stack: Stack, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    second = Stack(tmp_path, free)
    assert second.await_end() == 1
    assert_one_sentence(second, "in use by another")
    assert stack.is_up()


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = Stack(tmp_path, server.getsockname()[1])
        assert stack.await_end() == 1
    assert_one_sentence(stack, "Address already in use")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, port: int) -> None:
    (tmp_path / "file").touch()
    stack = Stack(tmp_path, port, data=tmp_path / "file" / "data")
    assert stack.await_end() == 1
    assert_one_sentence(stack, "cannot be written")


def test_the_folder_may_have_characters_that_mean_something_in_a_url(
    tmp_path: Path, port: int
) -> None:
    folder = tmp_path / "100%20 a?b#c"
    stack = Stack(tmp_path, port, data=folder)
    try:
        until(stack.is_up, "the start")
    finally:
        stack.stop()
    assert (folder / "blog.db").exists()
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, stack.log.name}


def test_an_argument_is_one_sentence(tmp_path: Path, port: int) -> None:
    stack = Stack(tmp_path, port, command=[*RUN, "--data", "elsewhere"])
    assert stack.await_end() == 1
    assert_one_sentence(stack, "There is no argument --data")


def assert_one_sentence(stack: Stack, words: str) -> None:
    assert words in stack.output
    assert stack.output.count("\n") == 1, stack.output


def test_a_file_of_routes_is_looked_for_where_its_user_is(tmp_path: Path, port: int) -> None:
    file = tmp_path / "mine.toml"
    stack = Stack(tmp_path, port, GATEWAY_ROUTES_FILE=os.path.relpath(file))
    assert stack.await_end() == 1
    assert f"gateway: {file}: No such file or directory." in stack.output
