"""The report as one file of HTML that loads nothing: text, data, style, and the scripts of the live page inside."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from streams.report.script import joined
from streams.report.sections import report_sections
from streams.view.plain_data import Sections, as_text, encoded
from streams.view.view import ReportView

_SHARP = '"use strict";\nObject.defineProperty(window, "devicePixelRatio", { value: Math.max(2, devicePixelRatio) });\n'
"""Charts are drawn with the dots that paper has, as they cannot be drawn anew while a page is printed."""
_SCRIPTS_OF_THE_PAGE = "ui/static"
_UPLOT = f"{_SCRIPTS_OF_THE_PAGE}/vendor/uPlot"


def page_of(view: ReportView) -> str:
    """The whole page; names and sentences of the view are escaped, whatever they hold."""
    shown = report_sections(view)
    styles = [_own(f"{_UPLOT}.min.css"), _own(f"{_SCRIPTS_OF_THE_PAGE}/page.css"), _own("report/report.css")]
    scripts = [_SHARP, _own(f"{_UPLOT}.iife.min.js"), joined("report/report.js", _own)]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    environment.filters["heights"] = _heights
    return environment.from_string(_own("report/page.html")).render(
        shown=shown,
        json=_inside_script(encoded(shown)),
        curves=[(title, _newest(curves)) for title, curves in _curves(shown).items()],
        columns=[[column[name] for name in ("name", "state", "effect", "floor", "psi", "jensen_shannon", "n")] for column in shown["columns"]],
        versions=[_version(version) for version in shown["versions"]],
        styles=styles,
        scripts=scripts,
        license=_own(f"{_UPLOT}.LICENSE.txt"),
        policy=f"default-src 'none'; script-src {_digests(scripts)}; style-src {_digests(styles)}; base-uri 'none'; form-action 'none'",
    )


def write_report(path: Path, view: ReportView) -> None:
    """Write the page, folders included; a reader never sees half a file.

    Parameters
    ----------
    path : of the file, overwritten.
    view : what to show, from `view_of`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.half")
    half.write_bytes(page_of(view).encode("utf-8", "replace"))
    half.replace(path)


def _curves(shown: Sections) -> dict[str, list[Sections]]:
    return {
        "Performance": [*shown["performance"], *shown["estimate"]["curves"]],
        "Data quality": shown["quality"]["curves"],
        "Service": [*shown["traffic"], *shown["latency"], *shown["failed"]],
    }


def _newest(curves: list[Sections]) -> list[list[str]]:
    return [[curve["name"], curve["now"], curve["interval"] or "–", curve["window"] or curve["unit"]] for curve in curves]


def _version(version: Sections) -> list[str]:
    serving = f"serving, {version['said']}" if version["serving"] else version["said"]
    return [version["version"], serving, version["at"], version["parent"] or "–", version["cause"] or "–", version["rows"], version["evidence"]]


def _heights(bars: Any) -> list[tuple[str, str, str]]:
    unit = "share" if bars.unit.startswith("share") else bars.unit
    return [(label, as_text(before, unit), as_text(now, unit)) for label, before, now in zip(bars.labels, bars.reference, bars.current, strict=True)]


def _digests(texts: list[str]) -> str:
    """By which a browser knows the very texts of this file, and runs no others."""
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)


def _inside_script(json: bytes) -> str:
    """JSON in which no character can end the script element around it."""
    return json.decode().replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _own(path: str) -> str:
    """A file of the package; a browser reads every line ending as a line feed, and digests are of what it reads."""
    return resources.files("streams").joinpath(path).read_text("utf-8").replace("\r\n", "\n").replace("\r", "\n")
