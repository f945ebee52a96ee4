"""Calibration: the printed grid, the page's scale, and the assembly of traces into a recording."""

from ecgpage.calibration.grid import GridEstimate, GridSettings, measure_grid
from ecgpage.calibration.scale import calibrate

__all__ = ["GridEstimate", "GridSettings", "calibrate", "measure_grid"]
