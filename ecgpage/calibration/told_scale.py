"""Paper speed and gain, as the page tells them: by its print, by its calibration pulse, by its leads' lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ecgpage.calibration.pulse import Pulse
from ecgpage.calibration.scale_reader import PrintedScale
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import Calibration, LeadTrace

FAST_PULSE = 10.0
"""Millimetres of a pulse's width that only 50 mm/s gives."""


def apply_scale(
    calibration: Calibration, traces: Sequence[LeadTrace], printed: PrintedScale, pulse: Pulse | None
) -> tuple[Calibration, tuple[LeadTrace, ...]]:
    """A page's calibration with the speed and the gains that it tells, and its traces with times to match.

    What is printed goes before what the pulse tells: 1 mV by its height, and 50 mm/s where it is 10 mm wide. Lengths
    alone do not tell a page of 5 s at 50 mm/s from one of 10 s at the usual speed, which it is taken for at first: told
    to be the former, its leads last half as long. Any other speed than the leads' lengths give is not believed.
    """
    by_pulse = 2 * MILLIMETERS_PER_SECOND if pulse is not None and pulse.width == FAST_PULSE else None
    speed = by_pulse if printed.speed is None else printed.speed
    fast = calibration.speed == MILLIMETERS_PER_SECOND and speed == 2 * MILLIMETERS_PER_SECOND
    faster = 2.0 if fast else 1.0
    gains = calibration.gains if pulse is None else (pulse.height, pulse.height)
    told = replace(calibration, speed=faster * calibration.speed, gains=printed.gains or gains)
    return told, tuple(
        replace(trace, lead=replace(trace.lead, start=trace.lead.start / faster, duration=trace.lead.duration / faster))
        for trace in traces
    )
