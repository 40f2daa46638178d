"""`python -m benchmarks [gateway] [services]`: measure, print the tables, write results.md.

A full run takes about 25 minutes, --quick less than 3; nothing else should run meanwhile. A quick
run, or one of a single subject, writes no file unless --output names a folder.
"""

import argparse
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from supervisor import FailedError

from benchmarks import gateway, machine, plot, report, services
from benchmarks.measure import Effort
from benchmarks.progress import say
from chassis_testing.postgres import UnavailableError

SUBJECTS = ("gateway", "services")
FULL, QUICK = Effort(rounds=5, seconds=1), Effort(rounds=1, seconds=1)
ROWS, QUICK_ROWS = 1_000_000, 10_000
STEP = 10  # from one size of the table to the next


def main() -> None:
    """Measure what is asked for; exit code 1 and one sentence when something fails."""
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o022)
    try:
        with TemporaryDirectory(prefix="inkwell-benchmarks-") as folder:
            Path(folder).chmod(0o711)  # PostgreSQL may run as another user
            run(options, Path(folder))
    except (FailedError, UnavailableError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit("\nbenchmarks: stopped")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="|".join(SUBJECTS), help="all by default")
    parser.add_argument("--quick", action="store_true", help="one round on a small table")
    parser.add_argument("--rows", type=int, help=f"of the largest table ({ROWS:,})")
    parser.add_argument("--output", type=Path, help="the folder for results.md and results.svg")
    options = parser.parse_args(arguments)
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"there is no {', '.join(unknown)}; the subjects are gateway and services")
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    if options.rows < services.FEWEST:
        parser.error(f"--rows must be at least {services.FEWEST}")
    options.subjects = options.subjects or SUBJECTS
    if options.output is None and not options.quick and set(options.subjects) == set(SUBJECTS):
        options.output = Path(__file__).parent
    return options


def run(options: argparse.Namespace, folder: Path) -> None:
    """Measure each subject, print its table when it is done, and write all at the end."""
    effort = QUICK if options.quick else FULL
    sections = ["# Benchmarks", report.how(effort.rounds, effort.seconds)]
    facts = machine.describe()
    if warning := machine.busy():
        say(warning)
        sections.append(f"**{warning}**")
    sections.append(report.machine(facts))
    findings = None
    if "gateway" in options.subjects:
        clients = gateway.QUICK_CLIENTS if options.quick else gateway.CLIENTS
        sections.append(report.of_the_gateway(*gateway.run(folder, effort, clients)))
        show(sections[-1])
    if "services" in options.subjects:
        clients = services.QUICK_CLIENTS if options.quick else services.CLIENTS
        findings = services.run(folder, effort, table_sizes(options), clients)
        sections.append(report.of_the_services(findings))
        show(sections[-1])
    if options.output:
        write(options.output, sections, findings)


def table_sizes(options: argparse.Namespace) -> list[int]:
    """Return the sizes, each ten times the one before; in a quick run, one size."""
    found: list[int] = [options.rows] if options.quick else [services.FEWEST]
    while found[-1] < options.rows:
        found.append(min(found[-1] * STEP, options.rows))
    return found


def show(section: str) -> None:
    with suppress(BrokenPipeError):
        print(f"\n{section}\n", flush=True)


def write(folder: Path, sections: list[str], findings: services.Findings | None) -> None:
    """Write results.md and, when the services were measured, results.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    if findings:
        plot.draw(findings, folder / "results.svg")
        sections.append("### Cost against the size of the table\n\n![CPU per request](results.svg)")
    (folder / "results.md").write_text("\n\n".join(sections) + "\n")
    say(f"Written: {folder / 'results.md'}")


if __name__ == "__main__":
    main()
