import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.digitization.crop import LeadCrop, subcolumn_positions
from ecgpage.digitization.targets import heights_to_paper, trace_target
from ecgpage.geometry import apply_homography

FS = 500.0


def blank_crop(width: int = 592, height: int = 320) -> LeadCrop:
    return LeadCrop(np.zeros((height, width, 3), np.uint8), (10.0, 40.0), (15.0, 50.0, 77.5, 62.0))


def trace_on_paper(values: np.ndarray, start: float = 15.0, zero: float = 56.0) -> np.ndarray:
    """25 mm/s and 10 mm/mV, y downwards: (n,) mV -> (n, 2) mm."""
    return np.stack([start + 25 * np.arange(len(values)) / FS, zero - 10 * values], axis=1)


@given(
    beats=st.floats(1, 12),
    amplitude=st.floats(0.05, 1.0),
    scale=st.floats(3, 20),
    angle=st.floats(-3.1, 3.1),
    tilt=st.floats(-2e-4, 2e-4),
)
@settings(max_examples=40, deadline=None)
def test_signal_to_target_and_back(beats, amplitude, scale, angle, tilt):
    time = np.arange(1250) / FS
    values = amplitude * np.sin(2 * np.pi * beats * time)
    paper_to_picture = scale * np.array(
        [[np.cos(angle), -np.sin(angle), 3], [np.sin(angle), np.cos(angle), 5], [tilt, 0, 1 / scale]]
    )
    points = apply_homography(paper_to_picture, trace_on_paper(values))
    crop = blank_crop()
    target = trace_target(points, crop, paper_to_picture)
    x, y = heights_to_paper(target.height, crop)
    back = np.interp(time, (x[target.presence] - 15.0) / 25, (56.0 - y[target.presence]) / 10)
    inner = slice(2, -2)  # up to a sub-column is lost at either end
    # Linear interpolation between samples 2 ms apart: at most (2 pi f dt)^2 / 4 of the amplitude.
    np.testing.assert_allclose(back[inner], values[inner], atol=0.01 * amplitude + 1e-4)


def test_presence_spans_the_printed_samples():
    crop = blank_crop()
    target = trace_target(trace_on_paper(np.zeros(1250)), crop, np.eye(3))
    x = 10.0 + subcolumn_positions(592) / 8
    np.testing.assert_array_equal(target.presence, (x >= 15.0) & (x <= 15.0 + 25 * 1249 / FS))
    np.testing.assert_allclose(target.height[target.presence], 160, atol=1e-3)  # 16 mm below the crop's top
    assert (target.height[~target.presence] == 0).all()


def test_samples_that_are_not_printed_leave_a_gap():
    points = trace_on_paper(np.zeros(1250))
    points[500:750] = np.nan
    target = trace_target(points, blank_crop(), np.eye(3))
    x, _ = heights_to_paper(target.height, blank_crop())
    gap = (x > 15 + 25 * 499 / FS) & (x < 15 + 25 * 750 / FS)
    assert gap.sum() > 200
    assert not target.presence[gap].any()
    assert target.presence[(x > 16) & ~gap & (x < 70)].all()


def test_nothing_printed_is_no_presence():
    for points in (np.zeros((0, 2)), np.full((30, 2), np.nan), np.array([[20.0, 50.0]])):
        target = trace_target(points, blank_crop(), np.eye(3))
        assert not target.presence.any()
        assert np.isfinite(target.height).all()


def test_a_trace_beyond_the_crop_stays_at_its_edge():
    target = trace_target(trace_on_paper(np.full(1250, 9.0)), blank_crop(), np.eye(3))
    assert target.presence.sum() > 1000
    assert (target.height == 0).all()
