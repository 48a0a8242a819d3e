"""Which rows a model is trained on: chosen by a cause, corrected, bounded, and named by a digest of what they hold.

The same rows have the same digest, however they were batched and in whatever order they came.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Bool, Column, Int64
from detectors.rows.examples import Examples
from retrainer.messages import Cause, Clock


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Rows to train on, in the order of their source records.

    Attributes
    ----------
    examples : the rows, one for each event.
    digest : "sha256:" and 64 hexadecimal digits over ids, times, labels and features.
    offsets : source partition to its first and last offset, both inclusive.
    cut : latest time of the rows, epoch milliseconds. What was predicted after it is unknown to the model.
    """

    examples: Examples
    digest: str
    offsets: dict[str, list[int]]
    cut: int

    def lineage(self, topic: str) -> dict[str, Any]:
        """What a version says it was trained on."""
        return {"topic": topic, "offsets": self.offsets, "rows": len(self.examples), "digest": self.digest}


def row_times(examples: Examples, clock: Clock) -> Int64:
    """(n,) epoch milliseconds of each row by a clock."""
    if clock == "predicted":
        return examples.predicted_at
    return examples.labelled_at if clock == "labelled" else np.maximum(examples.predicted_at, examples.labelled_at)


def wanted(examples: Examples, cause: Cause) -> Bool:
    """(n,) True for the rows in the interval of a cause."""
    times = row_times(examples, cause.clock)
    mask = np.ones(len(examples), np.bool_)
    if cause.since is not None:
        mask &= times >= cause.since
    if cause.until is not None:
        mask &= times < cause.until
    return mask


def choose(examples: Examples, cause: Cause, *, window: int, max_rows: int) -> TrainingSet:
    """The training set of a cause.

    Parameters
    ----------
    examples : (n,) rows at hand, in the order in which they came.
    cause : whose interval of time is taken; without a beginning, the newest ``window`` rows.
    window, max_rows : in rows; of too many, the newest are kept.

    Examples
    --------
    >>> n, text, zero = 6, np.array(["a", "b"] * 3, object), np.zeros(6, int)
    >>> ids, at = np.array([1, 2, 3, 4, 5, 1], np.uint64), np.arange(n) * 1_000
    >>> rows = Examples(model="churn", partition=zero, offset=np.arange(n), index=zero, event_id=ids, predicted_at=at, labelled_at=at,
    ...                 version=text, segment=text, prediction=text, label=text, score=np.zeros(n), features={"x": at / 2})
    >>> chosen = choose(rows, Cause(cause="a1", kind="drift", since=2_000, targets=(1,)), window=9, max_rows=3)
    >>> chosen.examples.offset.tolist(), chosen.offsets, chosen.cut
    ([3, 4, 5], {'0': [3, 5]}, 5000)
    """
    rows = examples.take(latest_rows(examples.event_id))
    rows = rows.take(np.flatnonzero(wanted(rows, cause)))
    rows = rows.take(slice(max(0, len(rows) - (min(window, max_rows) if cause.since is None and cause.until is None else max_rows)), None))
    rows = rows.take(np.lexsort((rows.index, rows.offset, rows.partition)))
    cut = int(row_times(rows, "outcome").max()) if len(rows) else 0
    return TrainingSet(examples=rows, digest=digest(rows), offsets=offsets(rows), cut=cut)


def latest_rows(event_id: Column) -> Int64:
    """Positions of the last row of each event, ascending: a later row corrects the earlier ones.

    Examples
    --------
    >>> latest_rows(np.array([7, 8, 7, 9])).tolist()
    [1, 2, 3]
    """
    _, from_the_end = np.unique(event_id[::-1], return_index=True)
    return np.sort(len(event_id) - 1 - from_the_end)


def offsets(examples: Examples) -> dict[str, list[int]]:
    """First and last offset of each source partition."""
    found = {}
    for partition in np.unique(examples.partition).tolist():
        mine = examples.offset[examples.partition == partition]
        found[str(partition)] = [int(mine.min()), int(mine.max())]
    return found


def digest(examples: Examples) -> str:
    """Name of a table's content; rows count in the order of their source records."""
    rows = examples.take(np.lexsort((examples.index, examples.offset, examples.partition)))
    content = hashlib.sha256(msgspec.json.encode([rows.model, len(rows), sorted(rows.features)]))
    columns = [rows.partition, rows.offset, rows.index, rows.event_id, rows.predicted_at, rows.labelled_at, rows.label, *(rows.features[name] for name in sorted(rows.features))]
    for column in columns:
        content.update(b"\x00" + _content(column))
    return f"sha256:{content.hexdigest()}"


def _content(column: Column) -> bytes:
    if column.dtype.kind in "iu":
        return column.astype("<i8" if column.dtype.kind == "i" else "<u8").tobytes()
    if column.dtype.kind == "f":
        return np.where(np.isnan(column), np.nan, column).astype("<f8").tobytes()  # one nan for all, whatever its bits
    return msgspec.json.encode(column.tolist())
