"""Whether aVR is printed upside down, as often in Cabrera's order, told by the limb leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.in_step import Law, law_residual
from ecgpage.leads import limb_law
from ecgpage.recording import LeadTrace

LAWS = limb_law("aVR", "aVL", "aVF"), limb_law("aVR", "I", "II"), limb_law("aVR", "aVL", "I")
"""What aVR keeps to; the last is told by a column of Cabrera's order by itself."""

HOLDS, BETTER = -4.0, 6.0
"""dB of a law's sum, over its largest lead, up to which it holds, and by how much less that must be for aVR the other
way up."""


def avr_upright(traces: Sequence[LeadTrace]) -> list[LeadTrace] | None:
    """The traces with aVR's told to be the other way up, where the limb leads say so; else None.

    traces: of one page, in paper millimetres, those of one instant at one x. Only in Cabrera's order, with lead I above
    it, is aVR ever printed upside down. Every law whose leads are there must hold clearly better for it.
    """
    named = {trace.lead.name: trace for trace in sorted(traces, key=lambda trace: not trace.lead.strip)}
    avr, above = named.get("aVR"), named.get("I")
    if avr is None or above is None or avr.lead.strip or not _is_above(above, avr):
        return None
    other = _turned(avr)
    laws = [law for law in LAWS if all(lead in named for lead in law)]
    told = [(_residual(law, named), _residual(law, named | {"aVR": other})) for law in laws]
    told = [(here, there) for here, there in told if np.isfinite([here, there]).all()]
    if not told or not all(there <= min(HOLDS, here - BETTER) for here, there in told):
        return None
    return [_turned(trace) if trace.lead.name == "aVR" else trace for trace in traces]


def _is_above(one: LeadTrace, other: LeadTrace) -> bool:
    return one.lead.column == other.lead.column and one.lead.row == other.lead.row - 1


def _turned(trace: LeadTrace) -> LeadTrace:
    return replace(trace, lead=replace(trace.lead, inverted=not trace.lead.inverted))


def _residual(law: dict[str, float], named: dict[str, LeadTrace]) -> float:
    signed: Law = [(named[name], sign) for name, sign in law.items()]
    return law_residual(signed)
