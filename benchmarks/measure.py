"""wrk in short rounds: requests per second, latency, and the CPU that each request takes."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
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
    clients: Sequence[int] | None = None  # instead of the competitor's
    seconds: int | None = None  # instead of the run's

    def example(self) -> str:
        return self.path % self.step if self.ids else self.path


@dataclass(frozen=True)
class Competitor:
    """A server to measure, its requests and how many clients send them at once."""

    group: str  # whose members are compared and run in turns
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

    requests: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    database_cpu_ms: float
    errors: float


@dataclass(frozen=True)
class Result:
    """The samples of a competitor's case, in the order of the rounds."""

    group: str
    competitor: str
    case: str
    rows: int
    clients: int
    samples: Sequence[Sample]

    @cached_property
    def sample(self) -> Sample:
        """The median of all rounds (of errors, the sum)."""
        values = {f.name: median(getattr(s, f.name) for s in self.samples) for f in fields(Sample)}
        return Sample(**values | {"errors": sum(sample.errors for sample in self.samples)})


class Results:
    """The results of a run, found by what was measured."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._by_key = {(r.group, r.competitor, r.case, r.rows, r.clients): r for r in results}
        self.all = results

    def find(
        self, group: str, competitor: str, case: str, clients: int, rows: int = 0
    ) -> Result | None:
        return self._by_key.get((group, competitor, case, rows, clients))

    def cpu(
        self, group: str, competitor: str, case: str, clients: int, rows: int = 0
    ) -> list[float]:
        """Return milliseconds of CPU of the process per request, in each round."""
        found = self.find(group, competitor, case, clients, rows)
        return [sample.cpu_ms for sample in found.samples] if found else []

    def speed(
        self, group: str, competitor: str, case: str, clients: int, rows: int = 0
    ) -> list[float]:
        """Return requests per second, in each round."""
        found = self.find(group, competitor, case, clients, rows)
        return [sample.requests_per_second for sample in found.samples] if found else []


@dataclass(frozen=True)
class Effort:
    """The extent of a run."""

    rounds: int
    seconds: int  # of a round


Job = tuple[Competitor, Case, int]


def measure(competitors: Sequence[Competitor], effort: Effort, progress: Progress) -> list[Result]:
    """Run all in each round, competitors one after another: a drift hits all of them alike."""
    jobs = list(_jobs(competitors))
    found: dict[int, list[Sample]] = {index: [] for index in range(len(jobs))}
    for competitor, case in {(id(one), case.name): (one, case) for one, case, _ in jobs}.values():
        check(competitor, case)
    for number in range(effort.rounds):
        for index, (competitor, case, clients) in enumerate(jobs):
            progress.step(f"round {number + 1}: {competitor.name}, {case.name}, {clients} clients")
            found[index].append(_round(competitor, case, clients, case.seconds or effort.seconds))
    return [
        Result(one.group, one.name, case.name, one.rows, clients, found[index])
        for index, (one, case, clients) in enumerate(jobs)
    ]


def count_steps(competitors: Sequence[Competitor], effort: Effort) -> int:
    return len(list(_jobs(competitors))) * effort.rounds


def _jobs(competitors: Sequence[Competitor]) -> Iterable[Job]:
    """Yield all pairs of a case and a number of clients, with a case's competitors in a row."""
    names = dict.fromkeys(case.name for competitor in competitors for case in competitor.cases)
    for name in names:
        for competitor in competitors:
            for case in (case for case in competitor.cases if case.name == name):
                for clients in case.clients or competitor.clients:
                    yield competitor, case, clients


def check(competitor: Competitor, case: Case) -> None:
    """Send the request once. Raise FailedError when the answer is not what it should be."""
    body = case.body.encode() if case.body is not None else None
    request = urllib.request.Request(  # noqa: S310 - of our own making
        competitor.server.url + case.example(), body, dict(case.headers), method=case.method
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            content = answer.read()
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise FailedError(f"{competitor.name}, {case.name}: {error.code} {said}") from error
    if case.items is not None and len(json.loads(content)) != case.items:
        raise FailedError(
            f"{competitor.name}, {case.name}: {len(json.loads(content))} items, not {case.items}."
        )


def _round(competitor: Competitor, case: Case, clients: int, seconds: int) -> Sample:
    server = [competitor.server.pid]
    database = [competitor.database] if competitor.database else []
    settle([*server, *database])
    before, database_before = cpu_seconds(server), cpu_seconds(database)
    said = _wrk(competitor, case, clients, seconds)
    cpu, database_cpu = cpu_seconds(server) - before, cpu_seconds(database) - database_before
    if said["errors"] and not competitor.rival:
        raise FailedError(
            f"{competitor.name}, {case.name}, {clients} clients: {said['errors']} of "
            f"{said['requests']} requests failed; the end of its log:\n"
            f"{tail(competitor.server.log)}"
        )
    os.truncate(competitor.server.log, 0)
    requests = said["requests"] or nan  # none was answered: nothing is known of one
    return Sample(
        requests=said["requests"],
        requests_per_second=said["requests"] / said["seconds"],
        p50_ms=said["p50_ms"] or nan,
        p99_ms=said["p99_ms"] or nan,
        cpu_ms=cpu / requests * 1000,
        database_cpu_ms=database_cpu / requests * 1000,
        errors=said["errors"],
    )


def _wrk(competitor: Competitor, case: Case, clients: int, seconds: int) -> dict[str, float]:
    url = competitor.server.url + case.example()
    with TemporaryDirectory(prefix="inkwell-wrk-") as folder:
        script = Path(folder) / "case.lua"
        script.write_text(_script(case))
        options = ["-t1", f"-c{clients}", f"-d{seconds}s", f"--timeout={REQUEST_SECONDS}s"]
        done = subprocess.run(
            ["wrk", *options, "-s", str(script), "--latency", url],
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds + 2 * REQUEST_SECONDS,
        )
    if done.returncode != 0:
        reason = done.stderr or done.stdout
        raise FailedError(f"wrk failed on {competitor.name}, {case.name}: {reason}")
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
