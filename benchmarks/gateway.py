"""The gateway against nginx, fastapi-proxy-lib, the usual way, and FastAPI answering by itself."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor import Program, Supervisor

from benchmarks import ROOT
from benchmarks.measure import Case, Competitor, Effort, Result, count_steps, measure
from benchmarks.processes import HOST, Server, find, memory_mib, require, serve
from benchmarks.progress import Progress, say
from chassis_testing.ports import free_ports

CLIENTS: Sequence[int] = (1, 32, 128)
QUICK_CLIENTS: Sequence[int] = (32, 128)
LARGE = 100_000
OURS, NGINX, PROXY_LIB = "this gateway", "nginx", "fastapi-proxy-lib"
USUAL, DIRECT = "the usual way (route + httpx)", "FastAPI answering by itself"
SMALL = '{"id": 1, "title": "A title", "content": "A few words.", "is_published": true}'

CASES = (
    Case("GET small", "/articles/1"),
    Case("GET 100 kB", "/articles/2"),
    Case(
        "POST 10 kB",
        "/articles/",
        method="POST",
        body='{"content": "' + 10_000 * "x" + '"}',
        headers={"Content-Type": "application/json"},
    ),
)

NGINX_CONF = """
{user} daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log {access_log}; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxied;
  fastcgi_temp_path {folder}/unused; uwsgi_temp_path {folder}/unused;
  scgi_temp_path {folder}/unused;
  {content}
}}
"""
# Answers at next to no cost, so that what is in front of it is what limits.
UPSTREAM = """
  open_file_cache max=10; sendfile on; tcp_nopush on;
  server {{
    listen {host}:{port} backlog=1024;
    location = /articles/1 {{ return 200 '{small}'; }}
    location = /articles/2 {{ alias {folder}/large; }}
    location = /articles/ {{ return 201 '{small}'; }}
    location = /livez {{ return 200; }}
  }}
"""
PROXY = """
  upstream service {{ server {host}:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen {host}:{port} backlog=1024;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Request-ID $request_id;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_buffers 16 16k;
    }}
  }}
"""


def run(
    folder: Path, effort: Effort, clients: Sequence[int]
) -> tuple[list[Result], dict[str, float]]:
    """Measure; return the results and the gateway's memory in MiB before and after."""
    require("wrk", "nginx")
    supervisor = Supervisor()
    try:
        say("gateway: starting the upstream and five servers")
        competitors = start(supervisor, folder, clients)
        ours = competitors[0].server.pid
        warming = [replace(competitors[0], clients=(max(clients),))]
        measure(warming, Effort(1, 1), Progress("gateway: warming up", len(CASES)))
        before = memory_mib(ours)
        progress = Progress("gateway", count_steps(competitors, effort))
        results = measure(competitors, effort, progress)
        return results, {"before": before, "after": memory_mib(ours)}
    finally:
        supervisor.stop()


def start(supervisor: Supervisor, folder: Path, clients: Sequence[int]) -> list[Competitor]:
    (folder / "large").write_bytes(b"x" * LARGE)
    ports = free_ports(6)
    upstream = ports[0]
    content = UPSTREAM.format(host=HOST, port=upstream, small=SMALL, folder=folder)
    serve(supervisor, nginx(folder, "upstream", content, "off"), upstream, folder / "upstream.log")
    commands: dict[str, Callable[[int], Program]] = {
        OURS: lambda port: gateway(folder, port, upstream),
        NGINX: lambda port: nginx(
            folder, "proxy", PROXY.format(host=HOST, port=port, upstream=upstream), "/dev/stdout"
        ),
        PROXY_LIB: lambda port: rival("proxy_lib", port, upstream),
        USUAL: lambda port: rival("usual_way", port, upstream),
        DIRECT: lambda port: rival("direct", port, upstream),
    }
    servers = {
        name: started(supervisor, command(port), port, folder / f"{port}.log")
        for (name, command), port in zip(commands.items(), ports[1:], strict=True)
    }
    return [
        Competitor("gateway", name, server, CASES, clients, rival=name != OURS)
        for name, server in servers.items()
    ]


def started(supervisor: Supervisor, program: Program, port: int, log: Path) -> Server:
    return serve(supervisor, program, port, log, "/articles/1")


def gateway(folder: Path, port: int, upstream: int) -> Program:
    """Run this gateway as it is shipped, its log included, but for the height of one limit."""
    return Program(
        name=OURS,
        command=[sys.executable, "-m", "gateway"],
        folder=ROOT / "gateway",
        environment={
            "GATEWAY_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "GATEWAY_METRICS_PORT": str(free_ports(1)[0]),
            "GATEWAY_BLOG_SERVICE_URL": f"http://{HOST}:{upstream}",
            "GATEWAY_PLATFORM_SERVICE_URL": f"http://{HOST}:{upstream}",
            "GATEWAY_ROUTES_FILE": str(routes_file(folder)),
            "GATEWAY_DRAIN_SECONDS": "0",
        },
    )


def routes_file(folder: Path) -> Path:
    """Return the routes as shipped, with a rate limit that counts but that wrk does not reach."""
    shipped = (ROOT / "gateway" / "gateway" / "routes.toml").read_text()
    limits = re.sub(
        r'^limit = "\d+/minute"', 'limit = "100000000/minute"', shipped, flags=re.MULTILINE
    )
    file = folder / "routes.toml"
    file.write_text(limits)
    return file


def rival(name: str, port: int, upstream: int) -> Program:
    command = [sys.executable, "-m", "benchmarks.rivals", name, str(port), str(upstream)]
    return Program(name=name, command=command, folder=ROOT)


def nginx(folder: Path, name: str, content: str, access_log: str) -> Program:
    file = folder / f"{name}.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not open our files
    file.write_text(
        NGINX_CONF.format(
            user=user, folder=folder, name=name, content=content, access_log=access_log
        )
    )
    program = find("nginx") or "nginx"
    return Program(f"nginx ({name})", [program, "-e", "stderr", "-c", str(file)], folder)
