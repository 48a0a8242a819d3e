"""Plotly figures of a report view, as plain dictionaries: the page's script draws them, colours of text and grid come from its style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from detectors.event_batch import Float64
from streams.view.curves import Curve, Heat
from streams.view.evidence import Bars
from streams.view.view import ReportView
from streams.view.wording import Clock

Figure = dict[str, Any]

# Okabe & Ito's colours: told apart with any colour vision, and dark enough on white as well as light enough on black.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#2f86c1", "#d98200", "#009e73", "#d55e00", "#c06a9f", "#8a8f98"
LINES = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
BAND = "rgba(47, 134, 193, 0.22)"
# From the page's own ground through yellow to dark red: brightness falls all the way, so it reads without hue and in print.
HEAT = [[0.0, "rgba(128,128,128,0.08)"], [0.3, "#fdedc0"], [0.49, "#fbd27a"], [0.51, "#ee8a2c"], [0.75, "#c9471f"], [1.0, "#5e0b16"]]
HEAT_TOP = 2.0  # 1 is where it matters, with a step of colour; beyond 2 everything is far
LONGEST_NAME = 18
LINE_OF_TEXT = 15  # pixels


def figures_of(view: ReportView) -> dict[str, Figure]:
    """All figures by the name of their place in the page."""
    figures: dict[str, Figure] = {}
    if view.performance or view.alerts or view.versions:
        figures["performance"] = performance_figure(view)
    for place, curve in enumerate(view.performance[1:]):
        figures[f"metric-{place}"] = lines_figure([curve], view.clock, height=250)
    if view.traffic:
        figures["traffic"] = lines_figure(view.traffic, view.clock, height=220)
    if view.heat is not None:
        figures["heat"] = heat_figure(view.heat, view.clock)
    if view.quality:
        figures["quality"] = lines_figure(view.quality, view.clock, height=300)
    for place, alert in enumerate(view.alerts):
        for number, monitor in enumerate(alert.monitors):
            if monitor.bars is not None:
                figures[f"evidence-{place}-{number}"] = bars_figure(monitor.bars)
    for name, figure in figures.items():
        if not name.startswith("evidence"):
            begin, end = extent_of(view)
            room = max(1, (end - begin) // 60)
            figure["layout"]["xaxis"]["range"] = [view.clock.axis(begin - room), view.clock.axis(end + room)]
    return figures


def extent_of(view: ReportView) -> tuple[int, int]:
    """First and last time that the charts show, the same in all of them; epoch milliseconds.

    A version that was made before the first pane would stretch the axis over time that nobody watched.
    """
    curves = (*view.performance, *view.traffic, *view.quality)
    seen = [int(time) for curve in curves for time in curve.times[[0, -1]]] + [time for alert in view.alerts for time in (alert.change, alert.until or alert.opened)]
    seen += [] if view.heat is None else [int(view.heat.times[0]), int(view.heat.times[-1])]
    made = [version.at for version in view.versions]
    return min(seen or made), max([*seen, *made])


def performance_figure(view: ReportView) -> Figure:
    """The first metric with its interval; above it lanes of alerts and versions over the same time."""
    clock, lanes = view.clock, [*dict.fromkeys(alert.kind for alert in view.alerts), *(["versions"] if view.versions else [])]
    drawn = view.performance[:1]
    lanes_height, metric_height = 30 * len(lanes) + 10 * bool(lanes), 260 if drawn else 0
    top = 1 - lanes_height / (lanes_height + metric_height) if lanes else 1.0
    traces = [trace for curve in drawn for trace in _line(curve, clock, BLUE)]
    layout = _layout(clock, lanes_height + metric_height + 70)
    layout["margin"] = {"l": 96, "r": 14, "t": 10, "b": 44}
    layout["shapes"] = []
    if drawn:
        layout["yaxis"] = _axis(drawn[0]) | {"domain": [0, max(top - 0.03, 0.1) if lanes else 1]}
    if lanes:
        layout["yaxis2"] = {
            "domain": [top if drawn else 0, 1],
            "tickvals": list(range(len(lanes))),
            "ticktext": lanes,
            "range": [len(lanes) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        }
    begin, _ = extent_of(view)
    for alert in view.alerts:
        lane, colour = lanes.index(alert.kind), RED if alert.severity == "critical" else ORANGE
        until = extent_of(view)[1] if alert.until is None else alert.until
        label = _shown(f"{alert.kind}: {alert.monitors[0].name}" if alert.monitors else alert.kind, 60)
        traces.append(_bar(clock, (alert.change, alert.opened), lane, colour, 4, f"{label}<br>changed {alert.change_told}"))
        traces.append(
            _bar(clock, (alert.opened, until), lane, colour, 12, f"{label}<br>opened {alert.opened_told}<br>{f'resolved {alert.until_told}' if alert.until_told else 'still open'}")
        )
        traces.append(_marks(clock, [alert.opened], lane, "diamond", colour, [""], [f"{label}<br>opened {alert.opened_told}, {alert.delay} after the change"]))
        layout["shapes"] += [_rule(clock, alert.change, colour, "dot"), _rule(clock, alert.opened, colour, "solid")]
    symbols = {"registered": "circle-open", "canary": "diamond-open", "rejected": "x", "rolled_back": "triangle-down", "promoted": "triangle-up"}
    for status, symbol in symbols.items():
        colour = {"rolled_back": RED, "promoted": GREEN}.get(status, GREY)
        mine = [version for version in view.versions if version.status.replace("updated", "promoted") == status and version.at >= begin]
        if mine:
            names = [f"v{_shown(version.version, 8)}" if status in {"promoted", "rolled_back"} else "" for version in mine]
            hover = [f"version {_shown(version.version)}<br>{version.said} {version.at_told}<br>{_shown(version.evidence, 80)}" for version in mine]
            traces.append(_marks(clock, [version.at for version in mine], lanes.index("versions"), symbol, colour, names, hover))
            layout["shapes"] += [_rule(clock, version.at, colour, "solid") for version in mine if status in {"promoted", "rolled_back"}]
    if not drawn:
        layout["xaxis"]["anchor"] = "y2"
    return {"data": traces, "layout": layout}


def lines_figure(curves: Sequence[Curve], clock: Clock, *, height: int) -> Figure:
    """Lines with their names at their ends; a single one with its interval."""
    traces = []
    for curve, colour in zip(curves, LINES, strict=False):
        lines = _line(curve, clock, colour)
        traces += lines if len(curves) == 1 else lines[-1:]
    layout = _layout(clock, height)
    layout["yaxis"] = _axis(*curves)
    layout["margin"] = {"l": 62, "r": 14 if len(curves) == 1 else 128, "t": 10, "b": 44}
    if len(curves) > 1:
        layout["annotations"] = _names(curves, layout["yaxis"]["range"], height - 54)
    return {"data": traces, "layout": layout}


def heat_figure(heat: Heat, clock: Clock) -> Figure:
    """A row for each column; a bar under the row while its monitor is in alarm."""
    edges = [clock.axis(int(time)) for time in heat.times]
    rows = len(heat.names)
    values = _listed(heat.values)
    names = [_shown(name, 60) for name in heat.names]
    traces: list[Figure] = [
        {
            "type": "heatmap",
            "x": edges,
            "y": [place - 0.5 for place in range(rows + 1)],
            "z": [[None if value is None else min(value, HEAT_TOP) for value in row] for row in values],
            "text": [[f"{name}<br>{'–' if value is None else format(value, '.2f')}" for value in row] for name, row in zip(names, values, strict=True)],
            "hovertemplate": "%{text}<extra></extra>",
            "colorscale": HEAT,
            "zmin": 0,
            "zmax": HEAT_TOP,
            "colorbar": {
                "orientation": "h",
                "thickness": 10,
                "len": 0.6,
                "x": 0.0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "bottom",
                "yref": "paper",
                "tickvals": [0, 0.5, 1, 1.5, 2],
                "ticktext": ["0", "0.5", "1", "1.5", "2 or more"],
                "outlinewidth": 0,
                "ypad": 4,
            },
        }
    ]
    x: list[float | int | None] = []
    y: list[float | None] = []
    for place, alarmed in enumerate(heat.alarmed):
        changes = np.flatnonzero(np.diff(np.concatenate(([0], alarmed.astype(np.int8), [0]))))
        for first, last in changes.reshape(-1, 2).tolist():
            x += [edges[first], edges[last], None]
            y += [place + 0.42, place + 0.42, None]
    if x:
        traces.append({"type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"color": BLUE, "width": 4}, "hoverinfo": "skip", "showlegend": False})
    layout = _layout(clock, 24 * rows + 110)
    layout["xaxis"]["showgrid"] = False
    layout["yaxis"] = {
        "tickvals": list(range(rows)),
        "ticktext": [_shown(name) for name in heat.names],
        "range": [rows - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }
    layout["margin"] = {"l": 132, "r": 14, "t": 52, "b": 44}
    return {"data": traces, "layout": layout}


def bars_figure(bars: Bars) -> Figure:
    """Reference and current side by side, named in the title above the bars in their colours."""
    places = list(range(len(bars.labels)))
    labels = [_shown(label, 28) for label in bars.labels]
    traces = [
        {
            "type": "bar",
            "x": places,
            "y": _plain(np.array(heights, np.float64)),
            "name": name,
            "marker": {"color": colour},
            "customdata": labels,
            "hovertemplate": "%{customdata}<br>%{y:.4g}<extra>" + name + "</extra>",
        }
        for name, heights, colour in (("reference", bars.reference, GREY), ("current", bars.current, ORANGE))
    ]
    axis: Figure = {"title": {"text": _shown(bars.unit, 60)}, "rangemode": "tozero", "fixedrange": True}
    if bars.unit.startswith("share"):
        axis["tickformat"] = ".3~p"
    few = len(places) <= 3
    return {
        "data": traces,
        "layout": {
            "height": 260,
            "barmode": "group",
            "bargap": 0.7 if few else 0.25,
            "xaxis": {"tickvals": places, "ticktext": labels, "tickangle": 0 if few else -40, "automargin": True, "fixedrange": True, "range": [-0.6, len(places) - 0.4]},
            "yaxis": axis,
            "margin": {"l": 62, "r": 14, "t": 30, "b": 40},
            "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
        },
    }


def _layout(clock: Clock, height: int) -> Figure:
    axis: Figure = {"type": "date", "title": {"text": "event time, UTC"}} if clock.event_times else {"type": "linear", "title": {"text": "row"}, "tickformat": ",d"}
    return {
        "height": height,
        "xaxis": axis | {"zeroline": False, "nticks": 8},
        "margin": {"l": 62, "r": 14, "t": 10, "b": 44},
        "showlegend": False,
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }


def _axis(*curves: Curve) -> Figure:
    """A vertical axis that all curves fit on, with the unit in its title."""
    first = curves[0]
    every = np.concatenate([np.concatenate((curve.values, *((curve.low, curve.high) if len(curves) == 1 else ()))) for curve in curves])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    bottom, top = low - room, high + room
    counted = first.unit.startswith("events")
    if counted or (first.unit == "share" and low < 0.25):
        bottom = min(0.0, low)
    if first.unit == "share" and high <= 1:
        top = min(1.0, top) if top - bottom > 0.1 else top
    over = f" over {first.window}" if first.window else ""
    title = f"{first.name}{over}" if len(curves) == 1 else f"share of events{over}" if first.unit == "share" else first.unit
    if len(curves) == 1 and first.unit != "share":
        title = f"{title}, {first.unit}"
    axis: Figure = {"title": {"text": _shown(title, 60)}, "range": [bottom, top], "zeroline": False, "fixedrange": True, "nticks": 6}
    return axis | ({"tickformat": ".3~p"} if first.unit == "share" else {})


def _line(curve: Curve, clock: Clock, colour: str) -> list[Figure]:
    """Interval (lower edge, upper edge filled down to it), then the line."""
    times = [clock.axis(int(time)) for time in curve.times]
    name = _shown(curve.name, 60)
    value = "%{y:.2%}" if curve.unit == "share" else "%{y:,.4g}"
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": times,
        "y": _plain(curve.values),
        "name": name,
        "line": {"color": colour, "width": 2},
        "hovertemplate": f"%{{fullData.name}} {value}<br>%{{x}}<extra></extra>",
    }
    if len(curve.values) == 1:
        line["mode"] = "markers"
    if not np.isfinite(curve.low).any() or np.array_equal(curve.low, curve.values, equal_nan=True):
        return [line]
    edge: Figure = {"type": "scatter", "mode": "lines", "x": times, "line": {"width": 0}, "hoverinfo": "skip"}
    return [edge | {"y": _plain(curve.low)}, edge | {"y": _plain(curve.high), "fill": "tonexty", "fillcolor": BAND}, line]


def _names(curves: Sequence[Curve], extent: Sequence[float], pixels: float) -> list[Figure]:
    """The curves' names behind their last values, moved apart where they would overlap."""
    bottom, top = extent
    ends = [float(curve.values[np.isfinite(curve.values)][-1]) for curve in curves]
    heights = [(end - bottom) / ((top - bottom) or 1.0) * pixels for end in ends]
    order = sorted(range(len(curves)), key=lambda place: heights[place])
    placed = [heights[place] for place in order]
    for (lower, _), (upper, _) in pairwise(enumerate(placed)):
        placed[upper] = max(placed[upper], placed[lower] + LINE_OF_TEXT)
    excess = max(0.0, placed[-1] - pixels)
    for place in reversed(range(len(placed))):
        placed[place] = min(placed[place], pixels - LINE_OF_TEXT * (len(placed) - 1 - place)) if excess else placed[place]
    return [
        {
            "text": _shown(curves[place].name),
            "x": 1,
            "xref": "paper",
            "xanchor": "left",
            "xshift": 4,
            "y": height / pixels,
            "yref": "paper",
            "yanchor": "middle",
            "showarrow": False,
            "font": {"color": LINES[place], "size": 12},
        }
        for place, height in zip(order, placed, strict=True)
    ]


def _bar(clock: Clock, span: tuple[int, int], lane: int, colour: str, width: int, hover: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [clock.axis(time) for time in span],
        "y": [lane, lane],
        "yaxis": "y2",
        "line": {"color": colour, "width": width},
        "opacity": 0.55,
        "text": [hover, hover],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _marks(clock: Clock, times: Sequence[int], lane: int, symbol: str, colour: str, names: Sequence[str], hover: Sequence[str]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [clock.axis(time) for time in times],
        "y": [lane] * len(times),
        "yaxis": "y2",
        "marker": {"symbol": symbol, "color": colour, "size": 12},
        "text": list(names),
        "textposition": "top center",
        "hovertext": list(hover),
        "hovertemplate": "%{hovertext}<extra></extra>",
        "cliponaxis": False,
    }


def _rule(clock: Clock, time: int, colour: str, dash: str) -> Figure:
    return {
        "type": "line",
        "x0": clock.axis(time),
        "x1": clock.axis(time),
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": colour, "width": 1, "dash": dash},
        "layer": "below",
    }


def _shown(text: str, longest: int = LONGEST_NAME) -> str:
    """A name as a chart may show it: cut where it is long, and none of its characters read as markup or as a placeholder.

    Examples
    --------
    >>> _shown("<b>salary</b>"), _shown("a_very_long_feature_name_indeed")
    ('&lt;b&gt;salary&lt;/b&gt;', 'a_very_long_featu…')
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {").replace("$", "\u200b$")


def _plain(values: Float64) -> list[float | None]:
    """Numbers that JSON knows: nan breaks the line."""
    return [round(value, 6) if math.isfinite(value) else None for value in values.tolist()]


def _listed(values: Float64) -> list[list[float | None]]:
    return [_plain(row) for row in values]
