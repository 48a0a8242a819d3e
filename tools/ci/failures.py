"""What failed, as the last lines of a log: ``python -m tools.ci.failures REPORT.xml``, where the report is pytest's ``--junit-xml``.

Who is shown nothing but the end of a run's output reads there which tests failed, and why in a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

WIDTH = 160  # of a reason: the line that says it should stay a line


def failures(report: Path) -> list[str]:
    """A line for each test that failed: its reason, then its name, which so stands last.

    Parameters
    ----------
    report
        The JUnit XML that pytest wrote. Where there is none, pytest did not come as far; that is told as a line, too.
    """
    if not report.exists():
        return [f"there is no {report}: pytest did not get as far as to write it"]
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314  the report is our own
    return [f"{_reason(found)} | {case.get('classname')}::{case.get('name')}" for case in cases for found in case if found.tag in ("failure", "error")]


def _reason(found: ElementTree.Element) -> str:
    words = " ".join((found.get("message") or found.text or "no reason given").split())
    return words if len(words) <= WIDTH else f"{words[: WIDTH - 3]}..."


if __name__ == "__main__":
    print("\n".join(failures(Path(sys.argv[1]))))
