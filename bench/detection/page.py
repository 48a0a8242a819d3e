"""The tables of docs/detection.md, made from what the bench found: ``python -m bench.detection.page [RESULTS]``. Rows that were not run stay as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.detection.picture import picture
from bench.detection.row import DetectionRow
from bench.detection.rows import ROWS
from bench.detection.slow_drift import NAME as SLOW_DRIFT
from bench.markdown import line, results_of, rewrite, standing, with_rows

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "detection.md", DOCS / "detection.svg"
RESULTS = Path(__file__).parent / "results.json"
_NOTHING = "Not run yet.\n"
_BY = "bench.detection.page"
Results = dict[str, dict[str, Any]]


def events(figure: float) -> str:
    """A delay as it is read: whole events, and words where there is none.

    Examples
    --------
    >>> events(160.5), events(math.inf), events(math.nan)
    ('160', 'not found', 'undefined')
    """
    return "undefined" if math.isnan(figure) else "not found" if math.isinf(figure) else f"{figure:,.0f}"


def rate(found: dict[str, Any]) -> str:
    """False alarms per 100,000 events, with the interval.

    Examples
    --------
    >>> rate({"rate": 0.75, "rate_interval": [0.506, 1.071]}), rate({"rate": 428.4, "rate_interval": [401.7, 455.2]})
    ('.75 (.51 to 1.1)', '430 (400 to 460)')
    """
    low, high = found["rate_interval"]
    return f"{_two(found['rate'])} ({_two(low)} to {_two(high)})"


def _two(figure: float) -> str:
    if math.isnan(figure):
        return "undefined"
    short = f"{float(f'{figure:.2g}'):,.10g}"
    return short.removeprefix("0") if short.startswith("0.") else short


def share(found: float) -> str:
    """A share in percent, rounded down so that not all is never told as all.

    Examples
    --------
    >>> share(0.9975), share(1.0)
    ('99.7 %', '100 %')
    """
    return "undefined" if math.isnan(found) else f"{math.floor(1_000 * found + 1e-9) / 10:g} %"


def wanted(row: DetectionRow, results: Results) -> float | None:
    """Median delay that a row must reach; nan where the row that it is measured by was not run."""
    if row.target is None or row.of_row is None:
        return row.target
    other = results.get(row.of_row, {}).get("ours")
    return math.nan if other is None else row.target * float(other["median"])


def misses(row: DetectionRow, results: Results) -> list[str]:
    """What a row does not reach, in words."""
    found, target = results[row.name]["ours"], wanted(row, results)
    told = []
    if not row.only_false_alarms:
        if target is not None and not found["median"] <= target:
            told.append("late")
        if target is not None and not found["found"] >= 0.99:
            told.append("not all found")
        if found["learning"] > 6_000:
            told.append("learns too long")
    if not found["rate"] <= row.allowed:
        told.append("too many false alarms")
    return told


def sizes(results: Results) -> str:
    r"""How much was run.

    Examples
    --------
    >>> sizes({"sigma": {"ours": {"streams": 390, "left_out": 10, "events": 39_000_000}, "rivals": [{"events": 2_000_000}]}})
    'These figures rest on 400 streams with a change for each row, and on 39,000,000 events without one; of others on 2,000,000.\n'
    """
    ours = [found["ours"] for row in ROWS if "streams" in (found := results.get(row.name, {})).get("ours", {})]
    theirs = [one["events"] for found in results.values() for one in found.get("rivals", ())]
    streams, null = _range(one["streams"] + one["left_out"] for one in ours), _range(one["events"] for one in ours)
    others = f"; of others on {_range(theirs)}" if theirs else ""
    return f"These figures rest on {streams} streams with a change for each row, and on {null} events without one{others}.\n"


def _range(counts: Iterable[int]) -> str:
    ordered = sorted(counts) or [0]
    return f"{ordered[0]:,}" if ordered[0] == ordered[-1] else f"{ordered[0]:,} to {ordered[-1]:,}"


def table(results: Results) -> str:
    """Delay rows, ours beside target and oracle; what was not run is left out."""
    lines = ["| row | change | at most | median delay | found | oracle | false alarms | learning | |", "|---|---|---|---|---|---|---|---|---|"]
    for row in ROWS:
        found, oracle = results.get(row.name, {}).get("ours"), results.get(row.name, {}).get("oracle")
        if found is None or row.only_false_alarms:
            continue
        target = wanted(row, results)
        low, high = found["median_interval"]
        cells = [
            f"`{row.name}`",
            row.what,
            "" if target is None else events(target),
            f"{events(found['median'])} ({events(low)} to {events(high)})",
            share(found["found"]) + ("" if row.limit == 1_000 else f" in {row.limit:,}"),
            "" if oracle is None else events(oracle["median"]),
            rate(found),
            events(found["learning"]),
            _missed(row, results),
        ]
        lines.append(line(cells))
    return _rows(lines)


def only_false_alarms(results: Results) -> str:
    """Rows in which nothing is to be found."""
    lines = ["| row | nothing changes | at most | false alarms | events | |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        found = results.get(row.name, {}).get("ours")
        if found is not None and row.only_false_alarms:
            lines.append(line([f"`{row.name}`", row.what, _two(row.allowed), rate(found), f"{found['events']:,}", _missed(row, results)]))
    return _rows(lines)


def _missed(row: DetectionRow, results: Results) -> str:
    told = misses(row, results)
    return f"**{', '.join(told)}**" if told else ""


def floors(results: Results) -> str:
    """Delays with the default floors."""
    lines = ["| row | median delay without floors | with the default floors | found | oracle | it finds | false alarms |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        without, found, oracle = (results.get(row.name, {}).get(part) for part in ("ours", "floors", "floors-oracle"))
        if without is not None and found is not None:
            limit = ["", ""] if oracle is None else [events(oracle["median"]), share(oracle["found"])]
            lines.append(line([f"`{row.name}`", events(without["median"]), events(found["median"]), share(found["found"]), *limit, rate(found)]))
    return _rows(lines)


def slow_drift(results: Results) -> str:
    r"""What is told of a drift that takes very long.

    Examples
    --------
    >>> found = {"streams": 4, "alerts": [1, 1, 1, 2], "moved": [0.15, 0.16, 0.17, 0.2], "resolved_while_it_lasted": 1}
    >>> found |= {"back": 2, "resolved_when_back": [9_000.0, 8_000.0], "acknowledged": 2, "resolved_by_word": 2, "resolved_without_word": 2}
    >>> print(slow_drift({"slow-drift": found}).splitlines()[-1])
    | 4 | 3 of 4 | .17 (.15 to .2) | 3 | 2 of 2, after 9,000 events | 2 of 2 |
    """
    found = results.get(SLOW_DRIFT)
    if found is None:
        return _NOTHING
    moved = sorted(math.inf if one is None else one for one in found["moved"])
    resolved = sorted(found["resolved_when_back"])
    cells = [
        str(found["streams"]),
        f"{found['alerts'].count(1)} of {found['streams']}",
        f"{_two(moved[len(moved) // 2])} ({_two(moved[0])} to {_two(moved[-1])})",
        str(found["resolved_while_it_lasted"] + found["resolved_without_word"]),
        f"{len(resolved)} of {found['back']}" + (f", after {events(resolved[len(resolved) // 2])} events" if resolved else ""),
        f"{found['resolved_by_word']} of {found['acknowledged']}",
    ]
    head = ["streams", "exactly one alert", "sigma moved by at the alarm (all streams)", "resolved while it lasted", "resolved when the data were back", "by an acknowledgement"]
    return _rows([line(head), "|---|---|---|---|---|---|", line(cells)])


def beside(results: Results) -> str:
    """Every detector on the rows that others were run on, those at an equal rate first."""
    parts = []
    for row in ROWS:
        found = results.get(row.name, {})
        if "rivals" not in found or "ours" not in found:
            continue
        lines = [f"\n**{row.what[0].upper()}{row.what[1:]}** (`{row.name}`)\n", "| detector | median delay | found | false alarms |", "|---|---|---|---|"]
        if "oracle" in found:
            lines.append(line(["*oracle*", f"*{events(found['oracle']['median'])}*", "", ""]))
        detectors = [{"name": "**Driftwarden**", "setting": 1.0} | found["ours"], *found["rivals"]]
        for one in sorted(detectors, key=lambda one: (one["setting"] is None, one["median"])):
            setting = "" if one["setting"] in {None, 1.0} else f", {one['setting']:.3g}"
            lines.append(line([f"{one['name']}{setting}", events(one["median"]), share(one["found"]), rate(one)]))
        parts.append("\n".join(lines) + "\n")
    return "".join(parts) or _NOTHING


def _rows(lines: list[str]) -> str:
    """A table, if it has more than its head."""
    return "\n".join(lines) + "\n" if len(lines) > 2 else _NOTHING


def parts_kept(former: str, fresh: str) -> str:
    """The rows beside others, where each has a table of its own: those that were not run anew stay."""
    known, new = ({part.partition("`")[2].partition("`")[0]: part for part in text.split("\n**")[1:]} for text in (former, fresh))
    found = known | new
    return "".join(f"\n**{found[row.name]}" for row in ROWS if row.name in found) or _NOTHING


def tables(page: str, results: Results) -> dict[str, str]:
    """Every table of the page; what was not run stays as it stands there."""
    names = [f"`{row.name}`" for row in ROWS]
    complete = all("ours" in results.get(row.name, {}) for row in ROWS)
    results = {name: found for name, found in results.items() if not _without_its_target(name, results)}
    former = {name: standing(page, name, by=_BY) for name in ("sizes", "reached", "nothing changes", "floors", "slow drift", "beside others")}
    told = {"reached": table, "nothing changes": only_false_alarms, "floors": floors}
    return {
        "sizes": sizes(results) if complete else former["sizes"],
        **{name: with_rows(former[name], tell(results), names) for name, tell in told.items()},
        "slow drift": slow_drift(results) if SLOW_DRIFT in results else former["slow drift"],
        "beside others": parts_kept(former["beside others"], beside(results)),
    }


def _without_its_target(name: str, results: Results) -> bool:
    """Whether what a row must reach is a multiple of what another found that was not run."""
    return any(row.name == name and row.of_row is not None and "ours" not in results.get(row.of_row, {}) for row in ROWS)


def main() -> None:
    """Write the tables of what was run, and the picture, if that was everything."""
    results = results_of("bench.detection", RESULTS)
    rewrite(PAGE, tables(PAGE.read_text(), results), by=_BY)
    if all("ours" in results.get(row.name, {}) for row in ROWS):
        PICTURE.write_text(picture(results))


if __name__ == "__main__":
    main()
