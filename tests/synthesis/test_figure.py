"""Figures of plotting programs: panels that hold their leads, with grids and names of their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.leads import LEADS
from ecgpage.synthesis.arrangement import ArrangementSettings, choose_arrangement
from ecgpage.synthesis.design import design_page
from ecgpage.synthesis.grid import GridSettings, choose_grid, draw_paper
from ecgpage.synthesis.layout import GridPatch, PrintSettings, lead_left

ANY = ArrangementSettings(
    grid=(("3x4", 1.0), ("6x2", 1.0), ("12x1", 1.0)), strips=(("0", 1.0), ("1", 1.0)), fast=0.3, simultaneous=0.5
)
PANELS = PrintSettings(panels=1.0, pulse=(("left", 1.0), ("none", 1.0)))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_lead_stands_in_a_panel_of_its_own_with_its_name(seed):
    rng = np.random.default_rng(seed)
    arrangement = choose_arrangement(ANY, rng)
    design = design_page(arrangement, PANELS, rng)
    leads = arrangement.layout.leads
    names = {word.lead: word for word in design.words if word.lead >= 0}
    assert len(design.grids) == len(leads) == len(names)
    boxes = [grid.area for grid in design.grids]
    for index, (lead, (x0, y0, x1, y1)) in enumerate(zip(leads, boxes, strict=True)):
        begin = lead_left(design, arrangement, lead)
        assert x0 <= begin and begin + arrangement.speed * lead.duration <= x1 + 1e-9
        assert y0 < design.rows[lead.row] < y1
        assert min(x0, y0) >= 0 and x1 <= design.size[0] and y1 <= design.size[1]
        assert names[index].text.lower() == ("-" * lead.inverted + lead.name).lower()
        assert x0 - 30 < names[index].x < x1 and y0 - 4 < names[index].y < y1
    for k, (a0, b0, a1, b1) in enumerate(boxes):
        for c0, d0, c1, d1 in boxes[:k]:
            assert a1 <= c0 or c1 <= a0 or b1 <= d0 or d1 <= b0


def test_grids_of_panels_begin_with_them_or_are_parts_of_one():
    seen = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        arrangement = choose_arrangement(ANY, rng)
        design = design_page(arrangement, PANELS, rng)
        seen.add(len({grid.origin for grid in design.grids}) == 1)
    assert seen == {True, False}


def test_numbers_stand_below_a_sheet_at_their_times():
    rng = np.random.default_rng(1)
    arrangement = choose_arrangement(ArrangementSettings(), rng)
    plain = PrintSettings(header=0.0, footer=0.0, no_names=1.0)
    sheet = design_page(arrangement, plain, np.random.default_rng(2))
    numbered = design_page(arrangement, PrintSettings(header=0.0, footer=0.0, no_names=1.0, numbered=1.0), rng)
    assert not sheet.words
    below = [word for word in numbered.words if word.y > numbered.grids[0].area[3]]
    times = [float(word.text.removesuffix(" s")) for word in below]
    assert times == sorted(times) and times[0] == 0 and times[-1] == pytest.approx(arrangement.layout.width)
    steps = np.diff([word.x for word in below]) / np.diff(times)
    assert np.abs(steps - arrangement.speed).max() < 0.2 * arrangement.speed  # centred on their places
    assert all(word.y <= numbered.size[1] for word in numbered.words)
    assert all(grid.area is not None and grid.area[3] < numbered.size[1] for grid in numbered.grids)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), dots=st.booleans())
def test_a_patch_of_grid_is_a_part_of_a_page_that_is_covered_by_it(seed, dots):
    rng = np.random.default_rng(seed)
    ink = choose_grid(GridSettings(pattern=(("dots" if dots else "lines", 1.0),)), rng)
    shape, scale = (150, 200), rng.uniform(2, 6)
    origins = [tuple(rng.uniform(0, 5, 2)) for _ in range(2)]
    ends = np.array([[0, 0, 12, 15], [15, 3, 30, 22]]) + rng.uniform(0, 2, (2, 4))
    patches = [GridPatch(origin, tuple(area)) for origin, area in zip(origins, ends, strict=True)]
    paper = draw_paper(shape, scale, ink, patches)
    left = np.ones(shape, bool)
    for patch in patches:
        x0, y0, x1, y1 = np.round(np.array(patch.area) * scale).astype(int)
        whole = draw_paper(shape, scale, ink, [GridPatch(patch.origin)])
        part = np.s_[y0 : y1 + 1, x0 : x1 + 1]
        np.testing.assert_array_equal(paper[part], whole[part])
        left[part] = False
    assert (paper[left] == paper[-1, -1]).all()


def test_panels_hold_the_leads_of_every_name():
    rng = np.random.default_rng(0)
    arrangement = choose_arrangement(ArrangementSettings(strips=(("0", 1.0),)), rng)
    design = design_page(arrangement, PrintSettings(panels=1.0, upper=0.0), rng)
    assert [word.text for word in design.words if word.lead >= 0] == [lead.name for lead in arrangement.layout.leads]
    assert {lead.name for lead in arrangement.layout.leads} == set(LEADS)
