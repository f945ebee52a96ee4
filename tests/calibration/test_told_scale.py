"""What a page tells of its paper speed and gain."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.calibration.pulse import HEIGHTS, WIDTHS, Pulse
from ecgpage.calibration.scale_reader import PrintedScale
from ecgpage.calibration.told_scale import apply_scale, at_fast_speed, at_speed, pace_needed, runs_fast
from ecgpage.diagnosis.pace import SURE, SURER
from ecgpage.geometry import FLAT
from ecgpage.leads import GAINS, SPEEDS, USUAL_GAINS, gain_of
from ecgpage.recording import Calibration, LeadBox, LeadTrace

X = np.linspace(40.0, 102.5, 50)
LEAD = LeadBox("V1", (40, 10, 102.5, 20), 0.9, start=5.0, duration=2.5)
TRACES = [LeadTrace(LEAD, X, np.full(50, 15.0), np.ones(50), np.full(50, 0.1), 15.0)]
NOTHING = PrintedScale()


def calibration(speed=25.0):
    return Calibration(np.eye(3), (7.0, 7.0), "grid", speed)


@pytest.mark.parametrize(("width", "speed", "seconds"), [(5.0, 25.0, 2.5), (2.5, 25.0, 2.5), (10.0, 50.0, 1.25)])
def test_a_pulse_sets_speed_gain_and_times(width, speed, seconds):
    told, [timed] = apply_scale(calibration(), TRACES, NOTHING, Pulse(20.0, width))
    assert (told.speed, told.gains) == (speed, (20.0, 20.0))
    assert (timed.lead.start, timed.lead.duration) == (2 * seconds, seconds)


def test_without_print_and_pulse_the_usual_scale_holds():
    told, [timed] = apply_scale(calibration(), TRACES, NOTHING, None)
    assert (told.speed, told.gains) == (25.0, USUAL_GAINS)
    assert told.is_usual and timed.lead == LEAD


def test_print_tells_what_no_pulse_does():
    told, [timed] = apply_scale(calibration(), TRACES, PrintedScale(50.0, (10.0, 5.0)), None)
    assert (told.speed, timed.lead.duration) == (50.0, 1.25)
    assert [gain_of(told.gains, name) for name in ("I", "aVF", "V1", "V6")] == [10, 10, 5, 5]
    assert not told.is_usual and told.scale == "50 mm/s, 10 mm/mV (chest leads 5)"


@given(st.sampled_from(SPEEDS), st.sampled_from(GAINS), st.sampled_from(HEIGHTS), st.sampled_from((None, *WIDTHS)))
def test_print_goes_before_the_pulse_and_no_speed_against_the_lengths_is_believed(speed, gain, height, width):
    told, [timed] = apply_scale(calibration(), TRACES, PrintedScale(speed, (gain, gain)), Pulse(height, width))
    assert told.gains == (gain, gain)
    fast = speed == 50.0 or (speed == 12.5 and width == 10.0)
    assert told.speed == (50.0 if fast else 25.0)
    assert told.speed * timed.lead.duration == 62.5  # what the lead measures


@given(st.sampled_from([12.5, 50.0]), st.sampled_from(SPEEDS))
def test_a_speed_that_the_lengths_give_stays(found, printed):
    told, [timed] = apply_scale(calibration(found), TRACES, PrintedScale(printed), Pulse(10.0, 10.0))
    assert told.speed == found and timed.lead == LEAD


@given(st.sampled_from([12.5, 50.0]), st.sampled_from([None, *GAINS]))
def test_squares_that_were_made_unusual_give_way_to_print(speed, gain):
    """Of a page of 10 s at 50 mm/s whose 5 mm lines were taken for 2.5 mm: times are right, a millivolt is half."""
    found = replace(calibration(), usual_squares=False)
    told, [timed] = apply_scale(found, TRACES, PrintedScale(speed, gain and (gain, gain)), None)
    assert told.speed == 25.0 and timed.lead == LEAD
    assert told.gains[0] == (gain or 10.0) * 25.0 / speed


def test_without_a_grid_no_printed_speed_is_believed_against_the_pulse():
    found = replace(calibration(), source="layout")
    told, [timed] = apply_scale(found, TRACES, PrintedScale(50.0, (5.0, 5.0)), Pulse(10.0, 5.0))
    assert told.speed == 25.0 and timed.lead == LEAD and told.gains == (5.0, 5.0)
    for pulse in (None, Pulse(10.0, None), Pulse(10.0, 10.0)):
        told, [timed] = apply_scale(found, TRACES, PrintedScale(50.0), pulse)
        assert (told.speed, timed.lead.duration) == (50.0, 1.25)
    told, [timed] = apply_scale(found, TRACES, PrintedScale(12.5), None)
    assert told.speed == 25.0 and timed.lead == LEAD


def test_a_print_that_is_not_believed_does_not_hide_the_pulse():
    told, _ = apply_scale(calibration(), TRACES, PrintedScale(12.5), Pulse(10.0, 10.0))
    assert told.speed == 50.0


@pytest.mark.parametrize(
    ("printed", "pulse", "needed"),
    [
        (NOTHING, None, SURE),
        (PrintedScale(gains=(10.0, 10.0)), Pulse(10.0, None), SURE),
        (PrintedScale(25.0), None, None),
        (NOTHING, Pulse(10.0, 2.5), None),
        (NOTHING, Pulse(10.0, 5.0), SURER),
        (PrintedScale(25.0), Pulse(10.0, 5.0), None),
    ],
)
def test_print_or_a_pulses_width_tell_the_speed(printed, pulse, needed):
    assert pace_needed(printed, pulse) == needed


@given(st.sampled_from(SPEEDS), st.sampled_from(SPEEDS))
def test_another_speed_changes_times_and_no_length(before, after):
    changed, [timed] = at_speed(calibration(before), TRACES, after)
    assert changed.speed == after and changed.gains == USUAL_GAINS
    assert after * timed.lead.duration == pytest.approx(before * LEAD.duration)
    assert after * timed.lead.start == pytest.approx(before * LEAD.start)
    np.testing.assert_array_equal(timed.x, X)


def test_of_a_page_that_its_leads_scale_twice_the_millimetres_may_run_at_twice_the_speed():
    found = replace(calibration(), source="layout")
    fast, [trace] = at_fast_speed(found, TRACES, PrintedScale(25.0, None, 0.95), Pulse(5.0, 5.0))
    assert fast.speed == 50.0 and fast.pixels_per_mm == (3.5, 3.5) and trace.lead.duration == LEAD.duration
    assert trace.lead.box[2] - trace.lead.box[0] == fast.speed * LEAD.duration
    for before, after in ((TRACES[0].x, trace.x), (TRACES[0].y, trace.y), (TRACES[0].spread, trace.spread)):
        np.testing.assert_allclose(after, 2 * before)
    assert trace.zero == 30.0


@pytest.mark.parametrize(
    ("change", "printed", "pulse"),
    [
        ({"source": "grid"}, NOTHING, None),
        ({"source": "layout", "bend": FLAT}, NOTHING, None),
        ({"source": "layout"}, NOTHING, Pulse(10.0, 10.0)),
        ({"source": "layout"}, PrintedScale(25.0, None, 0.995), None),
    ],
)
def test_a_known_scale_is_no_other_speeds(change, printed, pulse):
    """A pulse of 10 mm on the millimetres that there are is of 50 mm/s on these."""
    assert at_fast_speed(replace(calibration(), **change), TRACES, printed, pulse) is None


@pytest.mark.parametrize(
    ("printed", "smaller", "pulse", "fast"),
    [
        (NOTHING, PrintedScale(50.0, None, 0.95), None, True),
        (PrintedScale(25.0, None, 0.95), PrintedScale(50.0, None, 0.99), None, True),
        (PrintedScale(25.0, None, 0.98), PrintedScale(50.0, None, 0.95), None, False),
        (NOTHING, PrintedScale(25.0, None, 0.99), None, False),
        # read as 50 mm/s in both sizes: five seconds, unless the smaller is read much more surely
        (PrintedScale(50.0, None, 0.95), PrintedScale(50.0, None, 0.99), None, False),
        (PrintedScale(50.0, None, 0.95), PrintedScale(50.0, None, 0.999), None, True),
        # its gain on twice the millimetres against that of the pulse on the usual ones
        (NOTHING, PrintedScale(50.0, (10.0, 10.0), 0.99), Pulse(5.0, 5.0), True),
        (NOTHING, PrintedScale(50.0, (10.0, 10.0), 0.99), Pulse(10.0, 5.0), False),
        (NOTHING, PrintedScale(50.0, None, 0.99), Pulse(10.0, 5.0), True),
    ],
)
def test_print_of_another_size_counts_where_it_is_read_more_surely(printed, smaller, pulse, fast):
    assert runs_fast(printed, smaller, pulse) == fast
