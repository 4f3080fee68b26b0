"""The report of a study as one page of HTML, and the page that shows a search while it runs."""

from fastnet.report.page.live import LiveView
from fastnet.report.page.write import preload, write_report

__all__ = ["LiveView", "preload", "write_report"]
