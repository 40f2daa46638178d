"""The plot of cost against the table's size."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from benchmarks import cases
from benchmarks.cases import BLOG, FLOOR, MAIN, OURS, POSTGRESQL, SQLITE, USUAL
from benchmarks.measure import Results
from benchmarks.services import Findings

GROUPS = (POSTGRESQL, SQLITE, BLOG)
STYLES = dict(zip(cases.PLOTTED, ("C0o-", "C1s-", "C2^-", "C3D-"), strict=True))


def draw(findings: Findings, file: Path) -> None:
    """Draw CPU per request, the database's included, at 32 clients; a panel for each service."""
    mpl.rcParams.update({"svg.hashsalt": "inkwell", "font.size": 9})
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(GROUPS), sharey=True)
    found = Results(findings.results)
    for panel, group in zip(panels, GROUPS, strict=True):
        _panel(panel, found, group)
    panels[0].set_ylabel("CPU per request, with the\ndatabase's, ms")
    figure.supxlabel("rows in the table", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(file, metadata={"Date": None})


def _panel(panel: Axes, found: Results, group: str) -> None:
    panel.set_title(group, fontsize=9)
    panel.set_xscale("log")
    panel.set_yscale("log")
    for axis, subs in ((panel.xaxis, [1]), (panel.yaxis, [1, 2, 5])):
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axis.set_minor_locator(NullLocator())
    panel.grid(visible=True, alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    for case, style in STYLES.items():
        _line(panel, found, (group, OURS, case), case, style)
    _line(panel, found, (group, USUAL, cases.LIST), f"{cases.LIST}, the usual way", "k:")
    _line(panel, found, (group, FLOOR, cases.SYNC), cases.SYNC, "k--")


def _line(panel: Axes, found: Results, key: tuple[str, str, str], label: str, style: str) -> None:
    points = sorted(
        (r.rows, r.sample.cpu_ms + r.sample.database_cpu_ms)
        for r in found.all
        if (r.group, r.competitor, r.case) == key and r.clients == MAIN
    )
    if points:
        panel.plot(*zip(*points, strict=True), style, label=label, markersize=4, linewidth=1.2)
