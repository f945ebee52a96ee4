"""Negatives are told by what stands out in the leads' boxes."""

import numpy as np
import pytest

from ecgpage.page.negative import SURE_NEGATIVE, bright_over_dark
from ecgpage.recording import LeadBox, Page
from tests.page.drawn_paper import draw_paper, similarity

SIZE = (600, 800)
LEADS = [LeadBox("I", (50.0 + 350 * k, 40.0, 370.0 + 350 * k, 560.0), 0.9) for k in range(2)]


@pytest.mark.parametrize("table", [(60, 70, 80), (250, 250, 240)], ids=["dark", "bright"])
@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_a_page_is_none_and_its_negative_is_one(table, noise):
    picture = draw_paper(similarity(5.0, 3.0, SIZE, (70, 50)), SIZE, (140, 100), table=table, noise=noise, blur=0.6)
    for image, negative in ((picture, False), (255 - picture, True)):
        bright = bright_over_dark(Page(image, SIZE, np.eye(3), False), LEADS)
        assert bright > SURE_NEGATIVE if negative else bright < 1


def test_blank_paper_is_neither_and_boxes_beyond_it_are_none():
    blank = np.full((*SIZE, 3), 128, np.uint8)
    assert bright_over_dark(Page(blank, SIZE, np.eye(3), False), LEADS) == 1
    beyond = LeadBox("I", (900.0, 700.0, 950.0, 720.0), 0.9)
    assert bright_over_dark(Page(blank, SIZE, np.eye(3), False), [beyond]) == 0
