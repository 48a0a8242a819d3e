"""The table of docs/retraining.md, made from what the bench found: ``python -m bench.retraining.page [RESULTS]``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.markdown import line, results_of, rewrite
from bench.retraining.baselines import BASELINES
from bench.retraining.table import ADAPTIVE, ROWS, SINGLE, Row, told_loss

PAGE = Path(__file__).parents[2] / "docs" / "retraining.md"
RESULTS = Path(__file__).parent / "results.json"
_TITLES = {
    SINGLE: "gated single champion",
    ADAPTIVE: "adaptive champion",
    "static": "static",
    "ddm": "on DDM",
    "adwin": "on ADWIN",
    "every-500": "every 500",
    "forest": "adaptive random forest",
}


def table(results: dict[str, Any]) -> str:
    r"""Accuracy (the mean absolute error of a regression) of each policy with its fits, a row a stream.

    Examples
    --------
    >>> found = {"loss": 0.25, "fits": 4, "static": 0.27, "alerts": 1, "promoted": 1}
    >>> print(table({"sea-abrupt/0": {"single": found, "static": {"loss": 0.27, "fits": 0}}}).splitlines()[2])
    | `sea-abrupt/0` | .750 [4] | | .730 | | | | | |
    """
    parts = (SINGLE, ADAPTIVE, *BASELINES)
    lines = [f"| stream/delay | {' | '.join(_TITLES[part] for part in parts)} | missed |", "|---" * (len(parts) + 2) + "|"]
    for row in ROWS:
        found = results.get(row.name)
        if found is not None:
            cells = [_cell(row, found.get(part)) for part in parts]
            lines.append(line([f"`{row.name}`", *cells, "; ".join(row.missed(found))]))
    return "\n".join(lines) + "\n"


def _cell(row: Row, found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return told_loss(found["loss"], row.task) + (f" [{found['fits']}]" if found["fits"] else "")


def main() -> None:
    """Write the table."""
    rewrite(PAGE, {"table": table(results_of("bench.retraining", RESULTS))}, by="bench.retraining.page")


if __name__ == "__main__":
    main()
