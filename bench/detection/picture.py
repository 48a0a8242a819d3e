"""The picture of docs/detection.md: delays of all detectors at one false-alarm rate, and how they are spread, as an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.detection.rows import ROWS

Point = tuple[float, float]
_WIDTH, _NAMES, _LINE, _TOP = 920, 300, 20, 40
_SHORTEST, _LONGEST = 10.0, 10_000.0
_OURS, _ORACLE, _RIVAL, _TARGET, _GREY = "#2563eb", "#111827", "#d97706", "#86efac", "#9ca3af"
SPREAD = ("rate-10-20", "mean-half", "sigma")
"""Rows whose delays are drawn one by one."""
_BESIDE = "river ADWIN, tuned"


def picture(results: dict[str, dict[str, Any]]) -> str:
    """Medians of every row that has a delay, and below them the spread of some."""
    rows = [row for row in ROWS if "median" in results.get(row.name, {}).get("ours", {})]
    dots = _medians([(row.what, row.target if row.of_row is None else None, results[row.name]) for row in rows])
    below = _TOP + _LINE * len(rows) + 50
    spread = [results[name] | {"what": next(row.what for row in ROWS if row.name == name)} for name in SPREAD if name in results and "median" in results[name].get("ours", {})]
    height = below + (220 if spread else 0)
    panels = "".join(_spread(place, below, found) for place, found in enumerate(spread))
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n{dots}{panels}</svg>\n'


def at(delay: float) -> float:
    """Place of a delay on the logarithmic axis; what was not found stands at its end.

    Examples
    --------
    >>> at(10.0) == at(1.0) < at(100.0) < at(10_000.0) == at(math.inf)
    True
    """
    part = math.log(min(max(delay, _SHORTEST), _LONGEST) / _SHORTEST) / math.log(_LONGEST / _SHORTEST)
    return _NAMES + 80 + part * (_WIDTH - _NAMES - 110)


def _medians(rows: Sequence[tuple[str, float | None, dict[str, Any]]]) -> str:
    bottom = _TOP + _LINE * len(rows)
    parts = [_text(_WIDTH / 2, 14, "middle", "median delay in events, at one false alarm per 100,000 events", bold=True)]
    for delay in (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0):
        parts += [f'<path d="M{at(delay):.1f} {_TOP - 10}V{bottom}" stroke="#e5e7eb"/>\n', _text(at(delay), bottom + 14, "middle", f"{delay:,.0f}")]
    legend = ((_ORACLE, "oracle"), (_OURS, "Driftwarden, with its interval"), (_RIVAL, "river, frouros; tuned"), (_TARGET, "to be reached"))
    for place, (colour, name) in enumerate(legend):
        x = _NAMES - 60 + 175 * place
        parts += [f'<circle cx="{x}" cy="24" r="4" fill="{colour}"/>\n', _text(x + 8, 28, "start", name)]
    for place, (what, target, found) in enumerate(rows):
        y = _TOP + _LINE * place + 8
        if target is not None:
            parts.append(f'<path d="M{at(target):.1f} {y - 8}V{y + 8}" stroke="{_TARGET}" stroke-width="3"/>\n')
        parts.append(_text(_NAMES + 70, y + 4, "end", what))
        parts += [_dot(one["median"], y, _RIVAL, 3) for one in found.get("rivals", ()) if one["setting"] is not None and not one["name"].startswith("alarm")]
        if "oracle" in found:
            parts.append(_dot(found["oracle"]["median"], y, _ORACLE, 4))
        low, high = found["ours"]["median_interval"]
        parts.append(f'<path d="M{at(low):.1f} {y}H{at(high):.1f}" stroke="{_OURS}" stroke-width="2"/>\n' + _dot(found["ours"]["median"], y, _OURS, 4))
    return "".join(parts)


def _spread(place: int, top: int, found: dict[str, Any]) -> str:
    """Share of the changes found by each delay."""
    left, width, height = place * 300 + 46, 230, 150
    curves = [(_ORACLE, found.get("oracle")), (_OURS, found["ours"]), (_RIVAL, next((one for one in found.get("rivals", ()) if one["name"] == _BESIDE), None))]
    longest = 2 * max(one["median"] for _, one in curves if one is not None and math.isfinite(one["median"]))
    parts = [_text(left, top - 6, "start", found["what"], bold=True), f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="{_GREY}"/>\n']
    for colour, one in curves:
        if one is not None:
            points = [
                (left + min(delay, longest) / longest * width, top + height * (1 - part / (len(one["delays"]) - 1))) for part, delay in enumerate(one["delays"]) if delay <= longest
            ]
            parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{colour}" stroke-width="2"/>\n')
    parts += [_text(left - 4, top + 8, "end", "100 %"), _text(left, top + height + 14, "middle", "0"), _text(left + width, top + height + 14, "end", f"{longest:,.0f} events")]
    if place == 0:
        parts.append(_text(left + 4, top + height + 34, "start", f"share of the changes found by each delay: oracle, Driftwarden, {_BESIDE}"))
    return "".join(parts)


def _dot(delay: float, y: float, colour: str, radius: float) -> str:
    return f'<circle cx="{at(delay):.1f}" cy="{y}" r="{radius}" fill="{colour}"/>\n'


def _text(x: float, y: float, anchor: str, words: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    told = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{told}</text>\n'
