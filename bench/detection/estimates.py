"""``python -m bench.detection.estimates REFERENCE LATER``: how far the accuracy that is estimated without labels is from what labels say later, in chunks.

No label of the later rows is shown to the monitor.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.detection.file_specification import specification_of
from detectors.duration import format_duration
from detectors.errors import SettingsError
from detectors.event_batch import Bool, Float64
from streams.file_events import ColumnNames
from streams.replay import replay
from streams.tables import Table, read_table


@dataclass(frozen=True)
class Estimated:
    """What was estimated of each chunk, and what it was.

    Attributes
    ----------
    accuracy, low, high : (k,) estimated, with the 95 % interval.
    true : (k,) by the labels.
    """

    accuracy: Float64
    low: Float64
    high: Float64
    true: Float64

    @property
    def error(self) -> float:
        """Mean absolute error."""
        return float(np.abs(self.accuracy - self.true).mean())

    @property
    def held(self) -> Bool:
        """(k,) whether the interval holds the truth."""
        return (self.low <= self.true) & (self.true <= self.high)


def estimated(reference: Table, later: Table, names: ColumnNames, *, chunk: int) -> Estimated:
    """Of whole chunks of the later rows, by a monitor of the reference.

    Raises
    ------
    SettingsError
        If the later rows are no whole chunk, lack a label, or the reference is not enough to estimate by.
    """
    chunks = len(later) // chunk
    if not chunks:
        raise SettingsError(f"{later.source}: {len(later):,} rows are no whole chunk of {chunk:,}")
    specification = specification_of(reference, rows_per_pane=chunk, label=names.label, prediction=names.prediction, score=names.score)
    if not specification.estimate_performance:
        raise SettingsError(f"{reference.source}: nothing can be estimated by it, as it has too few rows with a label and a prediction")
    label = later.texts(names.label or "")
    later.refuse(names.label or "", label, np.asarray(label == None, np.bool_), "expected a label; leave such rows out")  # noqa: E711  elementwise
    unlabelled = replace(later, columns={name: column for name, column in later.columns.items() if name != names.label})
    points = replay([unlabelled], specification, replace(names, label=None)).points
    window = format_duration(specification.pane)
    found = {point.time // specification.pane: point.fields for point in points if point.measurement == "estimate" and point.tags["window"] == window}
    right = np.array(later.texts(names.prediction or "") == label, np.bool_)
    true = right[: chunks * chunk].reshape(chunks, chunk).mean(axis=1)
    cells = np.array([[float(found[place].get(f"estimated_accuracy{end}", np.nan)) for end in ("", "_low", "_high")] for place in range(1, chunks + 1)])
    accuracy, low, high = cells.T
    return Estimated(accuracy, low, high, true)


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each chunk, and how good they are together."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection.estimates", description=__doc__)
    parser.add_argument("reference", type=Path)
    parser.add_argument("later", type=Path)
    for name in ("label", "prediction", "score"):
        parser.add_argument(f"--{name}", required=True, help="name of the column")
    parser.add_argument("--chunk", type=int, default=1_000, help="rows; default: %(default)s")
    chosen = parser.parse_args(arguments)
    names = ColumnNames(prediction=chosen.prediction, score=chosen.score, label=chosen.label)
    try:
        found = estimated(read_table(chosen.reference), read_table(chosen.later), names, chunk=chosen.chunk)
    except SettingsError as error:
        parser.error(str(error))
    for place, (accuracy, low, high, true) in enumerate(zip(found.accuracy, found.low, found.high, found.true, strict=True)):
        print(f"chunk {place}: estimated {accuracy:.4f} ({low:.4f} to {high:.4f}), was {true:.4f}")
    print(f"mean absolute error {found.error:.4f}; {found.held.sum()} of {len(found.true)} intervals hold what it was")
    return 0


if __name__ == "__main__":
    sys.exit(main())
