import cv2
import numpy as np
import pytest

from ecgpage.diagnosis.ink import ink_image
from ecgpage.diagnosis.network import INPUT_SIZE

SIZE = (768, 1024)  # exactly twice the ink image: page pixel x lies at ink pixel (x - 0.5) / 2


def paper_with_line(y: int = 400, thickness: int = 4) -> np.ndarray:
    """White paper, red grid, and one dark horizontal line of ``thickness`` centred at row ``y``."""
    picture = np.full((*SIZE, 3), 255, np.uint8)
    picture[::40] = picture[:, ::40] = (255, 150, 150)
    picture[y - thickness // 2 : y + thickness // 2] = 30
    return picture


def test_the_trace_is_inked_and_the_coloured_grid_is_not() -> None:
    ink = ink_image(paper_with_line(), np.eye(3), SIZE)
    assert ink.shape == INPUT_SIZE and ink.dtype == np.uint8
    assert ink[199:201].min() > 240  # rows 398-401 of the page
    assert ink[:190].max() == 0 and ink[210:].max() == 0


def test_a_blank_page_stays_blank() -> None:
    assert ink_image(np.full((300, 400, 3), 200, np.uint8), np.eye(3), (300, 400)).max() == 0


@pytest.mark.parametrize("shadow", [0.6, 0.85])
def test_light_does_not_matter(shadow: float) -> None:
    picture = paper_with_line()
    fall_off = np.linspace(1, shadow, SIZE[1])[None, :, None]
    shaded = (picture * fall_off).astype(np.uint8)
    difference = ink_image(picture, np.eye(3), SIZE).astype(int) - ink_image(shaded, np.eye(3), SIZE)
    assert np.abs(difference).max() < 30


@pytest.mark.parametrize("size", [(500, 1500), (900, 300)])
def test_proportions_are_kept(size: tuple[int, int]) -> None:
    """A dark square of the page is a square of the ink image, in the middle as it was."""
    picture = np.full((*size, 3), 255, np.uint8)
    y, x = size[0] // 2, size[1] // 2
    picture[y - 8 : y + 8, x - 8 : x + 8] = 0
    rows, columns = np.nonzero(ink_image(picture, np.eye(3), size) > 100)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1)
    assert rows.mean() == pytest.approx((INPUT_SIZE[0] - 1) / 2, abs=1)
    assert columns.mean() == pytest.approx((INPUT_SIZE[1] - 1) / 2, abs=1)


@pytest.mark.parametrize("factor", [0.75, 2.5])
def test_the_page_is_straightened_whatever_the_pictures_resolution(factor: float) -> None:
    page = paper_with_line()
    corners = np.array([[60, 40], [1100, 90], [1060, 850], [20, 790]], np.float32) * factor
    page_corners = np.array([[0, 0], [1023, 0], [1023, 767], [0, 767]], np.float32)
    page_to_picture = cv2.getPerspectiveTransform(page_corners, corners)
    fine = cv2.resize(page, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    fine_to_page = np.array([[1 / 3, 0, -1 / 3], [0, 1 / 3, -1 / 3], [0, 0, 1]])
    picture_size = (round(1160 * factor), round(900 * factor))
    picture = cv2.warpPerspective(fine, page_to_picture @ fine_to_page, picture_size, flags=cv2.INTER_AREA)
    ink = ink_image(picture, page_to_picture, SIZE)[:, 20:-20]
    expected = (399.5 - 0.5) / 2
    height = (ink[150:250].astype(float) * np.arange(150, 250)[:, None]).sum(0) / ink[150:250].sum(0)
    assert np.abs(height - expected).max() < 0.6
