"""Markdown tables that are readable in a terminal too."""

from collections.abc import Sequence
from math import isnan, nan
from statistics import median


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a Markdown table whose first `left` columns are text and the others numbers."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    rule = ["-" * width if i < left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def number(value: float | None) -> str:
    """Return the number with three digits that mean something."""
    if value is None:
        return "–"
    if isnan(value):
        return "no answer"
    if value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"  # noqa: PLR2004


def ratio(values: Sequence[float], references: Sequence[float]) -> float | None:
    """Return the values as a multiple of the references: the median of the rounds' quotients.

    A drift of the machine hits both of a round alike.
    """
    if not values or not references:
        return None
    pairs = zip(values, references, strict=True)
    return median(value / reference if reference else nan for value, reference in pairs)


def times(value: float | None) -> str:
    return "–" if value is None else f"{number(value)} ×"
