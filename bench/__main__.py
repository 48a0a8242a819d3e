"""``python -m bench``: runs rows, prints the table, and writes what it found to bench/results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figure import Found, Row, Size, readable, spread
from bench.table import ROWS

RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Run what was asked for; 1 where a target was missed, 2 where a row could not be run or its result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="default: all of them")
    parser.add_argument("--factor", type=float, default=1.0, help="share of the events; less than 1 is for trying, and is not written down")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None, help=f"default: {RESULTS.name} beside this program, for a whole run")
    parser.add_argument("--list", action="store_true", help="name the rows")
    chosen = parser.parse_args()
    known = {row.name: row for row in ROWS}
    if chosen.list:
        for row in ROWS:
            print(f"{row.name:16} {row.what}: {row.wanted}")
        return 0
    strange = [name for name in chosen.rows if name not in known]
    if strange:
        parser.error(f"no row {strange[0]!r}; there are: {', '.join(known)}")
    size = Size(factor=chosen.factor, repeats=chosen.repeats)
    out = chosen.out or (RESULTS if size == Size() else None)
    results, code = run([known[name] for name in chosen.rows] or list(ROWS), size, out)
    show(results)
    return code


def run(rows: list[Row], size: Size, out: Path | None) -> tuple[dict[str, Any], int]:
    """Run rows one after another; what an earlier run found of other rows stays."""
    results: dict[str, Any] = json.loads(out.read_text()) if out is not None and out.exists() else {}
    results |= {"machine": machine()}
    of_rows: dict[str, Any] = results.setdefault("rows", {})
    code = 0
    for row in rows:
        print(f"{row.name}: {row.what}", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            found = row.run(size)
        except Exception as error:  # one row's fault must not cost the others
            print(f"  {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            of_rows[row.name] = _stated(row) | {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}", "holds": row.target is None}
            code = code if row.target is None else 2  # a peer that does not run here says nothing of us
        else:
            of_rows[row.name] = _stated(row) | _result(row, found)
            code = max(code, 0 if row.holds(found.figure) else 1)
        print(f"  took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if out is not None:
            out.write_text(json.dumps(results, indent=2, default=float) + "\n")
    return results, code


def _stated(row: Row) -> dict[str, Any]:
    return {"what": row.what, "sense": row.sense, "target": row.target, "unit": row.unit}


def _result(row: Row, found: Found) -> dict[str, Any]:
    return {"figure": found.figure, "figures": list(found.figures), "holds": row.holds(found.figure), "details": dict(found.details)}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"processor": models[0] if models else platform.processor(), "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def show(results: dict[str, Any]) -> None:
    """The table, in the order of the rows."""
    table = Table(title=f"{results['machine']['cores']} cores, {results['machine']['processor']}", title_justify="left")
    for heading in ("row", "work", "target", "figure", "from - to", "holds"):
        table.add_column(heading)
    for row in ROWS:
        result = results["rows"].get(row.name)
        if result is not None:
            figure = readable(result["figure"]) if "figure" in result else result["error"]
            between = spread(result["figures"]) if "figures" in result else ""
            holds = "" if row.target is None else "yes" if result["holds"] else "NO"
            table.add_row(row.name, row.what, row.wanted, figure, between, holds)
    Console(width=180).print(table)


if __name__ == "__main__":
    sys.exit(main())
