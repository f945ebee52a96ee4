from dataclasses import replace

import numpy as np
import pytest

from benchmarks.same_seconds import FS, page_traces
from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.placement import place_traces
from ecgpage.calibration.simultaneous import as_same_seconds, go_beyond_the_page, show_same_seconds
from ecgpage.leads import LEADS, by_columns, layout_3x4, layout_grid
from ecgpage.recording import LeadTrace

SPEED = 25.0
IRREGULAR = np.array([0.3, 1.0, 1.95, 2.6, 3.4, 4.5, 5.15, 6.1, 7.0, 7.6, 8.7, 9.5])
WITHOUT_RHYTHM = np.array([0.6, 0.95, 1.35, 2.8, 3.7, 4.4, 5.8, 6.7, 7.9, 8.9, 9.5])  # none is seen in the first 2.5 s
REGULAR = np.arange(0.4, 10, 2.5 / 3)  # three beats in each column, at the same places


def heart(beats: np.ndarray) -> np.ndarray:
    """(samples, 12) mV."""
    t = np.arange(round(10 * FS))[:, None] / FS - beats
    return np.exp(-((t / 0.02) ** 2)).sum(axis=1)[:, None] * np.linspace(0.4, 1.5, 12)


def page(beats: np.ndarray, same: bool, strips: tuple[str, ...] = ("II",)) -> list[LeadTrace]:
    """A 3x4 page's traces as read with the times of columns that follow each other; ``same``: as none do."""
    return page_traces(heart(beats), layout_3x4(strips), same)


@pytest.mark.parametrize("same", [True, False])
def test_a_strip_tells_whether_columns_follow_each_other(same: bool) -> None:
    assert show_same_seconds(page(IRREGULAR, same)) == same
    assert show_same_seconds(page(IRREGULAR, same, ("V1", "II"))) == same


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("strips", [("V1",), ("II", "V5"), ("V1", "II", "V5")])
@pytest.mark.parametrize("late", [0.0, 1.4])
def test_strips_of_later_columns_leads_tell_however_regular_beats_are(
    same: bool, strips: tuple[str, ...], late: float
) -> None:
    """No two beats are quite as high; a strip may stand aside by some millimetres."""
    heights = 1 + 0.3 * np.random.default_rng(3).standard_normal(len(REGULAR))
    t = np.arange(round(10 * FS))[:, None] / FS - REGULAR
    signal = (np.exp(-((t / 0.02) ** 2)) @ heights)[:, None] * np.linspace(0.4, 1.5, 12)
    traces = page_traces(signal, layout_3x4(strips), same)
    assert show_same_seconds([trace.moved(late) if trace.lead.strip else trace for trace in traces]) == same


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("beats", [IRREGULAR, *(np.arange(0.3, 10, step) for step in (0.66, 0.72, 0.78, 0.9, 1.02))])
def test_without_a_strip_beats_that_stand_alike_tell(beats: np.ndarray, same: bool) -> None:
    assert show_same_seconds(page(beats, same, strips=())) == same


@pytest.mark.parametrize("kept", [{7.5}, {2.5, 7.5}])
@pytest.mark.parametrize("same", [True, False])
def test_columns_that_are_left_tell_as_well(kept: set[float], same: bool) -> None:
    """The first column was left out: two others tell, one tells nothing."""
    traces = [trace for trace in page(np.arange(0.3, 10, 0.78), same, strips=()) if trace.lead.start in kept]
    assert show_same_seconds(traces) == (same and len(kept) > 1)


@pytest.mark.parametrize("same", [True, False])
def test_columns_tell_beside_a_strip_that_is_read_beside_its_place(same: bool) -> None:
    """The strip begins 0.2 s late, so that no column's beats stand where its own say."""
    late = [trace.moved(0.2 * SPEED) if trace.lead.strip else trace for trace in page(IRREGULAR, same)]
    assert show_same_seconds(late) == same


@pytest.mark.parametrize(
    ("off", "beat", "same"),
    [
        (0.004, 0.78, True),
        (0.015, 0.78, True),  # the rhythm would bring beats 0.3 s beside their places
        (0.022, 0.78, True),
        (0.03, 0.78, False),
        (0.004, 0.829, True),
        (0.015, 0.829, False),  # by 0.04 s
    ],
)
def test_columns_that_show_the_same_seconds_stand_alike_to_some_milliseconds(
    off: float, beat: float, same: bool
) -> None:
    traces = page(np.arange(0.3, 10, beat), True, strips=())
    moved = [trace.moved(off * SPEED) if trace.lead.start == 5.0 else trace for trace in traces]
    assert show_same_seconds(moved) == same


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("beats", [IRREGULAR, np.arange(0.3, 10, 0.78), WITHOUT_RHYTHM])
def test_columns_whose_beats_look_otherwise_tell_by_where_they_stand(beats: np.ndarray, same: bool) -> None:
    """In the last column T waves are steeper than QRS complexes."""
    t = np.arange(round(10 * FS))[:, None] / FS - beats - 0.25
    signal = heart(beats)
    signal[:, 9:] += 1.2 * np.exp(-((t / 0.02) ** 2)).sum(axis=1)[:, None]
    assert show_same_seconds(page_traces(signal, layout_3x4(()), same)) == same


SLOW = np.arange(0.4, 10, 2.5)
BROAD = np.sort(np.concatenate([SLOW, SLOW + 0.1]))  # beats whose upstroke and downstroke are 0.1 s apart


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("beats", [SLOW, BROAD])
def test_one_beat_in_each_of_two_columns_tells_nothing(beats: np.ndarray, same: bool) -> None:
    """No rhythm is seen that could have brought them there, nor that would not have; two waves of one beat are none."""
    traces = [trace for trace in page(beats, same, strips=()) if trace.lead.start < 5.0]
    assert not show_same_seconds(traces)


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("beats", [np.arange(0.6, 10, 1.4), np.array([0.7, 1.6, 2.9, 4.1])])
def test_one_beat_at_one_place_in_each_of_many_columns_tells(beats: np.ndarray, same: bool) -> None:
    """Columns of 1.25 s, as at 50 mm/s, which hardly any heart's beats follow."""
    layout = layout_grid(by_columns(LEADS, 4), (), 5.0)
    assert show_same_seconds(page_traces(heart(beats), layout, same)) == same


def test_what_cannot_be_told_follows_the_usual_order() -> None:
    """Beats that stand at the same places in every column either way."""
    for strips in ((), ("II",)):
        assert not show_same_seconds(page(REGULAR, True, strips)) and not show_same_seconds(
            page(REGULAR, False, strips)
        )
    assert not show_same_seconds([])


@pytest.mark.parametrize("seconds", [0.15, 0.5, 0.9])
def test_columns_too_short_to_tell_follow_each_other(seconds: float) -> None:
    """Even where their few beats match the strip's first ones well."""
    short = [
        trace if trace.lead.strip else replace(trace, lead=replace(trace.lead, duration=seconds))
        for trace in page(IRREGULAR, True)
    ]
    assert not show_same_seconds(short)


def test_columns_of_the_same_seconds_are_put_at_their_time() -> None:
    traces = as_same_seconds(page(IRREGULAR, True))
    signal, _ = assemble(traces, LEADS, FS, round(10 * FS))
    quarter = round(2.5 * FS)
    truth = heart(IRREGULAR)
    np.testing.assert_allclose(signal[3 : quarter - 3], truth[3 : quarter - 3], atol=0.1)
    np.testing.assert_allclose(signal[3:-3, 1], truth[3:-3, 1], atol=0.1)  # the strip, whole
    assert np.isnan(signal[quarter + 3 :, [0, *range(2, 12)]]).all()


def test_columns_that_each_take_all_of_the_seconds_show_the_same() -> None:
    """Four columns of 10 s beside each other, a metre of paper, however alike their beats look."""
    traces = page_traces(np.tile(heart(IRREGULAR), (4, 1)), layout_3x4((), 40.0), False)
    assert go_beyond_the_page(traces) and not go_beyond_the_page(page(IRREGULAR, False))
    placed = place_traces(traces, SPEED).traces
    assert {(trace.lead.start, trace.lead.duration) for trace in placed} == {(0.0, 10.0)}
    begins = [trace.x[0] for trace in placed]
    assert max(begins) - min(begins) < 2.0  # of 250 mm between columns
