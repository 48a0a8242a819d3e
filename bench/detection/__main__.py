"""``python -m bench.detection``: runs rows, prints the table, and writes what it found to bench/detection/results.json; ``make bench-detection`` then writes the page."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from bench.detection.measure import PARTS, Bench
from bench.detection.page import table
from bench.detection.row import Size
from bench.detection.rows import ROWS

RESULTS = Path(__file__).parent / "results.json"


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; what an earlier run found of other rows and parts stays."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="may be given again; default: all of them")
    parser.add_argument("--part", action="append", default=[], choices=PARTS, help="may be given again; default: all of them")
    parser.add_argument("--size", type=float, default=1.0, help="share of the seeds and of the null events; less than 1 is for trying")
    parser.add_argument("--seeds", type=int, default=None, help="streams with a change")
    parser.add_argument("--null-events", type=int, default=None, help="events without one")
    parser.add_argument("--out", type=Path, default=None, help=f"default: {RESULTS.name} beside this program, for a whole run")
    parser.add_argument("--list", action="store_true", help="name the rows")
    chosen = parser.parse_args(arguments)
    known = {row.name: row for row in ROWS}
    if chosen.list:
        for row in ROWS:
            print(f"{row.name:20} {row.what}")
        return 0
    strange = [name for name in chosen.row if name not in known]
    if strange:
        parser.error(f"no row {strange[0]!r}; there are: {', '.join(known)}")
    size = Size.of(chosen.size)
    size = replace(size, seeds=chosen.seeds or size.seeds, null_events=chosen.null_events or size.null_events)
    out = chosen.out or (RESULTS if size == Size() else None)
    results = json.loads(out.read_text()) if out is not None and out.exists() else {}
    bench = Bench(size)
    for row in [known[name] for name in chosen.row] or ROWS:
        for part in chosen.part or PARTS:
            results[row.name] = results.get(row.name, {}) | bench.measured(row, (part,))
            if out is not None:
                out.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
