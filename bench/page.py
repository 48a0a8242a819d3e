"""The tables of docs/performance.md, made from what the bench found: ``python -m bench.page [RESULTS]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS
from bench.figure import readable, spread
from bench.markdown import line, rewrite
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
        told = [readable(found["figure"]), spread(found["figures"])] if "figure" in found else [found["error"], ""]
        lines.append(line([f"`{row.name}`", wanted, *told, "" if found["holds"] else "**missed**"]))
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


def main() -> int:
    """Write the tables; 1 where there are no results, or none of the row that the peers are seen beside."""
    results = Path(sys.argv[1]) if sys.argv[1:] else RESULTS
    rows = json.loads(results.read_text())["rows"] if results.exists() else {}
    if "figure" not in rows.get(OURS, {}):
        print(f"{results} has no figure of the row {OURS!r}; run: python -m bench {OURS} peer-faust peer-quix peer-bytewax --out {results}", file=sys.stderr)
        return 1
    tables = {"reached": reached(rows)}
    if any(name.startswith("peer-") and "figure" in row for name, row in rows.items()):
        tables["beside others"] = beside(rows)
    rewrite(PAGE, tables, by="bench.page")
    return 0


if __name__ == "__main__":
    sys.exit(main())
