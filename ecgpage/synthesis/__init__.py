"""Page synthesizer: draws distorted ECG pages from digital records, with ground truth in picture pixels."""

from ecgpage.synthesis.annotations import DrawnLead, DrawnPage
from ecgpage.synthesis.drawing import choose_layout, draw_page
from ecgpage.synthesis.profile import PROFILES, Profile

__all__ = ["PROFILES", "DrawnLead", "DrawnPage", "Profile", "choose_layout", "draw_page"]
