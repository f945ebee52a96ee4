"""Small tables as text: aligned for a terminal, Markdown, tab-separated."""

from __future__ import annotations

import math
from collections.abc import Sequence

Value = str | int | float | None


def format_value(value: Value, digits: int = 2) -> str:
    """Return a table cell: floats with ``digits`` decimals, a dash for None and for what is not a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _cells(header: Sequence[str], rows: Sequence[Sequence[Value]], digits: int) -> list[list[str]]:
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under a header of {len(header)}: {list(row)}")
    return [list(header)] + [[format_value(value, digits) for value in row] for row in rows]


def _numeric(header: Sequence[str], rows: Sequence[Sequence[Value]]) -> list[bool]:
    """Tell for each column whether it holds numbers only; numbers stand at the right."""
    return [
        bool(rows) and all(row[k] is None or isinstance(row[k], (int, float)) for row in rows)
        for k in range(len(header))
    ]


def text_table(header: Sequence[str], rows: Sequence[Sequence[Value]], digits: int = 2, total: bool = False) -> str:
    """Return an aligned table for a terminal; with ``total`` the last row is set apart by a rule."""
    cells = _cells(header, rows, digits)
    numeric = _numeric(header, rows)
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
    rule = "  ".join("-" * width for width in widths)
    lines.insert(1, rule)
    if total and len(rows) > 1:
        lines.insert(-1, rule)
    return "\n".join(lines)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Value]], digits: int = 2) -> str:
    """Return a Markdown table; columns of numbers stand at the right."""
    head, *cells = _cells(header, rows, digits)
    rule = ["---:" if right else "---" for right in _numeric(header, rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *cells))


def tsv_table(header: Sequence[str], rows: Sequence[Sequence[Value]], digits: int = 4) -> str:
    """Return tab-separated lines with a header; a tab or line break in a cell becomes a blank."""
    cells = [[" ".join(cell.split()) for cell in row] for row in _cells(header, rows, digits)]
    return "\n".join("\t".join(row) for row in cells) + "\n"
