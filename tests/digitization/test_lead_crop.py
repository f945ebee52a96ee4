import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.digitization.crop import (
    COLUMNS_PER_MM,
    HEIGHT_MULTIPLE,
    ROWS_PER_MM,
    WIDTH_MULTIPLE,
    CropPadding,
    crop_geometry,
    crop_lead,
    crop_to_paper,
    paper_to_crop,
    subcolumn_positions,
)
from ecgpage.geometry import apply_homography

BOX = (20.0, 15.0, 40.0, 25.0)


def spot_picture(paper_to_picture: np.ndarray, spot_mm: tuple[float, float], shape: tuple[int, int]) -> np.ndarray:
    """White paper with one soft dark spot, 0.5 mm wide, drawn exactly where its millimetres say."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    on_paper = apply_homography(np.linalg.inv(paper_to_picture), pixels)
    distance = ((on_paper - spot_mm) ** 2).sum(axis=1).reshape(shape)
    return np.repeat((255 - 200 * np.exp(-distance / (2 * 0.5**2)))[:, :, None], 3, axis=2).astype(np.uint8)


def ink_centre(image: np.ndarray) -> np.ndarray:
    ink = np.clip(245.0 - image.mean(axis=2), 0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(x * ink).sum(), (y * ink).sum()]) / ink.sum()


@pytest.mark.parametrize("scale", [4.0, 8.0, 19.0])
@pytest.mark.parametrize("degrees", [0, 7, 90, 180])
def test_a_spot_lands_where_its_millimetres_say(scale, degrees):
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    paper_to_picture = np.eye(3)
    paper_to_picture[:2, :2] = turn
    paper_to_picture[:2, 2] = np.array([30.0, 25.0]) * scale - turn @ (30.0, 20.0)
    paper_to_picture[2, 0] = 1e-4
    image = spot_picture(paper_to_picture, (33.3, 18.7), (int(50 * scale), int(60 * scale)))
    crop = crop_lead(image, paper_to_picture, BOX)
    expected = paper_to_crop(np.array([33.3, 18.7]), crop.origin)
    # A tenth of a crop pixel is 0.01 mm of height, one microvolt at 10 mm/mV.
    np.testing.assert_allclose(ink_centre(crop.image), expected, atol=0.1)


def test_a_finer_picture_is_averaged_not_skipped():
    # Columns of 255 and 55 at 32 px/mm, four to a crop column: every crop pixel holds two of each, 155 on average.
    image = np.full((800, 1600, 3), 255, np.uint8)
    image[:, ::2] = 55
    crop = crop_lead(image, np.diag([32.0, 32.0, 1.0]), (10.0, 8.0, 40.0, 16.0), CropPadding(1.0, 1.0))
    middle = crop.image[100:150, 20:-20]
    assert np.abs(middle.astype(float) - 155).max() < 4


def test_outside_of_the_picture_lies_paper():
    image = np.full((200, 300, 3), (250, 230, 210), np.uint8)
    crop = crop_lead(image, np.diag([8.0, 8.0, 1.0]), (0.0, 0.0, 30.0, 10.0))
    assert np.abs(crop.image.astype(int) - (250, 230, 210)).max() <= 1


def test_a_box_beyond_the_picture_is_blank_paper():
    crop = crop_lead(np.zeros((20, 20, 3), np.uint8), np.eye(3), (500.0, 500.0, 520.0, 510.0))
    assert crop.image.min() > 200


@given(
    x=st.floats(-50, 300),
    y=st.floats(-50, 300),
    width=st.floats(0.5, 260),
    height=st.floats(0, 60),
)
def test_crops_have_sizes_the_network_takes_and_hold_the_padded_box(x, y, width, height):
    padding = CropPadding()
    origin, (rows, columns) = crop_geometry((x, y, x + width, y + height), padding)
    assert rows % HEIGHT_MULTIPLE == 0
    assert columns % WIDTH_MULTIPLE == 0
    corners = np.array(
        [[x - padding.time, y - padding.height], [x + width + padding.time, y + height + padding.height]]
    )
    low, high = paper_to_crop(corners, origin)
    assert (low >= -0.5 - 1e-6).all()
    assert (high <= np.array([columns, rows]) - 0.5 + 1e-6).all()


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(-100, 100), st.floats(-100, 100))
@settings(max_examples=30)
def test_paper_to_crop_and_back(x, y, left, top):
    there = paper_to_crop(np.array([x, y]), (left, top))
    np.testing.assert_allclose(crop_to_paper(there, (left, top)), [x, y], atol=1e-9)
    step = paper_to_crop(np.array([x + 1, y + 1]), (left, top)) - there
    np.testing.assert_allclose(step, [COLUMNS_PER_MM, ROWS_PER_MM], atol=1e-9)


def test_subcolumns_are_thirds_centred_on_their_column():
    np.testing.assert_allclose(subcolumn_positions(2), [-1 / 3, 0, 1 / 3, 2 / 3, 1, 4 / 3])


def test_columns_keep_their_place_on_paper():
    crop = crop_lead(np.full((400, 400, 3), 255, np.uint8), np.diag([8.0, 8.0, 1.0]), BOX)
    part = crop.columns(16, 64)
    assert part.image.shape[1] == 48
    np.testing.assert_allclose(
        crop_to_paper(np.array([0.0, 5.0]), part.origin), crop_to_paper(np.array([16.0, 5.0]), crop.origin)
    )


@pytest.mark.parametrize("box", [(5.0, 1.0, 5.0, 2.0), (5.0, 3.0, 9.0, 2.0), (float("nan"), 1.0, 5.0, 2.0)])
def test_an_empty_box_is_refused(box):
    with pytest.raises(ValueError, match="expected a box"):
        crop_lead(np.zeros((50, 50, 3), np.uint8), np.eye(3), box)
