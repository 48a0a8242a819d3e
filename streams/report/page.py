"""The report as one file of HTML that loads nothing: template, style, script and plotly.js inside."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

import msgspec
from jinja2 import Environment, StrictUndefined

from streams.report.charts import figures_of
from streams.view.view import ReportView
from streams.view.wording import number


def page_of(view: ReportView) -> str:
    """The whole page; names and sentences of the view are escaped, whatever they hold."""
    # The plotly package ships the whole bundle only, so the whole one it is.
    plotly = _line_feeds(resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8"))
    script, figures = _own("page.js"), figures_of(view)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    environment.filters["number"] = number
    return environment.from_string(_own("page.html")).render(
        view=view,
        figures=figures,
        figures_json=_inside_script(figures),
        style=_own("page.css"),
        plotly=plotly,
        script=script,
        policy=_policy(plotly, script),
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


def _policy(*scripts: str) -> str:
    """Only these very scripts run, and nothing is fetched. Plotly sets styles on its elements, so those are allowed, and draws images from data."""
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


def _inside_script(content: object) -> str:
    """JSON in which no character can end the script element around it."""
    text = msgspec.json.encode(content).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _own(name: str) -> str:
    return _line_feeds(resources.files("streams.report").joinpath(name).read_text("utf-8"))


def _line_feeds(text: str) -> str:
    """A browser reads every line ending as a line feed, and the digests of scripts are of what it reads."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
