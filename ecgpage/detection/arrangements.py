"""The arrangements of short leads that can be recognised on a page."""

from __future__ import annotations

from dataclasses import dataclass

from ecgpage.leads import CABRERA, LEADS, by_columns, by_rows


@dataclass(frozen=True)
class LeadGrid:
    """An arrangement of short leads: names[row][column]; rarity: how much evidence it must have above the usual one,
    in units of log odds."""

    name: str
    names: tuple[tuple[str, ...], ...]
    rarity: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.names), len(self.names[0])

    @property
    def cells(self) -> dict[str, tuple[int, int]]:
        """(row, column) of each lead."""
        return {name: (r, c) for r, row in enumerate(self.names) for c, name in enumerate(row)}


def _both_orders(shape: str, columns: int, order: str, rarity: float) -> tuple[LeadGrid, LeadGrid]:
    fill = by_columns if order == "columns" else by_rows
    return (
        LeadGrid(shape, fill(LEADS, columns), rarity),
        LeadGrid(f"{shape} in Cabrera's order", fill(CABRERA, columns), rarity + 1.5),
    )


GRIDS = (
    *_both_orders("3x4", 4, "columns", 0.0),
    *_both_orders("6x2", 2, "columns", 0.5),
    *_both_orders("12x1", 1, "columns", 0.5),
    *_both_orders("4x3", 3, "rows", 1.0),
    LeadGrid("4x3 by columns", by_columns(LEADS, 3), 2.0),
    LeadGrid("6x2 by rows", by_rows(LEADS, 2), 3.0),
    LeadGrid("6x1 limb leads", by_columns(LEADS[:6], 1), 1.0),
    LeadGrid("6x1 limb leads in Cabrera's order", by_columns(CABRERA[:6], 1), 2.5),
    LeadGrid("6x1 chest leads", by_columns(LEADS[6:], 1), 1.0),
    LeadGrid("3x4 by rows", by_rows(LEADS, 4), 3.0),
    LeadGrid("2x6", by_rows(LEADS, 6), 2.0),
)
"""The one that explains a page's boxes best is taken."""
