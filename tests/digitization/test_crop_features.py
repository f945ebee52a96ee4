from dataclasses import replace

import numpy as np
import pytest

from ecgpage.digitization.crop import LeadCrop
from ecgpage.digitization.features import CHANNELS, crop_features, paper_relative


def striped_paper() -> np.ndarray:
    """Cream paper with a grid line every 50 px and a black trace."""
    image = np.full((256, 320, 3), (250, 245, 230), np.uint8)
    image[::50] = (250, 150, 150)
    image[120:124] = (20, 20, 20)
    return image


def test_blank_paper_of_any_colour_is_zero():
    image = np.full((256, 320, 3), (90, 160, 200), np.uint8)
    np.testing.assert_allclose(paper_relative(image), 0, atol=1e-6)


def test_a_shadow_hardly_shows():
    image = striped_paper()
    shadow = np.linspace(0.4, 1.0, image.shape[1])[None, :, None]
    shaded = (image * shadow).astype(np.uint8)
    inner = slice(16, -16)  # the paper's level is extrapolated over the outermost half block
    difference = (paper_relative(shaded) - paper_relative(image))[:, inner]
    assert np.abs(difference).max() < 0.15
    assert np.abs(shaded.astype(float) / 250 - image / 250).max() > 0.5


def test_ink_is_about_minus_one_and_the_grid_is_fainter():
    relative = paper_relative(striped_paper())
    assert abs(relative[121].mean() + 1) < 0.05
    assert -0.6 < relative[200].mean() < -0.1


def test_the_box_channel_is_half_at_the_edges_and_the_height_channel_zero_in_the_middle():
    # 10 rows and 8 columns to the millimetre: the box's left edge at x = 5 mm is column 40, its middle row 128.
    box = (5.0, 6.8, 35.0, 18.8)
    features = crop_features(LeadCrop(striped_paper(), (0.0, 0.0), box))
    assert features.shape == (CHANNELS, 256, 320)
    assert features[3, 128, 40] == 0.5
    assert features[3, 128, 160] == 1
    assert features[3, 128, 0] == 0
    assert features[3, 0, 160] == 0
    np.testing.assert_allclose(features[4, 128], 0, atol=1e-6)
    np.testing.assert_allclose(features[4, 228], 0.5, atol=1e-6)  # 10 mm below, in units of 20 mm


def test_the_zero_line_shows_only_where_it_is_known():
    crop = LeadCrop(striped_paper(), (0.0, 0.0), (5.0, 6.8, 35.0, 18.8))
    assert np.all(crop_features(crop)[5] == 0)
    shown = crop_features(replace(crop, zero=10.0))[5]
    assert shown[100] == pytest.approx(1.0)  # ten rows to the millimetre
    assert shown[130] == pytest.approx(np.exp(-0.5)) == shown[70]
    assert np.all(crop_features(replace(crop, zero=10.0).columns(8, 40))[5] == shown[:, 8:40])
