"""From a picture to a straight, upright page: outline, then the printed grid, then a crop.

The outline of the sheet removes rotation and perspective roughly; the printed grid, where it is seen, removes what is
left to a few hundredths of a degree, whether or not the sheet's edges are in view. Where the whole picture shows no
grid that is a page's without doubt, one is looked for in parts, on the sheet as straight as its edges make it, even if
the picture cuts them. The picture itself is not resampled: a page is the picture and a homography.
"""

from __future__ import annotations

import cv2
import numpy as np

from ecgpage.calibration.grid import GridEstimate, measure_grid, nothing_found
from ecgpage.calibration.parts import find_grid, is_of_page, likelier, measure_parts
from ecgpage.geometry import apply_homography
from ecgpage.page.contours import find_cut_outline, find_outline
from ecgpage.recording import Page, PageError

MARGIN = 0.006
"""Share of the page's longer side kept around the sheet's outline."""

LARGEST_STRETCH = 1.5
"""A page's sides are at most this many times the picture's longer side."""

STRAY_TILES = 0.2
"""Share of the grid outside an outline from which on the outline is taken for a figure inside the page."""

SMALLEST_SIDE = 16

LARGEST_SIDE = 32_000
"""OpenCV resamples no picture of more than 32,767 pixels a side."""


def straighten(image: np.ndarray) -> Page:
    """Straighten the page in an (H, W, 3) uint8 RGB picture: rotation within 45 degrees, perspective, crop.

    Grid lines run level and upright on the page and its squares are square. Pages lying on their side or upside down
    stay so, see ``rotate_page``. Raises PageError for what is not a colour picture of at least 16 x 16 pixels.
    """
    return straighten_with_grid(image)[0]


def straighten_with_grid(image: np.ndarray) -> tuple[Page, GridEstimate]:
    """Return the straightened page and the grid measured on the way, in page pixels (``found`` may be false)."""
    image = _checked(image)
    whole = Page(image, image.shape[:2], np.eye(3), False)
    outline = find_outline(image)
    grid = measure_grid(whole)
    if outline is not None and grid.found and _stray_share(grid, outline) > STRAY_TILES:
        outline = None
    sheet = outline
    if not is_of_page(grid, whole.size):
        sheet = find_cut_outline(image) if outline is None else outline
        rough = whole if sheet is None else page_from_outline(image, sheet)
        again = measure_parts(whole) if sheet is None else find_grid(rough)
        grid = likelier(grid, again.moved(rough.page_to_picture, whole.size), whole.size)
    if grid.found:
        page = _page_from_grid(image, grid, outline) or _page_from_grid(image, grid, sheet)
        if page is not None:
            return page, grid.moved(np.linalg.inv(page.page_to_picture), page.size)
    return _page_from_edges(whole, sheet), nothing_found()


def straighten_without_grid(image: np.ndarray) -> Page:
    """Straighten the page in an (H, W, 3) uint8 RGB picture by the sheet's edges, or its rows of print, alone.

    For a picture in which something else was taken for the page's grid, as a screen's raster may be. Raises PageError
    as ``straighten`` does.
    """
    image = _checked(image)
    outline = find_outline(image)
    sheet = find_cut_outline(image) if outline is None else outline
    return _page_from_edges(Page(image, image.shape[:2], np.eye(3), False), sheet)


def _page_from_edges(whole: Page, sheet: np.ndarray | None) -> Page:
    """The sheet inside (4, 2) corners or, where none is seen, the whole picture with its rows of print made level."""
    return _rotated(whole, skew_of_rows(whole.image)) if sheet is None else page_from_outline(whole.image, sheet)


def rotate_page(page: Page, quarter_turns: int) -> Page:
    """Turn a page clockwise by quarter turns (any whole number). The picture stays, only the homography changes."""
    turns = quarter_turns % 4
    height, width = page.size
    new_to_old = {
        0: np.eye(3),
        1: np.array([[0, 1, 0], [-1, 0, height - 1], [0, 0, 1.0]]),
        2: np.array([[-1, 0, width - 1], [0, -1, height - 1], [0, 0, 1.0]]),
        3: np.array([[0, -1, width - 1], [1, 0, 0], [0, 0, 1.0]]),
    }[turns]
    size = (width, height) if turns % 2 else (height, width)
    return Page(page.image, size, page.page_to_picture @ new_to_old, page.outlined)


def _checked(image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise PageError(f"expected an (H, W, 3) uint8 RGB picture, came {image.shape} {image.dtype}: convert it first")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        raise PageError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels is too small to show an ECG page")
    if max(image.shape[:2]) > LARGEST_SIDE:
        raise PageError(
            f"a picture of {image.shape[1]}x{image.shape[0]} pixels is too large: reduce it to {LARGEST_SIDE} a side"
        )
    return np.ascontiguousarray(image)


def _stray_share(grid: GridEstimate, outline: np.ndarray) -> float:
    """Share of the grid's tiles, by weight, that lie clearly outside the outline."""
    weights = np.clip(grid.weights.min(axis=1) - 1.5, 0.0, None) * (np.abs(grid.shifts).max(axis=1) < 0.1)
    hull = outline.astype(np.float32)
    slack = 0.03 * float(np.ptp(outline, axis=0).max())
    away = np.array([cv2.pointPolygonTest(hull, (float(x), float(y)), True) < -slack for x, y in grid.centers])
    return float(weights[away].sum() / max(1e-9, weights.sum())) if len(away) else 0.0


def page_from_outline(image: np.ndarray, outline: np.ndarray) -> Page:
    """Take the sheet inside (4, 2) corners as the page, at the resolution of its longest sides.

    Its aspect is that of the mean opposite sides, true for a sheet seen nearly from above.
    """
    sides = np.hypot(*(np.roll(outline, -1, axis=0) - outline).T)
    width, height = max(sides[0], sides[2]), max(sides[1], sides[3])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    page_to_picture = cv2.getPerspectiveTransform(corners.astype(np.float32), outline.astype(np.float32)).astype(float)
    margin = MARGIN * max(width, height)
    return _framed(image, page_to_picture, (-margin, -margin), (width + margin, height + margin), True)


def _framed(
    image: np.ndarray, plane_to_picture: np.ndarray, low: tuple[float, float], high: tuple[float, float], outlined: bool
) -> Page:
    """Cut the rectangle low..high (x, y) of a plane, scaled in pixels, out as a page."""
    size = (max(1, int(np.ceil(high[1] - low[1])) + 1), max(1, int(np.ceil(high[0] - low[0])) + 1))
    shift = np.array([[1, 0, low[0]], [0, 1, low[1]], [0, 0, 1.0]])
    page_to_picture = plane_to_picture @ shift
    return Page(image, size, page_to_picture / page_to_picture[2, 2], outlined)


def _page_from_grid(image: np.ndarray, grid: GridEstimate, outline: np.ndarray | None) -> Page | None:
    """Frame the sheet on the grid's own plane; None where the lattice cannot be a sheet in front of a camera."""
    if grid.lattice_to_page is None or grid.pitch is None:
        return None
    height, width = image.shape[:2]
    picture_to_lattice = grid.page_to_lattice
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    seen = corners if outline is None else outline
    depth = (seen @ picture_to_lattice[2, :2] + picture_to_lattice[2, 2]) / picture_to_lattice[2, 2]
    if depth.min() < 0.3:
        return None
    scale = max(grid.pitch)
    plane_to_picture = grid.lattice_to_page @ np.diag([1 / scale, 1 / scale, 1.0])
    picture_to_plane = np.linalg.inv(plane_to_picture)
    if outline is not None:
        sheet = apply_homography(picture_to_plane, outline)
        margin = MARGIN * float(np.ptp(sheet, axis=0).max())
        low, high = sheet.min(axis=0) - margin, sheet.max(axis=0) + margin
    else:
        frame = apply_homography(picture_to_plane, corners)
        low, high = frame.min(axis=0), frame.max(axis=0)
    if (high - low).max() > LARGEST_STRETCH * max(height, width) or (high - low).min() < SMALLEST_SIDE:
        return None
    return _framed(image, plane_to_picture, tuple(low), tuple(high), outline is not None)


def _rotated(page: Page, degrees: float) -> Page:
    """Turn a page's content counterclockwise by degrees, so that rows falling to the right come level."""
    if abs(degrees) < 0.05:
        return page
    height, width = page.size
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin], [sin, cos]])
    plane_to_picture = np.eye(3)
    plane_to_picture[:2, :2] = turn
    plane_to_picture[:2, 2] = middle - turn @ middle
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    frame = apply_homography(np.linalg.inv(plane_to_picture), corners)
    return _framed(page.image, plane_to_picture, tuple(frame.min(axis=0)), tuple(frame.max(axis=0)), page.outlined)


def skew_of_rows(image: np.ndarray, largest: float = 15.0) -> float:
    """Return by how many degrees rows of print fall to the right, 0 where no direction clearly stands out.

    The direction whose row sums of darkness change most abruptly is that of text lines and baselines.
    """
    factor = min(1.0, 500 / max(image.shape[:2]))
    small = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
    gray = cv2.cvtColor(cv2.resize(image, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    dark = cv2.blur(gray, (31, 31)).astype(np.float32) - gray
    dark = np.clip(dark - 2 * dark.std(), 0, None)
    height, width = dark.shape
    middle = ((width - 1) / 2, (height - 1) / 2)

    def sharpness(degrees: float) -> float:
        turned = cv2.warpAffine(dark, cv2.getRotationMatrix2D(middle, degrees, 1.0), (width, height))
        rows = turned[:, width // 8 : -width // 8].sum(axis=1)
        return float((np.diff(rows) ** 2).sum())

    angles = np.arange(-largest, largest + 0.1, 0.5)
    scores = np.array([sharpness(angle) for angle in angles])
    best = int(np.argmax(scores))
    if scores[best] < 1.3 * scores[len(angles) // 2] or best in (0, len(angles) - 1):
        return 0.0
    fine = angles[best] + np.arange(-0.4, 0.41, 0.1)
    return float(fine[int(np.argmax([sharpness(angle) for angle in fine]))])
