"""The tables of docs/performance.md, made from what the bench found: ``python -m bench.page [RESULTS]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS
from bench.figure import readable, spread
from bench.table import ROWS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
OURS = "single"


def reached(rows: dict[str, Any]) -> str:
    """Every row that has a target, in the order of the bench; what was not run is left out.

    Examples
    --------
    >>> print(reached({"join": {"figure": 651_000.0, "figures": [640_000.0, 651_000.0], "holds": True, "sense": "at least", "target": 500_000.0, "unit": "labels/CPU s"}}))
    | row | target | found | from - to | |
    |---|---|---|---|---|
    | `join` | at least 500,000 labels/CPU s | 651,000 | 640,000 to 651,000 | |
    <BLANKLINE>
    """
    lines = ["| row | target | found | from - to | |", "|---|---|---|---|---|"]
    for row in ROWS:
        found = rows.get(row.name)
        if found is None or row.target is None:
            continue
        wanted = f"{found['sense']} {found['target']:,g} {found['unit']}"
        told = f"{readable(found['figure'])} | {spread(found['figures'])}" if "figure" in found else f"{found['error']} | "
        lines.append(f"| `{row.name}` | {wanted} | {told} | {'' if found['holds'] else '**missed**'} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def beside(rows: dict[str, Any]) -> str:
    """Figures of the row `single` and of every peer, fastest peer first; a peer that did not run here is left out.

    Examples
    --------
    >>> single = {"figure": 150_000.0, "details": {}}
    >>> print(beside({"single": single, "peer-one": {"figure": 10_000.0, "details": {"peer": "one==1.2"}}, "peer-two": {"error": "BenchError"}}))
    | | events per CPU second | a worker's over it |
    |---|---|---|
    | a Driftwarden worker, row `single` | 150,000 | |
    | one 1.2 | 10,000 | 15 |
    <BLANKLINE>
    """
    ours = rows[OURS]["figure"]
    peers = sorted((row for name, row in rows.items() if name.startswith("peer-") and "figure" in row), key=lambda row: -row["figure"])
    lines = ["| | events per CPU second | a worker's over it |", "|---|---|---|", f"| a Driftwarden worker, row `{OURS}` | {readable(ours)} | |"]
    lines += [f"| {row['details']['peer'].replace('==', ' ')} | {readable(row['figure'])} | {readable(ours / row['figure'])} |" for row in peers]
    return "\n".join(lines) + "\n"


def written(page: str, name: str, found: str, *, by: str = "bench.page") -> str:
    """The page with another table between its marks, which name the module that writes it.

    Raises
    ------
    ValueError
        If the page has no place for it.
    """
    begin, end = f"<!-- {name}: begin, by python -m {by} -->\n", f"<!-- {name}: end -->\n"
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has no place for the table {name!r}; it must hold the lines {begin.strip()!r} and {end.strip()!r}, in this order")
    return before + begin + found + end + after


def main() -> int:
    """Write the tables; 1 where there are no results, or none of the row that the peers are seen beside."""
    results = Path(sys.argv[1]) if sys.argv[1:] else RESULTS
    rows = json.loads(results.read_text())["rows"] if results.exists() else {}
    if "figure" not in rows.get(OURS, {}):
        print(f"{results} has no figure of the row {OURS!r}; run: python -m bench {OURS} peer-faust peer-quix peer-bytewax --out {results}", file=sys.stderr)
        return 1
    page = written(PAGE.read_text(), "reached", reached(rows))
    if any(name.startswith("peer-") and "figure" in row for name, row in rows.items()):
        page = written(page, "beside others", beside(rows))
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
