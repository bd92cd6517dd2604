"""One page on one model or several: the analyses that it needs, and the self-contained HTML file made of them."""

from geomrob.reports.build import Report, report, report_from

__all__ = ["Report", "report", "report_from"]
