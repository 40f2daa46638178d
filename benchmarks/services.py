"""The services against the floor, the limit and the usual way, on small and large tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import URL
from supervisor import Supervisor

from benchmarks import cases, databases, references
from benchmarks.cases import BLOG, FLOOR, MAIN, OURS, POSTGRESQL, SQLITE, USUAL
from benchmarks.databases import Databases
from benchmarks.limit import Limit
from benchmarks.measure import Case, Competitor, Effort, Result, count_steps, measure
from benchmarks.processes import Server, memory_mib, require
from benchmarks.progress import Progress, say
from benchmarks.queries import Queries
from benchmarks.seed import seed_articles, seed_posts

FEWEST = 1_000  # rows
CLIENTS: Sequence[int] = (1, MAIN, 200)
QUICK_CLIENTS: Sequence[int] = (MAIN,)
# A run has to end: what is measured with every number of clients, and not only with MAIN.
THOROUGH = {
    (POSTGRESQL, USUAL): (),  # with 200 clients it waits for its own connections, for good
    (SQLITE, OURS): (cases.ONE, cases.LIST, cases.POST),
    (SQLITE, USUAL): (),
    (SQLITE, FLOOR): (),
    (BLOG, FLOOR): (),
}


@dataclass(frozen=True)
class Memory:
    """Of one service, in MiB, after warming up and after all rounds; seconds to its start."""

    group: str
    before: float
    after: float
    requests: int
    ready_after: float


@dataclass
class Findings:
    """All that was found out about the services."""

    sizes: Sequence[int]
    results: list[Result] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    queries: list[Queries] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """A plan of measurements at one size of a table."""

    rows: int
    effort: Effort
    clients: Sequence[int]
    is_largest: bool
    plotted_only: bool


def run(folder: Path, effort: Effort, sizes: Sequence[int], clients: Sequence[int]) -> Findings:
    """Measure on tables of each size, the largest most thoroughly."""
    require("wrk")
    found = Findings(sizes)
    stores = Databases(folder)
    try:
        say("services: starting PostgreSQL")
        stores.start()
        for rows in sizes:
            plan = plan_for(rows, effort, sizes, clients)
            with_platform(stores, stores.postgresql(f"articles_{rows}"), plan, found)
            with_platform(stores, stores.sqlite(f"articles_{rows}"), plan, found)
            with_blog(stores, stores.sqlite(f"posts_{rows}"), plan, found)
    finally:
        stores.supervisor.stop()
    return found


def plan_for(rows: int, effort: Effort, sizes: Sequence[int], clients: Sequence[int]) -> Plan:
    is_largest, is_between = rows == sizes[-1], rows not in (sizes[0], sizes[-1])
    rounds = min(effort.rounds, 3) if is_between else effort.rounds
    return Plan(
        rows,
        replace(effort, rounds=rounds),
        clients if is_largest else (MAIN,),
        is_largest,
        is_between,
    )


def with_platform(stores: Databases, url: URL, plan: Plan, found: Findings) -> None:
    """Measure the platform on one database, seeded here."""
    on_postgresql = url.get_backend_name() == "postgresql"
    group = POSTGRESQL if on_postgresql else SQLITE
    settings = databases.platform_settings(stores.folder, url)
    databases.migrate("platform_service", settings)
    supervisor = Supervisor()
    try:
        log = stores.folder / "platform.log"
        server = databases.start_service(supervisor, "platform_service", settings, log)
        databases.sign_up(server)
        seed_articles(databases.text_of(url), plan.rows, group)
        token = databases.sign_in(server)
        ours = competitor(group, OURS, server, cases.of_the_platform(plan.rows, token), plan)
        ours = replace(ours, database=stores.pid if on_postgresql else None)
        is_thorough = plan.is_largest and plan.effort.rounds > 1
        with_usual = is_thorough or (on_postgresql and not plan.plotted_only)
        others = [usual(supervisor, stores, url, ours, plan)] if with_usual else []
        compare(supervisor, stores, ours, others, plan, found)
        if plan.is_largest:
            say(f"{group}: counting SQL, and the same SQL without a service")
            found.queries += references.count_platform(stores, url, ours, others)
            found.limits += references.of_platform(stores, url, plan.rows, plan.effort.seconds)
    finally:
        supervisor.stop()


def with_blog(stores: Databases, url: URL, plan: Plan, found: Findings) -> None:
    """Measure the blog on one database, seeded here."""
    settings = databases.blog_settings(url)
    databases.migrate("blog_service", settings)
    supervisor = Supervisor()
    try:
        log = stores.folder / "blog.log"
        server = databases.start_service(supervisor, "blog_service", settings, log)
        seed_posts(databases.text_of(url), plan.rows, BLOG)
        ours = competitor(BLOG, OURS, server, cases.of_the_blog(plan.rows), plan)
        compare(supervisor, stores, ours, [], plan, found)
        if plan.is_largest:
            found.queries += references.count_traced(stores, "blog_service", settings, ours)
            found.limits += references.of_blog(url, plan.rows, plan.effort.seconds)
    finally:
        supervisor.stop()


def competitor(
    group: str, name: str, server: Server, sent: Sequence[Case], plan: Plan
) -> Competitor:
    """Return a server to measure with these cases under this plan."""
    if not plan.is_largest:  # a password's hash costs the same whatever the table
        sent = [case for case in sent if case.name != cases.SIGN_IN]
    if plan.plotted_only and name == OURS:
        sent = [case for case in sent if case.name in cases.PLOTTED]
    thorough = THOROUGH.get((group, name), [c.name for c in sent if c.name != cases.SIGN_IN])
    sent = [case if case.name in thorough else replace(case, clients=(MAIN,)) for case in sent]
    return Competitor(group, name, server, sent, plan.clients, plan.rows)


def usual(
    supervisor: Supervisor, stores: Databases, url: URL, ours: Competitor, plan: Plan
) -> Competitor:
    """Return the usual way on the same rows."""
    if ours.group == SQLITE:
        url = databases.usual_copy(url)
    settings = {"DATABASE_URL": databases.text_of(url)}
    log = stores.folder / "usual.log"
    server = databases.start_own(supervisor, "benchmarks.usual_way", log, settings, "/livez")
    sent = cases.of_the_platform(plan.rows, databases.sign_in(server), usual=True)
    return replace(
        competitor(ours.group, USUAL, server, sent, plan), database=ours.database, rival=True
    )


def compare(
    supervisor: Supervisor,
    stores: Databases,
    ours: Competitor,
    others: list[Competitor],
    plan: Plan,
    found: Findings,
) -> None:
    """Warm up, measure all in turns, and look at the memory before and after."""
    log = stores.folder / "floor.log"
    server = databases.start_own(supervisor, "benchmarks.floor", log, {}, "/sync/1")
    floor = competitor(ours.group, FLOOR, server, cases.DOING_NOTHING, plan)
    warm_up(ours, plan)
    before = memory_mib(ours.server.pid)
    competitors = [floor, ours, *others]
    progress = Progress(f"{ours.group}, {plan.rows:,} rows", count_steps(competitors, plan.effort))
    results = measure(competitors, plan.effort, progress)
    found.results += results
    if plan.is_largest:
        sent = sum(s.requests for r in results if r.competitor == OURS for s in r.samples)
        found.memory.append(
            Memory(
                ours.group,
                before,
                memory_mib(ours.server.pid),
                round(sent),
                ours.server.ready_after,
            )
        )


def warm_up(ours: Competitor, plan: Plan) -> None:
    """Send all cases where memory is looked at, elsewhere two."""
    sent = ours.cases if plan.is_largest else ours.cases[:2]
    sent = [replace(case, clients=None, seconds=None) for case in sent]
    warming = replace(ours, cases=sent, clients=(max(plan.clients),))
    measure([warming], Effort(1, 1), Progress(f"{ours.group}: warming up", len(sent)))
