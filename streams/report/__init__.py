"""A report of one model in one self-contained HTML file, drawn by the scripts of the live page.

`view_of` makes the view from records (pure, and free of any drawing: the live page shows the same view); `write_report` draws it.
"""

from pathlib import Path

from streams.view.view import ReportView, WholeFile, view_of

__all__ = ["ReportView", "WholeFile", "view_of", "write_report"]


def write_report(path: Path, view: ReportView) -> None:
    """Write the report; see `streams.report.page.write_report`."""
    from streams.report.page import write_report as write  # noqa: PLC0415  templates and charts are loaded when a page is made

    write(path, view)
