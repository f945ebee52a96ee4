"""Paper speed and gain, as the page tells them: by its print, by its calibration pulse, by its leads' lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.pulse import WIDTHS, Pulse
from ecgpage.calibration.scale_reader import PrintedScale
from ecgpage.diagnosis.pace import SURE, SURER
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import Calibration, LeadTrace

FAST = 2 * MILLIMETERS_PER_SECOND
"""mm/s that lengths may be mistaken at."""

CLEARLY_SURER = 10.0
"""How many times less doubtful ``FAST`` must be, read in another size, where it is read in the usual one too."""

SURELY_READ = 0.99
"""How likely the usual speed must be, where it is read, for print not to be looked for in another size."""

FAST_PULSE, USUAL_PULSE = max(WIDTHS), 5.0
"""Widths of a pulse, mm: of 0.2 s at this speed, which no other gives, and of 0.2 s at the usual one."""


def apply_scale(
    calibration: Calibration, traces: Sequence[LeadTrace], printed: PrintedScale, pulse: Pulse | None
) -> tuple[Calibration, tuple[LeadTrace, ...]]:
    """A page's calibration with the speed and the gains that it tells, and its traces with times to match.

    What is printed goes before what the pulse tells: 1 mV by its height, and 50 mm/s where it is 10 mm wide. Lengths
    alone do not tell a page of 5 s at 50 mm/s from one of 10 s at the usual speed, which it is taken for at first: told
    to be the former, its leads last half as long. Where the grid's squares were taken for unusual ones to make the
    usual speed of it, a print of another speed says that they are not: then times are right, and a millivolt measures
    as many times less or more than is printed as the speed. No other printed speed than the leads' lengths give is
    believed. Print that is read is as large as print is where leads last half as long: without a grid it is believed
    unless the pulse is another speed's.
    """
    on_grid = calibration.source == "grid"
    agrees = pulse is None or pulse.width in (None, FAST_PULSE)
    by_print = printed.speed == FAST and calibration.usual_squares and (on_grid or agrees)
    by_pulse = pulse is not None and pulse.width == FAST_PULSE and printed.speed != MILLIMETERS_PER_SECOND
    fast = calibration.speed == MILLIMETERS_PER_SECOND and (by_print or by_pulse)
    faster = 2.0 if fast else 1.0
    shrunk = calibration.speed / printed.speed if printed.speed and on_grid and not calibration.usual_squares else 1.0
    limb, chest = printed.gains or calibration.gains
    gains = (shrunk * limb, shrunk * chest) if printed.gains or pulse is None else (pulse.height, pulse.height)
    return at_speed(replace(calibration, gains=gains), traces, faster * calibration.speed)


def at_fast_speed(
    calibration: Calibration, traces: Sequence[LeadTrace], printed: PrintedScale, pulse: Pulse | None
) -> tuple[Calibration, tuple[LeadTrace, ...]] | None:
    """A page that its leads' lengths alone scale, and its traces, if it runs at ``FAST``: its leads last as long, on
    twice as many millimetres. None where it hardly can, a grid being known, the usual speed being read surely or the
    pulse being as wide as at that speed on the millimetres that there are, and where paper bends."""
    scaled_by_leads = calibration.source == "layout"
    usual = printed.speed == MILLIMETERS_PER_SECOND and printed.likely >= SURELY_READ
    wide = pulse is not None and pulse.width == FAST_PULSE
    if not scaled_by_leads or usual or wide or calibration.bend is not None:
        return None
    more = FAST / MILLIMETERS_PER_SECOND
    at_fast = replace(calibration.corrected(np.diag([more, more, 1.0])), speed=FAST)
    return at_fast, tuple(trace.enlarged(more) for trace in traces)


def runs_fast(printed: PrintedScale, smaller: PrintedScale, pulse: Pulse | None) -> bool:
    """Whether print that is read as small as it is at ``FAST`` says that a page runs so (``at_fast_speed``).

    printed, pulse: as they are read on the millimetres that there are, at the usual speed; smaller: as print is read on
    twice as many, more surely; its gain must be the pulse's.
    """
    surer = CLEARLY_SURER if printed.speed == FAST else 1.0
    if smaller.speed != FAST or surer * (1 - smaller.likely) >= 1 - printed.likely:
        return False
    more = FAST / MILLIMETERS_PER_SECOND
    return pulse is None or smaller.gains is None or more * pulse.height == smaller.gains[0]


def pace_needed(printed: PrintedScale, pulse: Pulse | None) -> float | None:
    """Log-odds (see ``diagnosis.pace``) from which on beats say that a page runs at ``FAST``; None where print or pulse
    say at which speed it runs, so that nothing else is asked. A pulse of 0.2 s is as wide as one of 0.1 s there."""
    if printed.speed is not None:
        return None
    if pulse is None or pulse.width is None:
        return SURE
    return SURER if pulse.width == USUAL_PULSE else None


def at_speed(
    calibration: Calibration, traces: Sequence[LeadTrace], speed: float
) -> tuple[Calibration, tuple[LeadTrace, ...]]:
    """The same page and traces at another speed, mm/s, at which what is printed lasts longer or shorter."""
    faster = speed / calibration.speed
    return replace(calibration, speed=speed), tuple(
        replace(trace, lead=replace(trace.lead, start=trace.lead.start / faster, duration=trace.lead.duration / faster))
        for trace in traces
    )
