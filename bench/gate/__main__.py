"""``python -m bench.gate``: simulates the gate, prints the tables, and writes what it found to bench/gate/results.json; ``make bench-gate`` then writes docs/gate.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.gate.advantages import differences
from bench.gate.page import gains, nulls
from bench.gate.rows import CANARIES, GAINS, NULLS, ONE_BY_ONE, GainRow, NullRow
from bench.gate.simulation import OUTCOMES, agrees, judged
from detectors.settings.retraining import Gate

RESULTS = Path(__file__).parent / "results.json"
RUNS = 10_000
_AT_ONCE = 200
"""Runs that are drawn at a time."""
_CHECKED = 200
"""Runs of a row that are also judged by the gate itself, label by label."""


def false_promotions(row: NullRow, runs: int, gate: Gate, seed: int) -> dict[str, Any]:
    """How many causes promote a challenger that is not better."""
    promoted, checked, done = 0, [], 0
    while done < runs:
        causes = min(max(1, _AT_ONCE // row.challengers), runs - done)
        rng = np.random.default_rng([seed, done])
        size = causes * row.challengers
        advantage = row.advantage(rng, size, gate.max_wait)
        drawn = differences(advantage, row.disagreement, rng, size, gate.max_wait)
        outcome, labels = judged(drawn, gate, row.challengers)
        passed = outcome == OUTCOMES.index("promoted")
        if row.canary is not None and passed.any():
            begins = np.broadcast_to(advantage, drawn.shape)[passed, labels[passed] - 1]
            served = differences(row.canary(rng, begins, gate.max_wait), row.disagreement, rng, len(begins), gate.max_wait)
            passed[passed] = judged(served, gate)[0] == OUTCOMES.index("promoted")
        promoted += int(passed.reshape(causes, -1).any(axis=1).sum())
        if done * row.challengers < _CHECKED:
            checked.append(agrees(drawn[: _CHECKED - done * row.challengers], gate, row.challengers))
        done += causes
    return {"runs": runs, "promoted": promoted, "agreement": float(np.mean(checked))}


def labels_to_promote(row: GainRow, runs: int, gate: Gate, challengers: int, seed: int) -> dict[str, Any]:
    """Median labels until the promotion, and how often there is one."""
    outcomes, labels = [], []
    for done in range(0, runs, _AT_ONCE):
        rng = np.random.default_rng([seed, done])
        drawn = differences(np.array([[row.gain]]), row.disagreement, rng, min(_AT_ONCE, runs - done), gate.max_wait)
        outcome, taken = judged(drawn, gate, challengers)
        outcomes.append(outcome)
        labels.append(np.where(outcome == OUTCOMES.index("promoted"), taken, np.inf))
    at = np.concatenate(labels)
    return {"runs": runs, "median": float(np.median(at)), "promoted": float(np.isfinite(at).mean())}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; what an earlier run found of other rows stays."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="may be given again; default: all of them")
    parser.add_argument("--runs", type=int, default=RUNS, help="causes of each row without a gain; rows with one take a fifth of that")
    parser.add_argument("--out", type=Path, default=None, help=f"default: {RESULTS.name} beside this program, for a whole run")
    chosen = parser.parse_args(arguments)
    known = {row.name: row for row in (*NULLS, *GAINS, *CANARIES)}
    strange = [name for name in chosen.row if name not in known]
    if strange:
        parser.error(f"no row {strange[0]!r}; there are: {', '.join(known)}")
    if chosen.runs < 5:
        parser.error(f"--runs must be 5 at least, got {chosen.runs}")
    out = chosen.out or (RESULTS if chosen.runs == RUNS else None)
    results: dict[str, Any] = json.loads(out.read_text()) if out is not None and out.exists() else {}
    for seed, (name, row) in sorted(enumerate(known.items()), key=lambda numbered: getattr(numbered[1][1], "challengers", 1)):  # the longest at the end
        if chosen.row and name not in chosen.row:
            continue
        if isinstance(row, NullRow):
            results[name] = false_promotions(row, chosen.runs, Gate(), seed)
        else:
            runs = chosen.runs // 5
            parts = {"bets": (ONE_BY_ONE, 1), "defaults": (Gate(), 1), "four": (Gate(), 4)}
            results[name] = {part: labels_to_promote(row, runs, gate, challengers, seed) for part, (gate, challengers) in parts.items()}
        if out is not None:
            out.write_text(json.dumps(results, indent=1) + "\n")
    print(nulls(results), gains(results), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
