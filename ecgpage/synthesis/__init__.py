"""Page synthesizer: draws distorted ECG pages from digital records, with ground truth in picture pixels."""

from ecgpage.synthesis.annotations import DrawnLead, DrawnPage
from ecgpage.synthesis.arrangement import Arrangement, choose_arrangement
from ecgpage.synthesis.drawing import draw_page
from ecgpage.synthesis.profile import PROFILES, Mixture, Profile, find_profiles

__all__ = [
    "PROFILES",
    "Arrangement",
    "DrawnLead",
    "DrawnPage",
    "Mixture",
    "Profile",
    "choose_arrangement",
    "draw_page",
    "find_profiles",
]
