"""The lineage of a model as a picture: Mermaid for documents, SVG for browsers, JSON for programs."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Literal

import msgspec

from detectors.rfc3339 import format_time
from retrainer.lineage import Kind, Lineage, Node
from streams.view.wording import Clock

PictureFormat = Literal["mermaid", "svg", "json"]

_COLUMNS: dict[Kind, int] = {"cause": 0, "reason": 0, "examples": 0, "training": 1, "registration": 1, "version": 2, "gate": 3, "decision": 3, "rollback": 3}
_SHAPES: dict[Kind, tuple[str, str]] = {
    "cause": (">", "]"),
    "reason": ("[", "]"),
    "examples": ("[(", ")]"),
    "training": ("[[", "]]"),
    "registration": ("[[", "]]"),
    "version": ("([", "])"),
    "gate": ("{{", "}}"),
    "decision": ("[/", "/]"),
    "rollback": ("[/", "/]"),
}
_COLOURS = {"champion": "#2e7d32", "promoted": "#2e7d32", "trained": "#455a64", "rejected": "#c62828", "failed": "#c62828", "rolled back": "#c62828"}
_PLAIN = "#455a64"
_WIDTH, _HEIGHT, _GAP, _STEP, _MARGIN = 270, 52, 90, 72, 24  # pixels
_LONGEST = 40  # characters of a line in a box of the SVG


def picture(graph: Lineage, form: PictureFormat, clock: Clock = Clock()) -> str:  # noqa: B008  it is frozen
    """The graph as text.

    Examples
    --------
    >>> from retrainer.lineage import lineage
    >>> from retrainer.versions import Version
    >>> print(picture(lineage([Version(model="churn", version="1", status="registered", at=0, uri="u")]), "mermaid"))
    flowchart LR
        n0[["training of 1<br/>trained<br/>1970-01-01 00:00:00 UTC"]]:::trained
        n1(["version 1<br/>registered"]):::registered
        n0 -->|makes| n1
    <BLANKLINE>
    """
    draw: dict[PictureFormat, Callable[[Lineage, Clock], str]] = {"mermaid": _mermaid, "svg": _svg, "json": _json}
    return draw[form](graph, clock)


def _json(graph: Lineage, _: Clock) -> str:
    content: dict[str, Any] = msgspec.to_builtins(graph)
    for node in content["nodes"]:
        for name in ("began", "ended"):
            node[name] = None if node[name] is None else format_time(node[name])
    return msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=2).decode() + "\n"


def _mermaid(graph: Lineage, clock: Clock) -> str:
    numbers = {node.name: f"n{place}" for place, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    outcomes = set()
    for node in graph.nodes:
        opening, closing = _SHAPES[node.kind]
        said = node.outcome.replace(" ", "_")
        text = "<br/>".join(_mermaid_text(line) for line in _lines(node, clock))
        lines.append(f'    {numbers[node.name]}{opening}"{text}"{closing}' + (f":::{said}" if said else ""))
        outcomes.add(node.outcome)
    lines += [f"    {numbers[edge.source]} -->{f'|{edge.label}|' if edge.label else ''} {numbers[edge.target]}" for edge in graph.edges]
    lines += [f"    classDef {outcome.replace(' ', '_')} stroke:{_COLOURS[outcome]},stroke-width:2px" for outcome in sorted(outcomes & (set(_COLOURS) - {"trained"}))]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def _lines(node: Node, clock: Clock) -> list[str]:
    """What stands in a box: its label, its outcome, its time."""
    when = node.ended if node.ended is not None else node.began if node.kind == "cause" else None
    return [node.label, *([node.outcome] if node.outcome else []), *([] if when is None else [clock.moment(when)])]


def _svg(graph: Lineage, clock: Clock) -> str:
    """One band of rows for each version, one column for each kind of node."""
    places = _places(graph)
    width = 2 * _MARGIN + 4 * _WIDTH + 3 * _GAP
    height = 2 * _MARGIN + max((y for _, y in places.values()), default=0) + _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="13" role="img">',
        f"<title>{escape(f'Lineage of {graph.model}')}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#90a4ae"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    parts += [_arrow(places[edge.source], places[edge.target], edge.label) for edge in graph.edges]
    parts += [_box(node, _lines(node, clock), *places[node.name]) for node in graph.nodes]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(graph: Lineage) -> dict[str, tuple[int, int]]:
    """Upper left corner of each box, relative to the margin. What belongs to a later training lies below."""
    places: dict[str, tuple[int, int]] = {}
    free = [0, 0, 0, 0]  # first free row of each column
    band = 0
    for node in graph.nodes:
        column = _COLUMNS[node.kind]
        if column == 1:  # a training or a registration: its inputs came before it; what it makes lies beside it
            inputs = [places[edge.source][1] // _STEP for edge in graph.edges if edge.target == node.name and _COLUMNS[graph.node(edge.source).kind] == 0]
            band = max(min(inputs, default=max(free)), *free[1:])
            free[1:] = [band] * 3
        row = free[column]
        places[node.name] = (column * (_WIDTH + _GAP), row * _STEP)
        free[column] = row + 1
        if node.kind == "training":
            free[0] = max(free[0], row + 1)
    return places


def _arrow(source: tuple[int, int], target: tuple[int, int], label: str) -> str:
    left, top = source[0] + _MARGIN, source[1] + _MARGIN + _HEIGHT // 2
    right, bottom = target[0] + _MARGIN, target[1] + _MARGIN + _HEIGHT // 2
    if source[0] < target[0]:
        start, end = left + _WIDTH, right
        path = f"M{start} {top}C{start + _GAP // 2} {top} {end - _GAP // 2} {bottom} {end} {bottom}"
    else:  # back to an earlier column: out of the bottom, into the top
        start, end = left + _WIDTH // 2, right + _WIDTH // 2
        path = f"M{start} {top + _HEIGHT // 2}C{start} {top + _STEP} {end} {bottom - _STEP} {end} {bottom - _HEIGHT // 2}"
    return f'<path d="{path}" fill="none" stroke="#90a4ae" marker-end="url(#arrow)"><title>{escape(label)}</title></path>'


def _box(node: Node, lines: list[str], x: int, y: int) -> str:
    colour = _COLOURS.get(node.outcome, _PLAIN)
    radius = _HEIGHT // 2 if node.kind == "version" else 4
    shown = [lines[0], " · ".join(lines[1:])] if len(lines) > 1 else lines
    first = y + _MARGIN + (_HEIGHT // 2 + 4 if len(shown) == 1 else 22)
    texts = "".join(
        f'<text x="{x + _MARGIN + _WIDTH // 2}" y="{first + 18 * place}" text-anchor="middle" fill="{"#263238" if place == 0 else colour}">{escape(_short(line))}</text>'
        for place, line in enumerate(shown)
    )
    details = "\n".join([*lines, *(f"{name}: {_plain(value)}" for name, value in node.details.items() if value)])
    box = f'<rect x="{x + _MARGIN}" y="{y + _MARGIN}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" fill="#fafafa" stroke="{colour}" stroke-width="1.5"/>'
    return f"<g><title>{escape(details)}</title>{box}{texts}</g>"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()[:500]
