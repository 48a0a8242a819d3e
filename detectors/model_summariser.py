"""Summaries, deduplication and label join of one model revision in one source partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from detectors.bundle import Cohort, Summary
from detectors.coded_text import CodedText
from detectors.contributions import Contributions, Members
from detectors.counted_together import Counting, Fill, count_together
from detectors.event_batch import FEATURES, LABEL, NO_TIME, Bool, EventBatch, Float64, Int64, UInt64, both
from detectors.group_tables import Group, GroupTables
from detectors.label_join import Corrections, Joined, JoinInput, LabelJoin
from detectors.labelled_rows import LabelledRows
from detectors.layout import Layout
from detectors.monitor import Monitor
from detectors.pane import pane_start
from detectors.piece import Piece, PieceKey
from detectors.row_groups import RowGroups
from detectors.row_store import Part, RowStore, position_of
from detectors.sparse_counts import dense, sparse
from detectors.specification import MonitorSpecification

COHORT = 3_600_000
"""Predictions of one hour form a cohort, milliseconds."""

MAX_OPEN_IDS = 10_000_000  # ids of open panes that are remembered in one partition, 40 bytes each; then the oldest panes' are forgotten

FEATURES_SALT = np.uint64(0x9E3779B97F4A7C15)
"""A features event may carry the id of its prediction without being a duplicate of it."""


@dataclass(kw_only=True)
class Changes:
    """What one flush gives."""

    summaries: list[Summary] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    examples: list[LabelledRows] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    deletions: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class _Screened:
    """Predictions or features events: seen for the first time, repeating one, and late (whose pane's ids are not remembered, so they may repeat one)."""

    new: EventBatch | None
    repeated: EventBatch | None
    late: EventBatch | None


class ModelSummariser:
    """State of one model revision in one source partition."""

    def __init__(self, monitor: Monitor, partition: int) -> None:
        self._monitor = monitor
        self._specification = monitor.specification
        self._pane, self._lateness = monitor.specification.pane, monitor.specification.lateness
        features = monitor.specification.features
        self._numeric = tuple(name for name, feature in features.items() if feature.type == "numeric")
        self._categorical = tuple(name for name, feature in features.items() if feature.type == "categorical")
        self._layout = Layout(monitor.specification)
        self._add = Contributions(self._layout)
        self._digest = monitor.specification.digest
        self._performance = self._layout.blocks["performance"]
        self._panes = GroupTables(max_groups=monitor.specification.max_groups)
        self._cohorts = GroupTables(max_groups=monitor.specification.max_groups)
        self._counting: list[Counting] = []
        self._skip: dict[tuple[str, int], int] = {}
        self._closed_before = NO_TIME
        self._ids = RowStore(group_length=self._specification.pane, max_rows=MAX_OPEN_IDS)
        self._join = LabelJoin(monitor.specification, partition)
        self._examples: list[LabelledRows] = []
        self._given_up = 0
        self._watermark = NO_TIME

    def absorb(self, batch: EventBatch, mine: Bool) -> None:
        """Take a batch; ``mine`` marks the rows whose pane this revision is in force for. What it adds to the summaries counts when it is settled."""
        batch = batch.with_features(self._numeric, self._categorical)
        is_label = batch.kind == LABEL
        labels, mine_of_labels = _rows(batch, is_label), mine[is_label]
        predictions, features = self._screen(_rows(batch, mine & ~is_label))
        given = JoinInput(predictions=predictions.new, late=predictions.late, labels=labels, features=both(features.new, features.late))
        joined = self._join.absorb(given)
        if joined.predictions is not None:
            self._add_cohort_sizes(joined.predictions)
        if predictions.new is not None:
            self._count_predictions(predictions.new)
        if features.new is not None:
            self._count_features(features.new)
        for counter, some in (("duplicates", predictions.repeated), ("duplicates", features.repeated), ("late", predictions.late), ("late", features.late)):
            if some is not None:
                self._count(counter, some)
        if labels is not None and joined.repeated is not None and joined.repeated.any():
            self._count("label_duplicates", labels.take(joined.repeated & mine_of_labels))
        for part in joined.joined:
            self._count_joined(part)
        self._count_given_up(batch)

    @staticmethod
    def settle(summarisers: Sequence[ModelSummariser]) -> None:
        """Count what was absorbed, of many models at once; between two batches of a model, and before a flush."""
        count_together(counting for one in summarisers for counting in one._counting)
        for one in summarisers:
            one._counting = []
            one._panes.settle()
            one._cohorts.settle()

    def _screen(self, events: EventBatch | None) -> tuple[_Screened, _Screened]:
        """Predictions and features events, each told apart by what is known of their ids."""
        if events is None:
            return _NOTHING, _NOTHING
        late, on_time = _parted(events, self._is_closed(pane_start(events.timestamp, self._pane), events.high))
        new, repeated = on_time, None
        if on_time is not None:
            ids: UInt64 = on_time.event_id
            of_features = on_time.kind == FEATURES
            if of_features.any():
                ids = np.where(of_features, ids ^ FEATURES_SALT, ids)
            open_since = pane_start(on_time.high - self._lateness, self._pane)
            new, repeated = _parted(on_time, self._ids.append_first(ids, position_of(on_time.offset, on_time.index), on_time.timestamp, open_since))
        features, predictions = zip(*(_by_kind(some) for some in (new, repeated, late)), strict=True)
        return _Screened(*predictions), _Screened(*features)

    def _is_closed(self, start: Int64, high: Int64) -> Bool:
        return np.asarray(start + self._pane <= high - self._lateness)

    def _count_predictions(self, events: EventBatch) -> None:
        events = self._fresh("pane", events.timestamp, events)
        if len(events):
            self._ask(_fill_predictions, events, events.timestamp)

    def _ask(self, fill: Fill, rows: EventBatch | LabelledRows, at: Int64) -> None:
        """Have rows counted into the panes of ``at`` when the batch is settled."""
        self._counting.append(
            Counting(
                tables=self._panes, add=self._add, fill=fill, width=self._layout.size, length=self._pane,
                timestamp=at, version=rows.version, segment=rows.segment, offset=rows.offset, index=rows.index, rows=rows,
            )
        )  # fmt: skip

    def _ask_cohorts(self, fill: Fill, rows: EventBatch | LabelledRows, predicted_at: Int64) -> None:
        width = 1 + self._performance.stop - self._performance.start
        self._counting.append(
            Counting(
                tables=self._cohorts, add=self._add, fill=fill, width=width, length=COHORT,
                timestamp=predicted_at, version=rows.version, segment=None, offset=rows.offset, index=rows.index, rows=rows,
            )
        )  # fmt: skip

    def _count_features(self, events: EventBatch) -> None:
        events = self._fresh("pane", events.timestamp, events)
        if len(events) and self._layout.columns:
            groups, sums = self._sums(events.timestamp, events.version, events.segment)
            self._add.inputs(sums, groups, events)
            self._panes.add(groups.keys, sums, groups.begins(events.offset, events.index))

    def _count(self, counter: str, rows: EventBatch) -> None:
        """One more of a counter for each row, in the pane that was current when its record came."""
        rows = self._fresh("pane", rows.high, rows)
        if len(rows):
            groups, sums = self._sums(rows.high, rows.version, rows.segment)
            self._add.traffic(sums, groups, counter)
            self._panes.add(groups.keys, sums, groups.begins(rows.offset, rows.index))

    def _count_given_up(self, batch: EventBatch) -> None:
        """Count what the stores let go because they were full, where the batch ends."""
        total = self._ids.evicted + sum(store.evicted for store in self._join.stores.values())
        if total > self._given_up:
            last = batch.take(slice(-1, None))
            if self._fresh_rows("pane", last.high, last.offset) is None:
                groups, sums = self._sums(last.high, last.version, last.segment)
                self._add.traffic(sums, groups, "given_up")
                self._panes.add(groups.keys, sums * (total - self._given_up), groups.begins(last.offset, last.index))
            self._given_up = total

    def _add_cohort_sizes(self, predictions: EventBatch) -> None:
        predictions = self._fresh("cohort", predictions.timestamp, predictions)
        if len(predictions):
            self._ask_cohorts(_fill_sizes, predictions, predictions.timestamp)

    def _count_joined(self, joined: Joined) -> None:
        """Count an outcome where it belongs: at the later of its two times; a correction takes the old one back while both panes are open."""
        rows, high, corrections = joined.rows, joined.high, joined.corrections
        at = rows.predicted_at if rows.labelled_at is rows.predicted_at else np.maximum(rows.predicted_at, rows.labelled_at)
        late = self._is_closed(pane_start(at, self._pane), high)
        counts = ~late
        if corrections is not None:
            corrected = rows.take(corrections.places)
            replaced_at = np.maximum(corrected.predicted_at, corrections.labelled_at)
            amends = ~self._is_closed(pane_start(replaced_at, self._pane), high[corrections.places])
            counts[corrections.places] &= amends
            self._count_outcomes(corrected.take(amends), replaced_at[amends], corrections.label[amends])
            self._count_labels("corrections", corrected, high[corrections.places])
            late[corrections.places] = False
        if late.any():
            self._count_labels("late_labels", rows.take(late), high[late])
        if counts.all():
            self._count_outcomes(rows, at)
        else:
            self._count_outcomes(rows.take(counts), at[counts])
        self._add_cohort_outcomes(rows, high, corrections)
        self._examples.append(rows)

    def _count_outcomes(self, rows: LabelledRows, at: Int64, replaced: Any = None) -> None:
        """Add outcomes to the panes of ``at``, or take back those with the label that was ``replaced``; the delay of a label counts, whatever became of it."""
        fresh = self._fresh_rows("pane", at, rows.offset)
        if fresh is not None:
            rows, at, replaced = rows.take(fresh), at[fresh], None if replaced is None else replaced[fresh]
        if not len(rows):
            return
        if replaced is None:
            self._ask(_fill_outcomes, rows, at)
        else:
            self._ask(_fill_corrections, replace(rows, label=replaced), at)

    def _count_labels(self, counter: str, rows: LabelledRows, high: Int64) -> None:
        fresh = self._fresh_rows("pane", high, rows.offset)
        if fresh is not None:
            rows, high = rows.take(fresh), high[fresh]
        if len(rows):
            groups, sums = self._sums(high, rows.version, rows.segment)
            self._add.traffic(sums, groups, counter)
            self._panes.add(groups.keys, sums, groups.begins(rows.offset, rows.index))

    def _add_cohort_outcomes(self, rows: LabelledRows, high: Int64, corrections: Corrections | None) -> None:
        fresh = self._fresh_rows("cohort", rows.predicted_at, rows.offset, high)
        some = rows if fresh is None else rows.take(fresh)
        if len(some):
            self._ask_cohorts(_fill_cohort_outcomes, some, some.predicted_at)
        if corrections is None:
            return
        corrected, label = rows.take(corrections.places), corrections.label
        fresh = self._fresh_rows("cohort", corrected.predicted_at, corrected.offset, high[corrections.places])
        if fresh is not None:
            corrected, label = corrected.take(fresh), label[fresh]
        if len(corrected):
            self._ask_cohorts(_fill_cohort_corrections, replace(corrected, label=label), corrected.predicted_at)

    def _sums(self, timestamp: Int64, version: CodedText, segment: CodedText) -> tuple[RowGroups, Float64]:
        """Rows by pane, version and segment, and a vector of zeros for each."""
        groups = RowGroups.by(timestamp, self._pane, version, segment)
        return groups, np.zeros((len(groups.keys), self._layout.size))

    def _fresh(self, kind: str, timestamp: Int64, rows: EventBatch) -> EventBatch:
        fresh = self._fresh_rows(kind, timestamp, rows.offset, rows.high if kind == "cohort" else None)
        return rows if fresh is None else rows.take(fresh)

    def _fresh_rows(self, kind: str, timestamp: Int64, offset: Int64, high: Int64 | None = None) -> Bool | None:
        """Which rows a restored piece does not hold yet, and whose pane had not closed before the restore; None if all.

        With ``high``, rows of cohorts that have been given up are left out: such a cohort would begin anew, and replace what was told of it.
        """
        wait = COHORT + self._specification.labels.timeout + self._lateness
        outlived = high if high is not None and int(timestamp.min()) - COHORT + wait <= int(high.max()) else None
        if self._closed_before == NO_TIME and not self._skip and outlived is None:
            return None
        start = pane_start(timestamp, self._pane if kind == "pane" else COHORT)
        fresh = np.ones(len(start), dtype=bool)
        if outlived is not None:
            fresh &= start + wait > outlived
        if kind == "pane" and self._closed_before != NO_TIME:
            fresh &= start + self._pane > self._closed_before
        for (piece_kind, pane), covered in self._skip.items():
            if piece_kind == kind:
                fresh &= (start != pane) | (offset >= covered)
        return None if fresh.all() else fresh

    def advance(self, high: int) -> None:
        """Move event time; state that can no longer change is given up at the next flush."""
        self._watermark = high - self._lateness

    def flush(self, covered: int) -> Changes:
        """What changed since the last flush."""
        changes = Changes(examples=[LabelledRows.concatenate(self._examples)] if self._examples else [])
        self._examples = []
        for kind, windows in (("cohort", self._cohorts), ("pane", self._panes)):
            for start in sorted(windows.changed):
                self._tell(changes, kind, start, windows.vectors(start), covered)
            windows.told()
        for name, part in [("ids", part) for part in self._ids.unsaved()] + self._join.unsaved():
            changes.pieces.append(Piece(self._key("rows", name, part.group, part.number), covered, part.columns))
        changes.deletions = [Piece(key, covered, None) for key in self._expire()]
        self._skip = {key: value for key, value in self._skip.items() if value > covered}
        return changes

    def _tell(self, changes: Changes, kind: str, start: int, groups: dict[Group, Float64], covered: int) -> None:
        names = sorted(groups)
        changes.pieces.append(Piece(self._key(kind, start), covered, {"names": [list(name) for name in names], "counts": sparse([groups[name] for name in names])}))
        model, revision, digest = self._specification.model, self._monitor.revision, self._digest
        for version, segment in names:
            counts = groups[version, segment]
            if kind == "pane":
                changes.summaries.append(Summary(model=model, revision=revision, digest=digest, version=version, segment=segment, start=start, counts=counts))
            else:
                changes.cohorts.append(Cohort(model=model, revision=revision, digest=digest, version=version, start=start, counts=counts))

    def _expire(self) -> list[PieceKey]:
        timeout = self._specification.labels.timeout
        gone: list[PieceKey] = []
        for kind, windows, length, wait in (("pane", self._panes, self._specification.pane, 0), ("cohort", self._cohorts, COHORT, timeout)):
            for start in [start for start in windows.starts if start + length + wait <= self._watermark]:
                windows.drop(start)
                gone.append(self._key(kind, start))
        dropped = [("ids", group, self._ids) for group in self._ids.expire(self._watermark)]
        dropped += [(kind, group, self._join.stores[kind]) for kind, group in self._join.expire(self._watermark - timeout)]
        for name, group, store in dropped:
            gone += [self._key("rows", name, group, number) for number in store.forget_parts(group)]
        return gone

    def retire(self, replaced_from: int) -> list[PieceKey] | None:
        """Give up for good what a replaced revision waits for, once its last prediction cannot be labelled any more; None while it can, or a pane is open.

        Returns the keys of all pieces that are left of it. The times of its events are before ``replaced_from``.
        """
        needed = needed_until(self._specification, replaced_from) > self._watermark + self._lateness
        if needed or self._panes.starts or self._cohorts.starts:
            return None
        stores = {"ids": self._ids, **self._join.stores}
        return [self._key("rows", name, group, number) for name, store in stores.items() for group, number in store.saved()]

    def _key(self, kind: str, *rest: str | int) -> PieceKey:
        return (kind, self._specification.model, self._monitor.revision, *rest)

    def restore(self, piece: Piece, *, covered: int, high: int) -> None:
        """Take a saved piece.

        ``covered`` and ``high`` are the manifest's. A piece may be ahead of them when the worker died in the middle of an epoch: the rows up to
        the piece's own offset, which will be read again, are then left out for this piece.
        """
        kind, rest = str(piece.key[0]), piece.key[3:]
        if kind == "rows":
            name, group, number = str(rest[0]), int(rest[1]), int(rest[2])
            (self._ids if name == "ids" else self._join.stores[name]).restore(Part(group, number, piece.value))
            return
        start = int(rest[0])
        if high != NO_TIME:
            self._closed_before = high - self._specification.lateness
        windows = self._panes if kind == "pane" else self._cohorts
        windows.restore(start, {(name[0], name[1]): counts for name, counts in zip(piece.value["names"], dense(piece.value["counts"]), strict=True)})
        if piece.covered > covered:
            self._skip[kind, start] = piece.covered
        if kind == "cohort" or start + self._specification.pane > self._closed_before:
            windows.changed.add(start)


def needed_until(specification: MonitorSpecification, replaced_from: int) -> int:
    """Record time from which a replaced revision has nothing left to join: the times of its events are before ``replaced_from``."""
    return replaced_from + COHORT + specification.labels.timeout + specification.lateness


def _fill_predictions(add: Contributions, sums: Float64, groups: RowGroups, events: EventBatch, members: Members | None) -> None:
    add.traffic(sums, groups, "predictions")
    add.latency(sums, groups, events.latency)
    add.inputs(sums, groups, events, members)
    answered = None
    if events.failed.any():
        add.traffic(sums, groups, "failed", np.flatnonzero(events.failed))
        answered = np.flatnonzero(~events.failed)
    add.output(sums, groups, events.prediction, answered, members)


def _fill_outcomes(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, _: Members | None) -> None:
    add.performance(sums, groups, rows.prediction, rows.label, rows.score)
    add.traffic(sums, groups, "labels")
    add.delay(sums, groups, rows.predicted_at, rows.labelled_at)


def _fill_corrections(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, _: Members | None) -> None:
    """Take outcomes back; the delay of a label counts, whatever became of it."""
    add.performance(sums, groups, rows.prediction, rows.label, rows.score)
    add.traffic(sums, groups, "labels")
    np.negative(sums, out=sums)


def _fill_sizes(_add: Contributions, sums: Float64, groups: RowGroups, _rows: EventBatch, _: Members | None) -> None:
    sums[:, 0] = groups.sizes()


def _fill_cohort_outcomes(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, _: Members | None) -> None:
    sums[:, 1:] = add.outcomes(groups, rows.prediction, rows.label)


def _fill_cohort_corrections(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, _: Members | None) -> None:
    sums[:, 1:] = -add.outcomes(groups, rows.prediction, rows.label)


def _rows(batch: EventBatch, which: Bool) -> EventBatch | None:
    """Some rows of a batch, None where there are none; most often all, which costs nothing."""
    count = int(np.count_nonzero(which))
    if count == len(batch):
        return batch if count else None
    return batch.take(which) if count else None


def _parted(batch: EventBatch, which: Bool) -> tuple[EventBatch | None, EventBatch | None]:
    """The rows that are meant and the others, None where there are none; most often all are on one side, which costs nothing."""
    count = int(np.count_nonzero(which))
    if count in {0, len(batch)}:
        return (batch, None) if count else (None, batch)
    return batch.take(which), batch.take(~which)


def _by_kind(batch: EventBatch | None) -> tuple[EventBatch | None, EventBatch | None]:
    """Features events and predictions."""
    return (None, None) if batch is None else _parted(batch, batch.kind == FEATURES)


_NOTHING = _Screened(None, None, None)
