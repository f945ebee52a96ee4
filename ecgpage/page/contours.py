"""The paper's outline in a picture, by contours.

Several simple ways of telling paper from what lies around it (brightness, colour, distance to the colour of the
picture's border, fine texture) each give a mask; the contours of every mask are tried as four-sided sheets, and the
sheet whose four sides are best supported by real edges of the picture is taken. A page that fills the picture has no
such outline; of one that the picture cuts, three or four sides may still be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.geometry import box_corners

BORDER = 3.0
"""Pixels within which a side runs along the picture's border."""

FEWEST_PLACES = 24
"""Places of a side, of 240, that must be in view to move it onto an edge."""


@dataclass(frozen=True)
class OutlineSettings:
    """What counts as a sheet of paper.

    longest: contours are sought on the picture reduced to this longer side, pixels.
    smallest_area: share of the picture that a sheet covers at least.
    largest_bend: degrees by which a corner may differ from a right angle.
    largest_aspect: longer over shorter side.
    smallest_fill: share of the four-sided figure that its contour fills, and the other way round.
    smallest_support: share of each side, as far as it is in view, along which the picture has an edge on one straight
        line.
    smallest_side: length, as a share of the picture's longer side, that is in view of each side of a cut sheet.
    furthest: how far outside the picture a cut sheet's corners lie at most, as a share of the picture's longer side.
    """

    longest: int = 640
    smallest_area: float = 0.2
    largest_bend: float = 32.0
    largest_aspect: float = 4.0
    smallest_fill: float = 0.93
    smallest_support: float = 0.45
    smallest_side: float = 0.15
    furthest: float = 0.6

    def __post_init__(self) -> None:
        if self.longest < 64:
            raise ValueError(f"longest must be at least 64 pixels to show a sheet, came {self.longest}")
        for name in ("smallest_area", "smallest_fill", "smallest_support", "smallest_side", "furthest"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, came {getattr(self, name)}")


def find_outline(image: np.ndarray, settings: OutlineSettings | None = None) -> np.ndarray | None:
    """Find the four corners of the sheet in an (H, W, 3) uint8 RGB picture.

    Returns (4, 2) float64 picture pixels (x, y): top left, top right, bottom right, bottom left as they appear in the
    picture, to a fraction of a pixel; None where no whole sheet with four visible sides is in view.
    """
    return _best_sheet(image, settings or OutlineSettings())


def find_cut_outline(image: np.ndarray, settings: OutlineSettings | None = None) -> np.ndarray | None:
    """Find the four corners, as ``find_outline`` does, of a sheet that the picture cuts.

    Three or four of its sides must be in view, each in part; a side that is not is taken to be parallel to the opposite
    one, at the picture's furthest corner. None where no such sheet is seen.
    """
    return _best_sheet(image, settings or OutlineSettings(), cut=True)


def _best_sheet(image: np.ndarray, settings: OutlineSettings, cut: bool = False) -> np.ndarray | None:
    """The sheet, whole or cut, of those that the picture's masks may show, whose sides are best supported by edges."""
    height, width = image.shape[:2]
    factor = min(1.0, settings.longest / max(height, width))
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(image, (0, 0), max(0.5, 0.35 / factor))
    best, best_score = None, 0.0
    seen: list[np.ndarray] = []
    for mask in sheet_masks(small):
        quad = cut_quad(mask, settings) if cut else largest_quad(mask, settings)
        if quad is None or any(np.abs(quad - other).max() < 2 for other in seen):
            continue
        seen.append(quad)
        corners, support = refine_corners(
            smooth, (quad + 0.5) / factor - 0.5, reach=3.5 / factor, inset=BORDER / factor if cut else 0.0
        )
        in_view = support[np.isfinite(support)] if cut else support
        supported = len(in_view) >= 3 and in_view.min() >= settings.smallest_support
        if not supported or not _plausible(corners, (height, width), settings, not cut):
            continue
        score = float(in_view.mean()) * cv2.contourArea(corners.astype(np.float32)) ** 0.5
        if score > best_score:
            best, best_score = corners, score
    return best


def sheet_masks(small: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (h, w) uint8 masks, 255 on what may be the sheet, from an (h, w, 3) uint8 RGB picture."""
    blurred = cv2.medianBlur(cv2.GaussianBlur(small, (0, 0), 1.5), 5)
    lab = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB).astype(np.float32)
    ring = np.concatenate(
        [lab[:3].reshape(-1, 3), lab[-3:].reshape(-1, 3), lab[:, :3].reshape(-1, 3), lab[:, -3:].reshape(-1, 3)]
    )
    border = np.median(ring, axis=0)
    distance = np.linalg.norm((lab - border) * (0.7, 1.3, 1.3), axis=2)
    chroma = np.linalg.norm((lab - border)[..., 1:], axis=2)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    texture = cv2.blur(np.abs(gray - cv2.blur(gray, (7, 7))) / (cv2.blur(gray, (7, 7)) + 16), (9, 9))
    brightness = lab[..., 0]
    for feature in (distance, brightness, -brightness, chroma, texture, lab[..., 1], lab[..., 2]):
        level = _to_bytes(feature)
        threshold, mask = cv2.threshold(level, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        yield _cleaned(mask)
        if feature is distance or feature is brightness:  # a shadow across sheet or table moves the best threshold
            for share in (0.6, 1.5):
                yield _cleaned(np.where(level > min(250.0, threshold * share), 255, 0).astype(np.uint8))
    edges = cv2.Canny(blurred, 20, 60)
    yield _enclosed(cv2.dilate(edges, np.ones((3, 3), np.uint8)))


def _to_bytes(feature: np.ndarray) -> np.ndarray:
    low, high = np.percentile(feature, (0.5, 99.5))
    return np.clip((feature - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)


def _cleaned(mask: np.ndarray) -> np.ndarray:
    """Close gaps that lines and traces leave, then drop what hangs on the sheet by a thread."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    framed = cv2.copyMakeBorder(mask, 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=0)
    framed = cv2.morphologyEx(cv2.morphologyEx(framed, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    return np.ascontiguousarray(framed[12:-12, 12:-12])


def _enclosed(edges: np.ndarray) -> np.ndarray:
    """Mask of what cannot be reached from outside the picture without crossing an edge."""
    framed = cv2.copyMakeBorder(edges, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outside = framed.copy()
    cv2.floodFill(outside, None, (0, 0), 128)
    return _cleaned(np.where(outside[1:-1, 1:-1] == 128, 0, 255).astype(np.uint8))


def largest_quad(mask: np.ndarray, settings: OutlineSettings) -> np.ndarray | None:
    """Return the (4, 2) corners, ordered, of the mask's largest contour if it is a plausible sheet, else None."""
    contour = _largest_contour(mask, settings)
    if contour is None:
        return None
    area = cv2.contourArea(contour)
    hull = cv2.convexHull(contour)
    for share in np.geomspace(0.008, 0.08, 14):
        polygon = cv2.approxPolyDP(hull, share * cv2.arcLength(hull, True), True)[:, 0]
        if len(polygon) <= 4:
            break
    if len(polygon) != 4:
        return None
    quad = order_corners(polygon.astype(float))
    quad_area = cv2.contourArea(quad.astype(np.float32))
    filled = min(area, quad_area) / max(area, quad_area, 1e-9)
    return quad if filled >= settings.smallest_fill and _plausible(quad, mask.shape, settings) else None


def cut_quad(mask: np.ndarray, settings: OutlineSettings) -> np.ndarray | None:
    """Return the (4, 2) corners, ordered, of the sheet that the mask's largest contour is a part of, else None.

    The contour's sides along the picture's border are not the sheet's; three or four others must be left.
    """
    contour = _largest_contour(mask, settings)
    if contour is None:
        return None
    hull = cv2.convexHull(contour)
    shortest = settings.smallest_side * max(mask.shape)
    for share in np.geomspace(0.008, 0.04, 8):
        polygon = cv2.approxPolyDP(hull, share * cv2.arcLength(hull, True), True)[:, 0].astype(float)
        ends = np.stack([polygon, np.roll(polygon, -1, axis=0)], axis=1)  # (N, 2, 2), side by side around
        long = np.hypot(*(ends[:, 1] - ends[:, 0]).T) >= shortest
        own = ends[[not _along_border(side, mask.shape) for side in ends] & long]
        quad = _completed(own, mask.shape) if len(own) in (3, 4) else None
        if quad is not None and _plausible(quad, mask.shape, settings, whole=False):
            break
    else:
        return None
    sheet = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(sheet, quad.round().astype(np.int32), 255)
    seen = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(seen, [contour], -1, 255, cv2.FILLED)
    alike = np.count_nonzero(sheet & seen) / max(1, np.count_nonzero(sheet | seen))
    return quad if alike >= settings.smallest_fill else None


def _frame(shape: tuple[int, ...]) -> np.ndarray:
    """The corners (4, 2) of a picture of (height, width) shape."""
    return box_corners((0, 0, shape[1] - 1, shape[0] - 1))


def _largest_contour(mask: np.ndarray, settings: OutlineSettings) -> np.ndarray | None:
    """The mask's largest outer contour, (N, 1, 2) int, as of OpenCV; None where it is too small for a sheet."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea, default=None)
    return None if contour is None or cv2.contourArea(contour) < settings.smallest_area * mask.size else contour


def _along_border(side: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a side, (2, 2) its ends (x, y), runs along the border of a picture of (height, width) shape."""
    last = _frame(shape)[2]
    return bool((side < BORDER).all(axis=0).any() or (side > last - BORDER).all(axis=0).any())


def _completed(sides: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The ordered corners of the sheet with three or four such sides, (N, 2, 2) their ends in order around it, in a
    picture of (height, width) shape."""
    if len(sides) == 3:
        gaps = np.hypot(*(np.roll(sides, -1, axis=0)[:, 0] - sides[:, 1]).T)
        sides = np.roll(sides, -int(np.argmax(gaps)) - 1, axis=0)  # the missing side comes last
        along = sides[1, 1] - sides[1, 0]
        normal = np.array([-along[1], along[0]]) / np.hypot(*along)
        away = (_frame(shape) - sides[1, 0]) @ normal
        furthest = _frame(shape)[int(np.argmax(away * np.sign(normal @ (sides[2, 1] - sides[1, 0]))))]
        sides = np.concatenate([sides, [[furthest + along, furthest]]])
    corners = _crossings([_line(start, end) for start, end in sides])
    return None if corners is None else order_corners(corners)


def _line(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The line (a, b, c), a x + b y + c = 0, through two points (2,)."""
    return np.cross(np.append(start, 1.0), np.append(end, 1.0))


def _crossings(lines: list[np.ndarray]) -> np.ndarray | None:
    """Where each of some lines (a, b, c) crosses the one before it, (N, 2); None where two are parallel."""
    corners = np.array([np.cross(lines[k - 1], lines[k]) for k in range(len(lines))])
    return None if (np.abs(corners[:, 2]) < 1e-9).any() else corners[:, :2] / corners[:, 2:]


def order_corners(points: np.ndarray) -> np.ndarray:
    """Order (4, 2) corners clockwise as seen, starting with the one nearest the top left."""
    center = points.mean(axis=0)
    turn = np.argsort(np.arctan2(points[:, 1] - center[1], points[:, 0] - center[0]))
    points = points[turn]
    return np.roll(points, -int(np.argmin(points.sum(axis=1))), axis=0)


def _plausible(quad: np.ndarray, shape: tuple[int, ...], settings: OutlineSettings, whole: bool = True) -> bool:
    """Whether four corners can be a sheet's: large, nearly rectangular, and inside the picture if it is whole."""
    height, width = shape[:2]
    margin = (0.004 if whole else -settings.furthest) * max(height, width)
    inside = (
        (quad > margin).all() and (quad[:, 0] < width - 1 - margin).all() and (quad[:, 1] < height - 1 - margin).all()
    )
    if not inside or not cv2.isContourConvex(quad.astype(np.float32)):
        return False
    sides = np.roll(quad, -1, axis=0) - quad
    lengths = np.hypot(*sides.T)
    unit = sides / np.maximum(lengths[:, None], 1e-9)
    bends = np.degrees(np.arcsin(np.clip(np.abs((unit * np.roll(unit, 1, axis=0)).sum(axis=1)), 0, 1)))
    across, down = (lengths[0] + lengths[2]) / 2, (lengths[1] + lengths[3]) / 2
    aspect = max(across, down) / max(1e-9, min(across, down))
    area = cv2.contourArea(quad.astype(np.float32))
    return bool(
        area >= settings.smallest_area * height * width
        and bends.max() <= settings.largest_bend
        and aspect <= settings.largest_aspect
    )


def refine_corners(
    image: np.ndarray, quad: np.ndarray, reach: float, inset: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Move the four sides onto the picture's edges within +-reach pixels; return corners (4, 2) and support (4,).

    A side's support is the share of its length in view along which the strongest change of colour lies on one straight
    line and stands well above the changes beside it; NaN for a side out of view, which stays where it is. In view is
    what lies more than ``inset`` pixels within the picture.
    """
    lines, support = [], []
    for k in range(4):
        line, share = _fit_side(image, quad[k], quad[(k + 1) % 4], reach, inset)
        lines.append(line / max(1e-9, float(np.hypot(*line[:2]))))
        support.append(share)
    corners = _crossings(lines)
    return (quad, np.zeros(4)) if corners is None else (corners, np.array(support))


def _fit_side(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, reach: float, inset: float
) -> tuple[np.ndarray, float]:
    """Fit a line (a, b, c), a x + b y + c = 0, to the edge near the side from start to end; with its support."""
    along = (end - start) / max(1e-9, float(np.hypot(*(end - start))))
    normal = np.array([-along[1], along[0]])
    places = start + np.linspace(0.04, 0.96, 240)[:, None] * (end - start)
    places = places[(places >= inset).all(axis=1) & (places <= _frame(image.shape)[2] - inset).all(axis=1)]
    if len(places) < FEWEST_PLACES:
        return _line(start, end), np.nan
    steps = np.arange(-np.ceil(reach), np.ceil(reach) + 0.5, 0.5)
    points = (places[:, None] + steps[None, :, None] * normal).astype(np.float32)  # (N, S, 2)
    colors = cv2.remap(image, points[..., 0], points[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colors = cv2.blur(colors.astype(np.float32), (1, 5), borderType=cv2.BORDER_REPLICATE)  # along the side only
    span = max(1, round(reach / 3))
    change = np.abs(colors[:, 2 * span :] - colors[:, : -2 * span]).sum(axis=2)  # (N, S - 2 span)
    change = cv2.blur(
        change, (2 * span + 1, 1), borderType=cv2.BORDER_REPLICATE
    )  # a plateau becomes a peak at its middle
    top = np.argmax(change, axis=1)
    height = np.take_along_axis(change, top[:, None], 1)[:, 0]
    offset = steps[span + top]
    distance = np.hypot(*(places - start).T)
    strong = height > np.maximum(12.0, 1.5 * np.median(change, axis=1))
    line, good = _robust_line(distance[strong], offset[strong], tolerance=max(1.0, reach / 6))
    normal_line = start + line[1] * normal, end + (line[1] + line[0] * float(np.hypot(*(end - start)))) * normal
    return _line(*normal_line), good / len(places)


def _robust_line(x: np.ndarray, y: np.ndarray, tolerance: float) -> tuple[np.ndarray, int]:
    """Return (slope, intercept) of the line that most points lie near, and how many do."""
    if len(x) < 8:
        return np.zeros(2), 0
    chooser = np.random.default_rng(0)
    first, second = chooser.integers(0, len(x), (2, 200))
    apart = np.abs(x[first] - x[second]) > 0.2 * np.ptp(x)
    if not apart.any():
        return np.zeros(2), 0
    first, second = first[apart], second[apart]
    slope = (y[second] - y[first]) / (x[second] - x[first])
    intercept = y[first] - slope * x[first]
    near = np.abs(y[None] - slope[:, None] * x[None] - intercept[:, None]) < tolerance
    inliers = near[int(np.argmax(near.sum(axis=1)))]
    line = np.zeros(2)
    for _ in range(3):
        line = np.polyfit(x[inliers], y[inliers], 1)
        inliers = np.abs(y - np.polyval(line, x)) < tolerance
        if inliers.sum() < 8:
            return np.zeros(2), 0
    return line, int(inliers.sum())
