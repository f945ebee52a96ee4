"""Contour preprocessing: find the page in a picture and straighten it."""

from ecgpage.page.contours import OutlineSettings, find_outline
from ecgpage.page.rectification import rotate_page, straighten, straighten_with_grid

__all__ = ["OutlineSettings", "find_outline", "rotate_page", "straighten", "straighten_with_grid"]
