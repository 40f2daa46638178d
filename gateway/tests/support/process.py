"""Gateways as an operator starts them: processes of their own."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from chassis_testing.ports import free_port
from support.waiting import PATIENCE, PROCESS_PATIENCE, eventually


class Process:
    """`python -m gateway` as an operator starts it, or Python with other arguments."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self.port = free_port()
        nowhere = "http://127.0.0.1:9"
        own = {
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_METRICS_PORT": "0",
            "GATEWAY_BLOG_SERVICE_URL": nowhere,
            "GATEWAY_PLATFORM_SERVICE_URL": nowhere,
            **variables,
        }
        command = [sys.executable, *(arguments or ("-m", "gateway"))]
        pipe = subprocess.PIPE
        folder = Path(__file__).parents[2]
        env = {**os.environ, **own, "PYTHONPATH": str(folder.parent / "chassis")}
        self.process = subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, cwd=folder)

    def wait_until_up(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None
            with closing(socket.socket()) as sock:
                return sock.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(answers, PROCESS_PATIENCE)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the exit code and both outputs."""
        out, err = self.process.communicate(timeout=PROCESS_PATIENCE)
        return self.process.returncode, out.decode(), err.decode()


StartProcess = Callable[..., Process]
