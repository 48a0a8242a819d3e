"""The tables of docs/gate.md, made from what the bench found: ``python -m bench.gate.page [RESULTS]``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from bench.gate.rows import CANARIES, GAINS, NULLS
from bench.markdown import line, results_of, rewrite
from detectors.settings.retraining import Gate

PAGE = Path(__file__).parents[2] / "docs" / "gate.md"
RESULTS = Path(__file__).parent / "results.json"
Results = dict[str, dict[str, Any]]


def share(promoted: int, runs: int) -> str:
    """A share of false promotions with its 95 % interval.

    Examples
    --------
    >>> share(500, 10_000)
    '.0500 (.0458 to .0545)'
    """
    found = binomtest(promoted, runs).proportion_ci()
    low, high = (f"{bound:.4f}".removeprefix("0") for bound in (found.low, found.high))
    return f"{promoted / runs:.4f}".removeprefix("0") + f" ({low} to {high})"


def nulls(results: Results) -> str:
    """Challengers that are not better."""
    lines = ["| row | challenger | causes | promoted | at most | |", "|---|---|---|---|---|---|"]
    for row in (*NULLS, *CANARIES):
        found = results.get(row.name)
        if found is None:
            continue
        stated = "" if math.isnan(row.allowed) else f"{row.allowed:.3f}".removeprefix("0")
        missed = "**missed**" if found["promoted"] / found["runs"] > row.allowed else ""
        lines.append(line([f"`{row.name}`", row.what, f"{found['runs']:,}", share(found["promoted"], found["runs"]), stated, missed]))
    return "\n".join(lines) + "\n"


def gains(results: Results) -> str:
    """Challengers that are better."""
    lines = ["| row | better by | bets alone | at most | defaults | at most | never promoted | four challengers | |", "|---|---|---|---|---|---|---|---|---|"]
    for row in GAINS:
        found = results.get(row.name)
        if found is None:
            continue
        bets, defaults, four = (found[part]["median"] for part in ("bets", "defaults", "four"))
        by_default = row.allowed_by_default(Gate())
        missed = [name for name, median, allowed in (("bets alone", bets, row.allowed), ("defaults", defaults, by_default)) if median > allowed]
        lines.append(
            line(
                [
                    f"`{row.name}`",
                    f"{100 * row.gain:g} point{'s' * (row.gain > 0.01)} at {100 * row.disagreement:g} % disagreement",
                    _labels(bets),
                    "" if math.isnan(row.allowed) else _labels(row.allowed),
                    _labels(defaults),
                    "" if math.isnan(row.allowed) else _labels(by_default),
                    f"{100 * (1 - found['defaults']['promoted']):.1f} %",
                    _labels(four),
                    f"**{', '.join(missed)}: late**" if missed else "",
                ]
            )
        )
    return "\n".join(lines) + "\n"


def agreement(results: Results) -> str:
    """How far the simulation agrees with the gate itself."""
    found = [results[row.name]["agreement"] for row in (*NULLS, *CANARIES) if row.name in results]
    if not found:
        return "Not run yet.\n"
    share = "all runs" if min(found) == 1 else f"{100 * min(found):g} % or more of the runs"
    return f"The rows are simulated many at a time; on {share} that were also judged by the gate itself, label by label, the verdict is the same at the same label.\n"


def _labels(median: float) -> str:
    return f"{median:,.0f}" if math.isfinite(median) else "never"


def main() -> None:
    """Write the tables."""
    results = results_of("bench.gate", RESULTS)
    rewrite(PAGE, {"not better": nulls(results), "better": gains(results), "agreement": agreement(results)}, by="bench.gate.page")


if __name__ == "__main__":
    main()
