"""Reports: pictures of digitized pages and small tables. Reads nothing but its arguments."""

from ecgpage.reporting.canvas import save_picture
from ecgpage.reporting.figures import page_report
from ecgpage.reporting.tables import text_table, tsv_table

__all__ = ["page_report", "save_picture", "text_table", "tsv_table"]
