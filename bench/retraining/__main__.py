"""``python -m bench.retraining``: runs rows, prints the table, and writes what it found to bench/retraining/results.json; ``make bench-retraining`` then writes the page."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.installation import BenchError
from bench.retraining.baselines import BASELINES, Measured, measured
from bench.retraining.ours import adaptive, inferred, looped
from bench.retraining.page import table
from bench.retraining.streams import FILES, Stream
from bench.retraining.table import ADAPTIVE, ROWS, SINGLE, Row
from retrainer.trainers import trainer_named

RESULTS = Path(__file__).parent / "results.json"
GENERATED = 10_000
PARTS = (SINGLE, ADAPTIVE, *BASELINES)


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; what an earlier run found of other rows and parts stays. 1 where something is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.retraining", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="such as sea-abrupt/0, or the beginning of a name; may be given again; default: all of them")
    parser.add_argument("--part", action="append", default=[], choices=PARTS, help="may be given again; default: all of them")
    parser.add_argument("--data", action="append", default=[], metavar="STREAM=PATH", help=f"the file of {' or '.join(FILES)}; without it that stream is left out")
    parser.add_argument("--rows", type=int, default=GENERATED, help="of a generated stream; fewer are for trying")
    parser.add_argument("--out", type=Path, default=None, help=f"default: {RESULTS.name} beside this program, for streams of whole length")
    parser.add_argument("--list", action="store_true", help="name the rows")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        for row in ROWS:
            print(row.name)
        return 0
    rows = [row for row in ROWS if not chosen.row or any(row.name.startswith(name) for name in chosen.row)]
    if not rows:
        parser.error(f"no row begins with {chosen.row[0]!r}; there are: {', '.join(row.name for row in ROWS)}")
    paths = {name: Path(path) for name, _, path in (given.partition("=") for given in chosen.data)}
    strange = sorted(paths.keys() - FILES)
    if strange:
        parser.error(f"no stream {strange[0]!r} is read from a file; there are: {', '.join(FILES)}")
    out = chosen.out or (RESULTS if chosen.rows == GENERATED else None)
    results: dict[str, Any] = json.loads(out.read_text()) if out is not None and out.exists() else {}
    for row in rows:
        try:
            stream = row.read(paths, chosen.rows)
        except BenchError as error:
            print(f"left out: {error}", file=sys.stderr, flush=True)
            continue
        for part in chosen.part or PARTS:
            results[row.name] = results.get(row.name, {}) | {part: _found(part, row, stream)}
            if out is not None:
                out.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    return int(any(row.missed(results[row.name]) for row in ROWS if row.name in results))


def _found(part: str, row: Row, stream: Stream) -> dict[str, Any]:
    began = time.process_time()
    specification = inferred(stream)
    trainer = trainer_named(specification.retrain.trainer)
    if part in {SINGLE, ADAPTIVE}:
        found: Measured = looped(stream, row.delay, adaptive(specification) if part == ADAPTIVE else specification, trainer)
    else:
        found = measured(part, stream, row.delay, specification, trainer)
    seconds = time.process_time() - began
    print(f"{row.name}, {part}: loss {found.loss:.4g}, {found.fits} fits, {seconds:.0f} CPU s", file=sys.stderr, flush=True)
    return asdict(found) | {"seconds": round(seconds, 1), "rows": len(stream) - stream.known}


if __name__ == "__main__":
    sys.exit(main())
