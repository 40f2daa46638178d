"""The tables that a run prints and writes."""

from benchmarks import cases, gateway, targets
from benchmarks.cases import FLOOR, MAIN, OURS, USUAL
from benchmarks.limit import Limit
from benchmarks.measure import Result, Results
from benchmarks.services import Findings
from benchmarks.tables import number, ratio, table, times

HOW = """
All numbers are of one run on one machine, which runs the client (wrk) too: read the ratios.
Each is the median of {rounds} round(s) of {seconds} s; rounds of competitors take turns, and a
ratio is the median of the rounds' ratios. What the platform's targets compare has rounds of
{judged_seconds} s. CPU is user and system time of the server's processes per request, from /proc;
p50 and p99 are wrk's.
"""
GATEWAY = """
In front of an upstream that costs nothing (nginx answering fixed bytes). This gateway runs as
shipped, with its log, request ids, metrics and rate limits (the limit is counted, but too high to
be reached); nginx with one worker, its access log and connections to the upstream kept;
fastapi-proxy-lib as its documentation shows it; the usual way is a FastAPI route that calls an
httpx client. FastAPI answering by itself forwards nothing: it is what Python costs.
"""
SERVICES = f"""
The services run as shipped, with log, request ids and problem handling. The floor is a route that
does nothing, on the same FastAPI, with one path parameter and a response model of an article's
nine fields. The usual way (benchmarks/usual_way.py) is the same API as tutorials write it; with
200 clients it waits for its own connections for good, so it is asked by {MAIN}.
Ratios are at {MAIN} clients, of the same run and the same table.
"""


def machine(facts: dict[str, str]) -> str:
    """Return the section on the machine."""
    return table(["machine", ""], [[name, fact] for name, fact in facts.items()], left=2)


def how(rounds: int, seconds: int) -> str:
    how_long = {"seconds": seconds, "judged_seconds": cases.JUDGED_SECONDS}
    return HOW.format(rounds=rounds, **how_long).strip()


def of_the_gateway(results: list[Result], memory: dict[str, float]) -> str:
    """Return the section on the gateway."""
    found = Results(results)
    clients = sorted({result.clients for result in results})
    header = [
        *("case", "server"),
        f"requests/s at {_listed(clients)} clients",
        "p50/p99, ms",
        "CPU, ms/request",
        *("CPU × nginx", "requests/s × fastapi-proxy-lib"),
    ]
    names = dict.fromkeys(result.competitor for result in results)
    rows = []
    for case in gateway.CASES:
        key = (case.name, MAIN)
        nginx = found.cpu("gateway", gateway.NGINX, *key)
        lib = found.speed("gateway", gateway.PROXY_LIB, *key)
        for name in names:
            of_nginx = times(ratio(found.cpu("gateway", name, *key), nginx))
            of_lib = times(ratio(found.speed("gateway", name, *key), lib))
            cells = _cells(found, "gateway", name, case.name, 0, clients)
            rows.append([case.name, name, *cells, of_nginx, of_lib])
    judged = targets.as_table(targets.of_the_gateway(found, memory))
    return "\n\n".join(["## The gateway", GATEWAY.strip(), table(header, rows, left=2), judged])


def of_the_services(findings: Findings) -> str:
    """Return the section on the services."""
    found = Results(findings.results)
    parts = ["## The services", SERVICES.strip()]
    for group in dict.fromkeys(result.group for result in findings.results):
        parts += [f"### {group}", _of_a_group(found, group)]
    parts += ["### SQL per request", _of_queries(findings)]
    parts += ["### The same SQL without a service", _of_limits(findings, found)]
    parts += ["### Targets", targets.as_table(targets.of_the_services(findings))]
    return "\n\n".join(parts)


def _of_a_group(found: Results, group: str) -> str:
    in_group = [result for result in found.all if result.group == group]
    clients = sorted({result.clients for result in in_group})
    header = [
        *("case", "server", "rows"),
        f"requests/s at {_listed(clients)} clients",
        "p50/p99, ms",
        "CPU, ms/request",
        "database's CPU, ms",
        *("CPU × sync route", "CPU × usual way", "requests/s × usual way"),
    ]
    keys = dict.fromkeys((result.case, result.competitor, result.rows) for result in in_group)
    order = list(dict.fromkeys(case for case, _, _ in keys))
    rows = [
        [
            *(case, name, f"{rows:,}"),
            *_cells(found, group, name, case, rows, clients),
            *_ratios(found, group, name, case, rows),
        ]
        for case, name, rows in sorted(keys, key=lambda key: (order.index(key[0]), key[1:]))
    ]
    return table(header, rows, left=2)


def _ratios(found: Results, group: str, name: str, case: str, rows: int) -> list[str]:
    at = (MAIN, rows)
    result = found.find(group, name, case, *at)
    cpu, speed = found.cpu(group, name, case, *at), found.speed(group, name, case, *at)
    usual = (group, USUAL, case, *at)
    return [
        number((result and result.sample.database_cpu_ms) or None),
        times(ratio(cpu, found.cpu(group, FLOOR, cases.SYNC, *at))),
        times(ratio(cpu, found.cpu(*usual)) if name == OURS else None),
        times(ratio(speed, found.speed(*usual)) if name == OURS else None),
    ]


def _cells(
    found: Results, group: str, name: str, case: str, rows: int, clients: list[int]
) -> list[str]:
    """Return requests per second, latency and CPU, a value for each number of clients."""
    results = [found.find(group, name, case, count, rows) for count in clients]
    samples = [result.sample if result else None for result in results]
    speeds = [_speed(s.requests_per_second, s.errors) if s else "–" for s in samples]
    latencies = [f"{number(s.p50_ms)}/{number(s.p99_ms)}" if s else "–" for s in samples]
    return [
        ", ".join(speeds),
        ", ".join(latencies),
        ", ".join(number(s.cpu_ms) if s else "–" for s in samples),
    ]


def _speed(value: float, errors: float) -> str:
    return f"{number(value)} ({errors:.0f} errors)" if errors else number(value)


def _of_queries(findings: Findings) -> str:
    header = ["service", "server", "case", "SQL statements", "with BEGIN, COMMIT, ROLLBACK"]
    rows = [
        [q.group, q.competitor, q.case, f"{q.statements:g}", f"{q.round_trips:g}"]
        for q in findings.queries
    ]
    note = (
        "Read off the wire to PostgreSQL, where each is one round trip, or from SQLite's trace, "
        "where none leaves the process; sent one at a time, ten of each."
    )
    return f"{note}\n\n{table(header, rows, left=3)}"


def _of_limits(findings: Findings, found: Results) -> str:
    header = ["way", "case", "clients", "per second", "client's CPU, ms", "database's CPU, ms"]
    rows = [_limit_cells(limit) for limit in findings.limits]
    rows += [
        _limit_cells(
            Limit(
                f"{r.group}, {r.competitor}",
                r.case,
                MAIN,
                s.requests_per_second,
                s.cpu_ms,
                s.database_cpu_ms,
            )
        )
        for r in found.all
        if (r.competitor, r.rows, r.clients) == (OURS, findings.sizes[-1], MAIN)
        and r.case in {cases.ONE, cases.LIST, cases.LIST_100}
        and (s := r.sample)
    ]
    return (
        f"With {findings.sizes[-1]:,} rows; below it the services.\n\n{table(header, rows, left=2)}"
    )


def _limit_cells(limit: Limit) -> list[str]:
    cpu = [
        number(value) if value else "–" for value in (limit.client_cpu_ms, limit.database_cpu_ms)
    ]
    return [limit.way, limit.case, str(limit.clients), number(limit.per_second), *cpu]


def _listed(clients: list[int]) -> str:
    return ", ".join(map(str, clients))
