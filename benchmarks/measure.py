"""wrk in short rounds: requests per second, latency, and the CPU that each request takes."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import nan
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from supervisor import FailedError

from benchmarks.processes import Server, cpu_seconds, settle, tail
from benchmarks.progress import Progress

REQUEST_SECONDS = 30  # after which wrk counts a time-out
# wrk runs `done` when it has ended; latencies are microseconds.
SCRIPT = """
math.randomseed(tonumber({seed}))
wrk.method = {method}
wrk.body = {body}
{headers}
{request}
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"errors":%d}}\\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.timeout + e.status))
end
"""
RANDOM_ID = """
function request()
  return wrk.format(nil, string.format({path}, {step} * math.random(1, {count})))
end
"""


@dataclass(frozen=True)
class Case:
    """One kind of request. `%d` in the path stands for a random id: a multiple of `step`."""

    name: str
    path: str
    method: str = "GET"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    step: int = 1
    ids: int = 0
    items: int | None = None  # how long the list is that must come
    clients: Sequence[int] | None = None  # instead of the target's
    seconds: int | None = None  # instead of the run's

    def example(self) -> str:
        return self.path % self.step if self.ids else self.path


@dataclass(frozen=True)
class Target:
    """A measurement: a server, its requests and how many clients send them at once."""

    group: str  # of competitors that are compared and run in turns
    name: str
    server: Server
    cases: Sequence[Case]
    clients: Sequence[int]
    rows: int = 0
    database: int | None = None  # the process id of its database server
    rival: bool = False  # whose errors are told; ours end the run


@dataclass(frozen=True)
class Sample:
    """The result of one round. CPU is of the server and, apart, of its database, per request."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    database_cpu_ms: float
    errors: float


@dataclass(frozen=True)
class Result:
    """The median of all rounds (of errors, the sum)."""

    group: str
    target: str
    case: str
    rows: int
    clients: int
    sample: Sample


@dataclass(frozen=True)
class Effort:
    """The extent of a run."""

    rounds: int
    seconds: int  # of a round


Job = tuple[Target, Case, int]


def measure(targets: Sequence[Target], effort: Effort, progress: Progress) -> list[Result]:
    """Run all in each round, competitors one after another: a drift hits all of them alike."""
    jobs = list(_jobs(targets))
    found: dict[int, list[Sample]] = {index: [] for index in range(len(jobs))}
    for target, case in {(id(t), c.name): (t, c) for t, c, _ in jobs}.values():
        check(target, case)
    for number in range(effort.rounds):
        for index, (target, case, clients) in enumerate(jobs):
            progress.step(f"round {number + 1}: {target.name}, {case.name}, {clients} clients")
            found[index].append(_round(target, case, clients, case.seconds or effort.seconds))
    return [
        Result(target.group, target.name, case.name, target.rows, clients, _median(found[index]))
        for index, (target, case, clients) in enumerate(jobs)
    ]


def count_steps(targets: Sequence[Target], effort: Effort) -> int:
    return len(list(_jobs(targets))) * effort.rounds


def _jobs(targets: Sequence[Target]) -> Iterable[Job]:
    """All pairs of a case and a number of clients; the same case's competitors are neighbours."""
    names = dict.fromkeys(case.name for target in targets for case in target.cases)
    for name in names:
        for target in targets:
            for case in (case for case in target.cases if case.name == name):
                for clients in case.clients or target.clients:
                    yield target, case, clients


def check(target: Target, case: Case) -> None:
    """Send the request once. Raises FailedError when the answer is not what it should be."""
    body = case.body.encode() if case.body is not None else None
    request = urllib.request.Request(  # noqa: S310 - of our own making
        target.server.url + case.example(), body, dict(case.headers), method=case.method
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            content = answer.read()
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise FailedError(f"{target.name}, {case.name}: {error.code} {said}") from error
    if case.items is not None and len(json.loads(content)) != case.items:
        raise FailedError(
            f"{target.name}, {case.name}: {len(json.loads(content))} items, not {case.items}."
        )


def _round(target: Target, case: Case, clients: int, seconds: int) -> Sample:
    server = [target.server.pid]
    database = [target.database] if target.database else []
    settle([*server, *database])
    before, database_before = cpu_seconds(server), cpu_seconds(database)
    said = _wrk(target, case, clients, seconds)
    cpu, database_cpu = cpu_seconds(server) - before, cpu_seconds(database) - database_before
    if said["errors"] and not target.rival:
        raise FailedError(
            f"{target.name}, {case.name}, {clients} clients: {said['errors']} of "
            f"{said['requests']} requests failed; the end of its log:\n{tail(target.server.log)}"
        )
    os.truncate(target.server.log, 0)
    requests = said["requests"] or nan  # none was answered: nothing is known of one
    return Sample(
        requests_per_second=said["requests"] / said["seconds"],
        p50_ms=said["p50_ms"] or nan,
        p99_ms=said["p99_ms"] or nan,
        cpu_ms=cpu / requests * 1000,
        database_cpu_ms=database_cpu / requests * 1000,
        errors=said["errors"],
    )


def _wrk(target: Target, case: Case, clients: int, seconds: int) -> dict[str, float]:
    with TemporaryDirectory(prefix="inkwell-wrk-") as folder:
        script = Path(folder) / "case.lua"
        script.write_text(_script(case))
        options = ["-t1", f"-c{clients}", f"-d{seconds}s", f"--timeout={REQUEST_SECONDS}s"]
        done = subprocess.run(
            ["wrk", *options, "-s", str(script), "--latency", target.server.url + case.example()],
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds + 2 * REQUEST_SECONDS,
        )
    if done.returncode != 0:
        raise FailedError(f"wrk failed on {target.name}, {case.name}: {done.stderr or done.stdout}")
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def _script(case: Case) -> str:
    headers = (f"wrk.headers[{_lua(k)}] = {_lua(v)}" for k, v in case.headers.items())
    request = RANDOM_ID.format(path=_lua(case.path), step=case.step, count=case.ids)
    return SCRIPT.format(
        seed=int.from_bytes(os.urandom(3), "big"),
        method=_lua(case.method),
        body="nil" if case.body is None else _lua(case.body),
        headers="\n".join(headers),
        request=request if case.ids else "",
    )


def _lua(text: str) -> str:
    return json.dumps(text)  # what our requests are made of is written alike in both


def _median(samples: Sequence[Sample]) -> Sample:
    values = {f.name: median(getattr(s, f.name) for s in samples) for f in fields(Sample)}
    return Sample(**values | {"errors": sum(sample.errors for sample in samples)})
