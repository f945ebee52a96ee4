"""Traces put where they belong in time, before a record is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ecgpage.calibration.assembly import part_trusted
from ecgpage.calibration.column_gap import begin_on_lines, column_gap, without_gap
from ecgpage.calibration.in_step import print_skew, strips_in_step, without_skew
from ecgpage.calibration.simultaneous import as_same_seconds, go_beyond_the_page, show_same_seconds
from ecgpage.calibration.strip_names import name_strips, part_ruled
from ecgpage.calibration.upside_down import avr_upright
from ecgpage.recording import ColumnLines, LeadTrace


class Placed(NamedTuple):
    """traces: those that are trusted, at their times, strips under the names of the leads that they repeat; left_out:
    the others, as they were; notes: what was put right, as parts of sentences; gap: mm of blank between columns."""

    traces: list[LeadTrace]
    left_out: list[LeadTrace]
    notes: tuple[str, ...]
    gap: float

    def named(self, traces: Sequence[LeadTrace]) -> tuple[LeadTrace, ...]:
        """The page's traces where they are printed, (N,) in their order, named and the way up as they are here."""
        here = {_identity(trace): trace.lead for trace in self.traces}
        return tuple(
            replace(trace, lead=replace(trace.lead, name=known.name, inverted=known.inverted))
            if (known := here.get(_identity(trace)))
            else trace
            for trace in traces
        )


def _identity(trace: LeadTrace) -> int | str:
    """What tells a trace from the page's others, wherever it is moved: a strip's row, another lead's name."""
    return trace.lead.row if trace.lead.strip else trace.lead.name


def place_traces(traces: Sequence[LeadTrace], speed: float, lines: ColumnLines | None = None) -> Placed:
    """Leave out what is not trusted, and put the rest in step. traces: paper millimetres; speed: mm/s; lines: of the
    columns' own grids, on which they begin."""
    trusted, left_out = part_trusted(traces)
    notes: list[str] = []
    if gap := column_gap(trusted, speed):
        trusted = without_gap(trusted, gap)
        notes.append(f"columns are printed {gap:.1f} mm apart")
    if lines is not None:
        trusted = begin_on_lines(trusted, gap, lines, speed)
    if go_beyond_the_page(trusted):
        trusted = list(as_same_seconds(trusted, speed))
    elif show_same_seconds(trusted, speed):
        trusted = list(as_same_seconds(trusted, speed))
        notes.append("by their beats, all columns show the same seconds")
    trusted, renamed = name_strips(trusted)
    trusted, ruled = part_ruled(trusted)
    if renamed:
        notes.append(f"rhythm strips are named after the leads that they repeat: {', '.join(renamed)}")
    upright = avr_upright(trusted)
    if upright is not None:
        trusted = upright
        notes.append("by the limb leads, aVR is printed upside down")
    skew = print_skew(trusted)
    if skew:
        trusted = without_skew(trusted, skew)
        notes.append(f"by leads that must agree, the print stands {np.degrees(skew):+.2f} degrees askew on its grid")
    return Placed(strips_in_step(trusted), left_out + ruled, tuple(notes), gap)
