"""Profiles: how pages of one kind are drawn. Every range is (low, high), every chance a probability."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

Range = tuple[float, float]


@dataclass(frozen=True)
class Profile:
    """Settings of one kind of page; see ``PROFILES`` for the kinds that ship.

    Lengths on paper are in millimetres, resolutions in dots per inch, angles in degrees; fractions of the picture's
    or paper's size are in [0, 1].
    """

    name: str
    # the printed page
    fixed_print: float = 0.0
    """Chance of the plain arrangement that the field's common page generator draws, instead of a free one."""
    resolution: Range = (100.0, 220.0)
    trace_width: Range = (0.2, 0.5)
    strips: tuple[float, ...] = (0.15, 0.75, 0.0, 0.1)
    """Chances of none, one, two and three rhythm strips."""
    pulse: float = 0.6
    header: float = 0.6
    paper_colors: tuple[str, ...] = ("white", "cream", "pink")
    grid_colors: tuple[str, ...] = ("red", "pink", "orange", "brown", "grey", "green", "blue")
    random_colors: float = 0.0
    """Chance of paper and grid in any colour at all."""
    grayscale: float = 0.1
    bilevel: float = 0.0
    # damage
    creases: float = 0.0
    crumple: Range = (0.0, 0.0)
    stains: float = 0.0
    # camera or scanner
    margin: Range = (0.0, 0.0)
    """Surroundings in view on each side, as a fraction of the page; negative cuts the page."""
    rotation: Range = (0.0, 0.0)
    perspective: Range = (0.0, 0.0)
    bend: Range = (0.0, 0.0)
    """Largest local displacement, as a fraction of the picture's width."""
    shadow: Range = (0.0, 0.0)
    white_balance: Range = (0.0, 0.0)
    blur: Range = (0.0, 0.3)
    noise: Range = (0.0, 2.0)
    """Standard deviation, grey levels; below 0.3 there is none."""
    jpeg: float = 0.3
    jpeg_quality: Range = (50.0, 95.0)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            is_range = isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], str)
            if is_range and value[0] > value[1]:
                raise ValueError(f"profile {self.name}: {item.name} must be (low, high), came {value}")
        if self.resolution[0] < 40:
            raise ValueError(f"profile {self.name}: resolution below 40 dpi leaves nothing to read")

    def drawn_at(self, low: float, high: float) -> Profile:
        """The same kind of page at another resolution, dots per inch; its blur, in pixels, follows."""
        share = (low + high) / sum(self.resolution)
        blur = (self.blur[0] * share, self.blur[1] * share)
        return replace(self, resolution=(low, high), blur=blur)


CLEAN = Profile("clean", grayscale=0.05, noise=(0.0, 1.0), blur=(0.0, 0.1), jpeg=0.1)
KIT = Profile(
    "kit",
    fixed_print=1.0,
    resolution=(60.0, 280.0),
    trace_width=(0.15, 0.32),
    strips=(0.0, 1.0),
    pulse=0.6,
    header=0.5,
    random_colors=0.6,
    grayscale=0.08,
    creases=0.4,
    crumple=(-0.5, 1.0),
    margin=(-0.04, 0.12),
    rotation=(-10.0, 10.0),
    white_balance=(-0.2, 0.55),
    noise=(-12.0, 40.0),
    jpeg=0.5,
    jpeg_quality=(70.0, 95.0),
)
SCAN = Profile(
    "scan",
    fixed_print=0.2,
    margin=(-0.02, 0.05),
    rotation=(-3.0, 3.0),
    creases=0.15,
    stains=0.15,
    shadow=(0.0, 0.15),
    white_balance=(0.0, 0.1),
    blur=(0.0, 0.8),
    noise=(0.0, 5.0),
    jpeg=0.6,
)
SCAN_BW = replace(SCAN, name="scan-bw", grayscale=1.0, bilevel=0.3)
PHOTO = Profile(
    "photo",
    fixed_print=0.3,
    resolution=(110.0, 220.0),
    margin=(-0.02, 0.16),
    rotation=(-8.0, 8.0),
    perspective=(0.0, 0.06),
    bend=(-0.006, 0.006),
    creases=0.2,
    crumple=(-0.3, 0.2),
    stains=0.15,
    shadow=(0.1, 0.65),
    white_balance=(0.0, 0.3),
    blur=(0.3, 1.4),
    noise=(1.0, 8.0),
    jpeg=1.0,
    jpeg_quality=(25.0, 90.0),
)
PROFILES: dict[str, Profile] = {p.name: p for p in (CLEAN, KIT, SCAN, SCAN_BW, PHOTO)}
"""The kinds of pages that can be drawn, by name."""
