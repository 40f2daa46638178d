"""The targets that the project has set itself, and whether this run meets them."""

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks import cases, gateway
from benchmarks.cases import BLOG, FLOOR, MAIN, OURS, POSTGRESQL, SQLITE, USUAL
from benchmarks.measure import Result, Results
from benchmarks.services import Findings
from benchmarks.tables import ratio, table

READS = 1
SIGNED_IN_READS = 2
WRITES = 3
FLAT = 0.9
MEMORY_MIB = 10


class Target(NamedTuple):
    """A bound on what was measured; `at_least` turns it round."""

    what: str
    measured: float | None
    bound: float
    unit: str = "×"
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        holds = self.measured >= self.bound if self.at_least else self.measured <= self.bound
        return "met" if holds else "MISSED"


def as_table(targets: list[Target]) -> str:
    rows = [
        [
            target.what,
            f"{'≥' if target.at_least else '≤'} {target.bound:g} {target.unit}",
            "–" if target.measured is None else f"{target.measured:.2f} {target.unit}",
            target.verdict,
        ]
        for target in targets
    ]
    return table(["target", "bound", "measured", ""], rows)


def of_the_gateway(found: Results, memory: dict[str, float]) -> list[Target]:
    """Return the targets of CPU, throughput, many clients and memory."""
    small, most = gateway.CASES[0].name, gateway.CLIENTS[-1]
    group, ours = "gateway", gateway.OURS
    cpu = ratio(found.cpu(group, ours, small, MAIN), found.cpu(group, gateway.NGINX, small, MAIN))
    speed = found.speed(group, ours, small, MAIN)
    lib = found.speed(group, gateway.PROXY_LIB, small, MAIN)
    flat = ratio(found.speed(group, ours, small, most), speed)
    return [
        Target("CPU per small GET at 32 clients, of nginx's", cpu, 10),
        Target("the same, as aimed at", cpu, 4),
        Target(
            "requests/s at 32 clients, of fastapi-proxy-lib's", ratio(speed, lib), 12, "×", True
        ),
        Target("requests/s at 128 clients, of those at 32", flat, FLAT, "×", True),
        Target(
            "growth of memory over the run", memory["after"] - memory["before"], MEMORY_MIB, "MiB"
        ),
    ]


def of_the_services(findings: Findings) -> list[Target]:
    """Return the targets of each service, in the order of the table of results."""
    found, largest = Results(findings.results), findings.sizes[-1]
    return [
        *_against_the_floor(found, largest),
        *_deep_pages(found, largest),
        *_many_clients(found, largest),
        *_statements(findings),
        *_processes(findings),
    ]


def _against_the_floor(found: Results, rows: int) -> Iterator[Target]:
    for case, bound, aim in ((cases.ONE, 2.8, 1.8), (cases.LIST, 3.4, 2.5)):
        at = (MAIN, rows)
        floor = found.cpu(POSTGRESQL, FLOOR, cases.SYNC, *at)
        cpu = ratio(found.cpu(POSTGRESQL, OURS, case, *at), floor)
        speed = found.speed(POSTGRESQL, OURS, case, *at)
        usual = found.speed(POSTGRESQL, USUAL, case, *at)
        yield Target(f"article, {case}: CPU, of the empty sync route's", cpu, bound)
        yield Target("the same, as aimed at", cpu, aim)
        yield Target(
            f"article, {case}: requests/s, of the usual way's", ratio(speed, usual), 2.2, "×", True
        )


def _deep_pages(found: Results, rows: int) -> Iterator[Target]:
    for group in (POSTGRESQL, SQLITE, BLOG):
        first = found.find(group, OURS, cases.LIST, MAIN, rows)
        deep = found.find(group, OURS, cases.DEEP, MAIN, rows)
        cost = [_with_database(result) for result in (deep, first)]
        what = f"{group}: last page by keyset, CPU with the database's, of the first page's"
        yield Target(what, ratio(*cost), 1.2)


def _with_database(result: Result | None) -> list[float]:
    return [each.cpu_ms + each.database_cpu_ms for each in result.samples] if result else []


def _many_clients(found: Results, rows: int) -> Iterator[Target]:
    most = max(result.clients for result in found.all)
    if most == MAIN:
        return
    for group in (POSTGRESQL, SQLITE, BLOG):
        for case in (cases.ONE, cases.LIST):
            speeds = [found.speed(group, OURS, case, clients, rows) for clients in (most, MAIN)]
            what = f"{group}, {case}: requests/s at {most} clients, of those at {MAIN}"
            yield Target(what, ratio(*speeds), FLAT, "×", True)
    for group in (SQLITE, BLOG):
        speeds = [found.speed(group, OURS, cases.POST, clients, rows) for clients in (MAIN, 1)]
        yield Target(f"{group}, POST: {MAIN} writers, of one", ratio(*speeds), 0.8, "×", True)


def _statements(findings: Findings) -> Iterator[Target]:
    for group in (POSTGRESQL, SQLITE, BLOG):
        ours = [q for q in findings.queries if (q.group, q.competitor) == (group, OURS)]
        counts = {query.case: query.statements for query in ours}
        two = {cases.SIGNED_IN, cases.DRAFTS, cases.COUNTED}
        writes = {cases.POST, cases.PATCH}
        bounds = {
            "a read": (set(counts) - two - writes - {cases.SIGN_IN}, READS),
            "a read, signed in or with count=true": (two, SIGNED_IN_READS),
            "a write": (writes, WRITES),
        }
        for what, (names, bound) in bounds.items():
            most = max((counts[name] for name in names if name in counts), default=None)
            yield Target(f"{group}, {what}: SQL statements", most, bound, "")


def _processes(findings: Findings) -> Iterator[Target]:
    for memory in findings.memory:
        grown = memory.after - memory.before
        what = f"{memory.group}: memory after {memory.requests:,} requests"
        yield Target(f"{what}, beyond warm-up", grown, MEMORY_MIB, "MiB")
        yield Target(f"{memory.group}: from start to ready", memory.ready_after, 2, "s")
