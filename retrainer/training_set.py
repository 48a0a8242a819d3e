"""Which rows a model is trained on: chosen by a cause, corrected, guarded, bounded, and named by a digest of what they hold.

The choice depends on which rows are at hand, never on the order in which they came. So the offsets of a training set and its selection give the same rows whenever they are
read again, and the same rows have the same digest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Bool, Column, Float64, Int64, UInt64
from detectors.rows.examples import Examples
from retrainer.leakage import known_before, told_by_one
from retrainer.messages import Cause, Clock

TABLE = -1
"""Partition of the rows of a table, which no topic holds."""

_MIXED = np.uint64(0x9E3779B97F4A7C15)  # an odd number whose multiples spread, so that a sample by id is one by chance


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are chosen from those at hand.

    Attributes
    ----------
    since, until, clock : half-open interval of time, and by which time of a row; None leaves a side open.
    rows : newest rows that are taken at most, those of ``replay`` included.
    min_per_class : rows of each class; where the interval has fewer, the newest from before it are added, above ``rows``, too.
    replay : rows from before the interval that are added as a sample, as a share of those in it.
    """

    since: int | None
    until: int | None
    clock: Clock
    rows: int
    min_per_class: int = 0
    replay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Rows to train on, in the order of their source records.

    Attributes
    ----------
    examples : the rows, one for each event.
    digest : "sha256:" and 64 hexadecimal digits over ids, times, labels and features.
    selection : how they were chosen.
    offsets : source partition to first and last offset, both inclusive, of what has to be at hand to choose the same rows again.
    last_index : source partition to the place in the record of the last offset up to which rows were at hand.
    cut : latest time of the rows, epoch milliseconds: that of the last label. What was predicted after it is unknown to the model.
    added : rows from before the interval.
    warnings : what should make a reader doubt, a sentence each.
    told_by : features that alone tell the label of every row.
    """

    examples: Examples
    digest: str
    selection: Selection
    offsets: dict[str, list[int]]
    last_index: dict[str, int]
    cut: int
    added: int
    warnings: tuple[str, ...]
    told_by: tuple[str, ...] = ()

    @property
    def classes(self) -> dict[str, int]:
        """Rows of each class; empty for numbers."""
        if self.examples.label.dtype.kind == "f":
            return {}
        names, counts = np.unique(class_names(self.examples.label).astype(str), return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    @property
    def last_event(self) -> int:
        """Time of the last event that is in it, epoch milliseconds: what was predicted later cannot be, whenever its label came."""
        return int(self.examples.predicted_at.max()) if len(self.examples) else self.cut

    @property
    def middle(self) -> int:
        """Time by which half of the rows had come, epoch milliseconds: of a world that changed later, most of them know nothing."""
        return int(np.median(row_times(self.examples, "outcome"))) if len(self.examples) else self.cut

    @property
    def features(self) -> dict[str, float]:
        """Share of missing values of each feature; empty without rows."""
        return {name: round(float(is_missing(column).mean()), 6) for name, column in self.examples.features.items()} if len(self.examples) else {}

    def lineage(self, topic: str) -> dict[str, Any]:
        """What a version says it was trained on; enough for `choose_again`."""
        told = {
            "topic": topic,
            "offsets": self.offsets,
            "last_index": self.last_index,
            "rows": len(self.examples),
            "digest": self.digest,
            "added": self.added,
            "classes": self.classes,
            "features": self.features,
            "told_by": list(self.told_by),
            "selection": msgspec.to_builtins(self.selection),
        }
        return told | ({"warnings": list(self.warnings)} if self.warnings else {})


def is_missing(column: Column) -> Float64:
    """(n,) 1 where a value is missing (nan or None), 0 where there is one.

    Examples
    --------
    >>> is_missing(np.array([1.5, np.nan])).tolist(), is_missing(np.array(["Rome", None], object)).tolist()
    ([0.0, 1.0], [0.0, 1.0])
    """
    return np.asarray(np.isnan(column) if column.dtype.kind == "f" else class_names(column) == None, np.float64)  # noqa: E711  elementwise


def row_times(examples: Examples, clock: Clock) -> Int64:
    """(n,) epoch milliseconds of each row by a clock."""
    if clock == "predicted":
        return examples.predicted_at
    return examples.labelled_at if clock == "labelled" else np.maximum(examples.predicted_at, examples.labelled_at)


def wanted(examples: Examples, cause: Cause | Selection) -> Bool:
    """(n,) True for the rows in the interval of a cause."""
    times = row_times(examples, cause.clock)
    mask = np.ones(len(examples), np.bool_)
    if cause.since is not None:
        mask &= times >= cause.since
    if cause.until is not None:
        mask &= times < cause.until
    return mask


def choose(examples: Examples, cause: Cause, *, window: int, max_rows: int, min_per_class: int = 0, replay: float = 0.0) -> TrainingSet:
    """The training set of a cause.

    Parameters
    ----------
    examples : (n,) rows at hand.
    cause : whose interval of time is taken; without a beginning, the newest ``window`` rows.
    window, max_rows : in rows; of too many, the newest are kept.
    min_per_class, replay : what is added from before the interval, see `Selection`.

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
    most = min(window, max_rows) if cause.since is None and cause.until is None else max_rows
    return select(examples, Selection(since=cause.since, until=cause.until, clock=cause.clock, rows=most, min_per_class=min_per_class, replay=replay))


def select(examples: Examples, selection: Selection) -> TrainingSet:
    """The rows of a selection, from those at hand.

    Rows whose label was known before the prediction are left out: their features may hold the answer.
    """
    rows = examples.take(latest_rows(examples))
    leaked = known_before(rows)
    rows = rows.take(np.flatnonzero(~leaked))
    rows = rows.take(np.lexsort((rows.index, rows.offset, rows.partition, row_times(rows, selection.clock))))
    inside = np.flatnonzero(wanted(rows, selection))[-max(1, int(selection.rows / (1 + selection.replay))) :]
    before = np.arange(inside[0] if len(inside) else 0)
    if selection.until is not None:
        before = before[row_times(rows, selection.clock)[before] < selection.until]
    added = _added(rows, inside, before, selection)
    chosen = np.concatenate([added, inside])
    chosen = chosen[np.lexsort((rows.index[chosen], rows.offset[chosen], rows.partition[chosen]))]
    table = rows.take(chosen)
    warnings = [f"{int(leaked.sum())} rows were left out, as their label was known before the prediction"] if leaked.any() else []
    told_by = told_by_one(table)
    warnings += [f"feature '{name}' alone tells the label of all {len(table)} rows: is it known before the label?" for name in told_by]
    first_last, last_index = _offsets(table, examples)
    return TrainingSet(
        examples=table,
        digest=digest(table),
        selection=selection,
        offsets=first_last,
        last_index=last_index,
        cut=int(row_times(table, "outcome").max()) if len(table) else 0,
        added=len(added),
        warnings=tuple(warnings),
        told_by=told_by,
    )


def choose_again(examples: Examples, trained_on: dict[str, Any]) -> TrainingSet:
    """The training set that a version names, from rows that hold all of its offsets; its digest is to be compared with the one that was announced."""
    return select(examples.take(np.flatnonzero(at_hand(examples, trained_on))), msgspec.convert(trained_on["selection"], Selection))


def at_hand(examples: Examples, trained_on: dict[str, Any]) -> Bool:
    """(n,) True for rows that were at hand when a training set was chosen, as far as the choice needs them."""
    mask = np.zeros(len(examples), np.bool_)
    for partition, (first, last) in trained_on["offsets"].items():
        here = (examples.partition == int(partition)) & (examples.offset >= first)
        mask |= here & ((examples.offset < last) | ((examples.offset == last) & (examples.index <= trained_on["last_index"][partition])))
    return mask


def _added(rows: Examples, inside: Int64, before: Int64, selection: Selection) -> Int64:
    """Places of rows from before the interval: the newest of classes that it has too few of, then a sample by id."""
    taken: list[Int64] = []
    if selection.min_per_class and rows.label.dtype.kind != "f":
        label = class_names(rows.label).astype(str)
        for name in np.unique(label[before]).tolist():
            few = selection.min_per_class - int((label[inside] == name).sum())
            if few > 0:
                taken.append(before[label[before] == name][-few:])
    some = np.concatenate(taken) if taken else np.empty(0, np.int64)
    share = int(selection.replay * len(inside))
    if share:
        rest = np.setdiff1d(before, some)
        spread: UInt64 = rows.event_id[rest].astype(np.uint64) * _MIXED
        some = np.concatenate([some, rest[np.lexsort((rows.event_id[rest], spread))[:share]]])
    return some


def latest_rows(examples: Examples) -> Int64:
    """Places of the last row of each event by its source record, ascending: a later row corrects the earlier ones. An event stays in its partition."""
    order = np.lexsort((examples.index, examples.offset, examples.event_id))
    ids = examples.event_id[order]
    last = np.ones(len(ids), np.bool_)
    last[:-1] = ids[1:] != ids[:-1]
    return np.sort(order[last])


def _offsets(chosen: Examples, examples: Examples) -> tuple[dict[str, list[int]], dict[str, int]]:
    """From the first chosen row of each partition to the last at hand, which may have been a correction that took a row out."""
    found, index = {}, {}
    for partition in np.unique(chosen.partition).tolist():
        first, here = int(chosen.offset[chosen.partition == partition].min()), examples.partition == partition
        last = int(examples.offset[here].max())
        found[str(partition)] = [first, last]
        index[str(partition)] = int(examples.index[here & (examples.offset == last)].max())
    return found, index


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
