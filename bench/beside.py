"""The table of docs/performance.md that shows a worker beside other stream processors: ``python -m bench.beside [RESULTS]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS
from bench.figure import readable

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- beside others: begin, by python -m bench.beside -->\n", "<!-- beside others: end -->\n"
OURS = "single"


def table(rows: dict[str, Any]) -> str:
    """Figures of the row `single` and of every peer, fastest peer first; a peer that did not run here is left out.

    Examples
    --------
    >>> single = {"figure": 150_000.0, "details": {}}
    >>> print(table({"single": single, "peer-one": {"figure": 10_000.0, "details": {"peer": "one==1.2"}}, "peer-two": {"error": "BenchError"}}))
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


def written(page: str, found: str) -> str:
    """The page with another table between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for the table; it must hold the lines {BEGIN.strip()!r} and {END.strip()!r}, in this order")
    return before + begin + found + end + after


def main() -> int:
    """Write the table; 1 where the results lack the row that the peers are seen beside."""
    results = Path(sys.argv[1]) if sys.argv[1:] else RESULTS
    rows = json.loads(results.read_text())["rows"] if results.exists() else {}
    if "figure" not in rows.get(OURS, {}):
        print(f"{results} has no figure of the row {OURS!r}; run: python -m bench {OURS} peer-faust peer-quix peer-bytewax --out {results}", file=sys.stderr)
        return 1
    PAGE.write_text(written(PAGE.read_text(), table(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
