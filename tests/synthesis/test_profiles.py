"""Profiles and arrangements: settings files, what they refuse, what they choose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.leads import CABRERA, LEADS, by_columns, layout_3x4, layout_grid
from ecgpage.synthesis import PROFILES, Mixture, Profile, choose_arrangement, find_profiles
from ecgpage.synthesis.arrangement import GRIDS, ArrangementSettings
from ecgpage.synthesis.design import design_page
from ecgpage.synthesis.layout import PrintSettings, lead_left
from ecgpage.synthesis.profile import choose_profile, load_profile

ANY = ArrangementSettings(
    grid=tuple((name, 1.0) for name in GRIDS),
    strips=(("0", 1.0), ("1", 1.0), ("2", 1.0), ("3", 1.0)),
    cabrera=0.5,
    simultaneous=0.5,
    fast=0.5,
    gain=(("5", 1.0), ("10", 1.0), ("20", 1.0)),
    half_chest=0.5,
)


def test_every_kind_of_page_ships():
    expected = {"all", "clean", "figure", "kit", "photo", "photo-damaged", "photo-stained", "scan", "scan-bw", "screen"}
    assert set(PROFILES) == expected
    assert {part.name for part, _ in PROFILES["all"].parts} == expected - {"all"}


def test_no_names_are_all_kinds_and_unknown_ones_are_told():
    assert find_profiles() == (PROFILES["all"],)
    assert [kind.name for kind in find_profiles(["kit", "photo"])] == ["kit", "photo"]
    with pytest.raises(ValueError, match="no profile fax, wax: expected one of all, clean"):
        find_profiles(["wax", "clean", "fax"])


def test_a_mixture_draws_its_parts_as_often_as_they_weigh():
    mixture = Mixture("two", ((PROFILES["kit"], 3.0), (PROFILES["scan"], 1.0)))
    rng = np.random.default_rng(0)
    names = [choose_profile(mixture, rng).name for _ in range(400)]
    assert 0.68 < names.count("kit") / 400 < 0.82  # three quarters, within three standard deviations
    assert {part.resolution for part, _ in mixture.drawn_at(60, 80).parts} == {(60, 80)}


def test_blur_follows_the_resolution():
    photo = PROFILES["photo"]
    half = photo.drawn_at(*(value / 2 for value in photo.resolution))
    assert half.exposure.blur == pytest.approx(tuple(value / 2 for value in photo.exposure.blur))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resolution = [10, 20]", "resolution must be"),
        ("[camera]\nrotation = [3, -3]", r"page.toml \[camera\]: CameraSettings: rotation must be"),
        ("[camera]\nroll = 3", r"\[camera\]: roll unknown, expected margin"),
        ("[cammera]\n", "cammera is unknown"),
        ("[ink]\ncolor = { lime = 1 }", r"color must be among \['black'.*came \['lime'\]"),
        ("[ink]\ncolor = { black = 0 }", "needs weights"),
        ("[damage]\nstains = 2", "stains is a chance, expected within"),
        ("[print]\nheader = [0, 1]", r"\[print\]"),
        ("[ink", "expected a profile"),
        ("resolution = 100", "resolution must be"),
        ('[ink]\nwidth = ["a", 2]', r"page.toml \[ink\] width: expected a number"),
        ('base = "nothing"', "expected a profile .TOML. in .*nothing.toml"),
    ],
)
def test_unusable_settings_are_named(tmp_path, text, message):
    path = tmp_path / "page.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_profile(path)


def test_a_file_overrides_only_what_it_says(tmp_path):
    (tmp_path / "mine.toml").write_text("[ink]\nwidth = [0.3, 0.4]\n", encoding="utf-8")
    profile = load_profile(tmp_path / "mine.toml")
    assert profile == replace(Profile("mine"), ink=replace(Profile("mine").ink, width=(0.3, 0.4)))


def test_a_base_is_taken_over_but_for_what_is_said(tmp_path):
    (tmp_path / "one.toml").write_text("[ink]\nwidth = [0.3, 0.4]\nbroken = 0.5\n[damage]\ntape = 0.1\n")
    (tmp_path / "two.toml").write_text('base = "one"\nresolution = [90, 100]\n[ink]\nbroken = 0.2\n')
    two = load_profile(tmp_path / "two.toml")
    assert (two.name, two.resolution) == ("two", (90.0, 100.0))
    assert (two.ink.width, two.ink.broken, two.damage.tape) == ((0.3, 0.4), 0.2, 0.1)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 2**32 - 1), st.sampled_from([4.0, 10.0]))
def test_any_arrangement_is_consistent(seed, seconds):
    rng = np.random.default_rng(seed)
    arrangement = choose_arrangement(ANY, rng, seconds)
    layout = arrangement.layout
    short = [lead for lead in layout.leads if not lead.strip]
    names = [lead.name for lead in short]
    assert sorted(names) in (sorted(LEADS), sorted(LEADS[:6]), sorted(LEADS[6:]))
    assert len(names) == 12 or layout.name == "6x1"
    assert layout.duration <= seconds + 1e-9
    assert arrangement.speed in (25.0, 50.0)
    assert arrangement.gain("V1") in (arrangement.gain("I"), arrangement.gain("I") / 2)
    assert {lead.inverted for lead in layout.leads if lead.name != "aVR"} == {False}
    design = design_page(arrangement, PrintSettings(gap=0.5, framed=0.5, panels=0.4, numbered=0.5), rng)
    assert len(design.rows) == layout.rows
    assert all(np.diff(design.rows) > 5)
    for row in range(layout.rows):  # leads of a row stand one after the other, within the paper
        ends = [
            (lead_left(design, arrangement, lead), lead.duration * arrangement.speed)
            for lead in sorted(layout.leads, key=lambda lead: lead.column)
            if lead.row == row
        ]
        assert ends[0][0] > 0
        assert ends[-1][0] + ends[-1][1] < design.size[0]
        assert all(first[0] + first[1] <= second[0] + 1e-6 for first, second in zip(ends, ends[1:], strict=False))


def test_layouts_have_the_strips_that_the_settings_make_likely():
    """Half without and half with three: of 40 pages, all but by a chance of one in 10^11 of either kind."""
    rng = np.random.default_rng(0)
    settings = ArrangementSettings(strips=(("0", 0.5), ("1", 0.0), ("3", 0.5)))
    assert {choose_arrangement(settings, rng).layout.rows for _ in range(40)} == {3, 6}
    usual = ArrangementSettings(strips=(("1", 1.0),), usual_strip=0.8)
    strips = [choose_arrangement(usual, rng).layout.leads[-1].name for _ in range(300)]
    assert 0.73 < strips.count("II") / 300 < 0.87  # three standard deviations


def test_columns_follow_each_other_or_show_the_same_time():
    names = by_columns(CABRERA, 2)
    assert names[0] == ("aVL", "V1") and names[5] == ("III", "V6")
    successive, simultaneous = (layout_grid(names, ("II",), 10.0, together) for together in (False, True))
    assert {(lead.start, lead.offset) for lead in successive.leads} == {(0.0, 0.0), (5.0, 5.0)}
    assert {(lead.start, lead.offset) for lead in simultaneous.leads} == {(0.0, 0.0), (0.0, 5.0)}
    assert successive.name == "6x2+1"
    assert layout_3x4().width == layout_3x4().duration == 10.0


def test_impossible_layouts_are_refused():
    with pytest.raises(ValueError, match="expected rows of 2 leads each"):
        layout_grid((("I", "II"), ("III",)))
    with pytest.raises(ValueError, match="4 columns of 10 s show 40 s, the page has 10 s"):
        layout_grid(by_columns(LEADS, 4), (), 10.0, False, 10.0)
