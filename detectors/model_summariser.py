"""Summaries, deduplication and label join of one model revision in one source partition."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from detectors import contributions as add
from detectors.bundle import Cohort, Summary
from detectors.contributions import Contributions
from detectors.event_batch import FEATURES, LABEL, NO_TIME, PREDICTION, Bool, EventBatch, Float64, Int64, Text, UInt64
from detectors.examples import Examples
from detectors.label_join import Joined, LabelJoin
from detectors.layout import Layout
from detectors.monitor import Monitor
from detectors.pane import pane_start
from detectors.piece import Piece, PieceKey
from detectors.row_store import Part, RowStore, position_of

COHORT = 3_600_000
"""Predictions of one hour form a cohort, milliseconds."""

MAX_OPEN_IDS = 10_000_000  # ids of open panes that are remembered in one partition, 24 bytes each; then the oldest panes' are forgotten

FEATURES_SALT = np.uint64(0x9E3779B97F4A7C15)
"""A features event may carry the id of its prediction without being a duplicate of it."""

Group = tuple[str, str]
"""Model version and segment."""

OTHER = "(other)"
"""Stands for the versions and segments of a pane that came after the first `max_groups`."""


@dataclass(kw_only=True)
class Changes:
    """What one flush gives."""

    summaries: list[Summary] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    examples: list[Examples] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    deletions: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class _Added:
    """What some rows add to summaries: ``weights`` to ``cells`` of the groups ``of``, each of a start, a version and a segment; ``firsts`` is the first row of each."""

    kind: str
    keys: list[tuple[int, str, str]]
    firsts: Int64
    of: Int64
    cells: Int64
    weights: Float64


class ModelSummariser:
    """State of one model revision in one source partition."""

    def __init__(self, monitor: Monitor, partition: int) -> None:
        self._monitor = monitor
        self._partition = partition
        self._specification = monitor.specification
        self._layout = Layout(monitor.specification)
        self._digest = monitor.specification.digest
        self._performance = self._layout.blocks["performance"]
        self._panes: dict[int, dict[Group, Float64]] = {}
        self._cohorts: dict[int, dict[Group, Float64]] = {}
        self._changed: set[tuple[str, int]] = set()
        self._skip: dict[tuple[str, int], int] = {}
        self._closed_before = NO_TIME
        self._ids = RowStore(group_length=self._specification.pane, max_rows=MAX_OPEN_IDS)
        self._join = LabelJoin(monitor.specification)
        self._examples: list[Examples] = []
        self._added: list[_Added] = []
        self._given_up = 0
        self._watermark = NO_TIME

    def absorb(self, batch: EventBatch, mine: Bool) -> None:
        """Take a batch; ``mine`` marks the rows whose pane this revision is in force for."""
        predictions, repeated, late = self._events(batch, mine & (batch.kind == PREDICTION), np.uint64(0))
        features, repeated_features, late_features = self._events(batch, mine & (batch.kind == FEATURES), FEATURES_SALT)
        labels = np.flatnonzero(batch.kind == LABEL)
        known_late = self._join.keep(batch, predictions, late)
        to_join = np.sort(np.concatenate([predictions, known_late]))
        joined, repeated_labels = self._join.absorb(batch, to_join, labels, np.sort(np.concatenate([features, late_features])))
        self._add_cohort_sizes(batch, to_join)
        self._count_events(batch, predictions)
        self._count_inputs(batch, features)
        current = pane_start(batch.high, self._specification.pane)
        for counter, rows in {
            "duplicates": np.concatenate([repeated, repeated_features]),
            "late": np.concatenate([late, late_features]),
            "label_duplicates": repeated_labels[mine[repeated_labels]],
        }.items():
            self._add("pane", batch, rows, current[rows], batch.version[rows], batch.segment[rows], [add.traffic(self._layout, counter, np.arange(len(rows)))])
        for part in joined:
            self._count_joined(batch, part, current)
        self._count_given_up(batch, current)
        self._sum_up()

    def _events(self, batch: EventBatch, of_kind: Bool, salt: np.uint64) -> tuple[Int64, Int64, Int64]:
        """Rows seen for the first time, rows that repeat one, and rows that are late (whose pane's ids are not remembered, so they may repeat one)."""
        rows = np.flatnonzero(of_kind)
        closed = self._is_closed(pane_start(batch.timestamp[rows], self._specification.pane), batch.high[rows])
        rows, late = rows[~closed], rows[closed]
        ids: UInt64 = batch.event_id[rows] ^ salt
        position = position_of(batch.offset[rows], batch.index[rows])
        self._ids.append(ids, position, batch.timestamp[rows], {})
        open_since = pane_start(batch.high[rows] - self._specification.lateness, self._specification.pane)
        new = ~self._ids.find(ids, position, open_since).mask
        return rows[new], rows[~new], late

    def _is_closed(self, start: Int64, high: Int64) -> Bool:
        return np.asarray(start + self._specification.pane <= high - self._specification.lateness)

    def _count_events(self, batch: EventBatch, rows: Int64) -> None:
        each = np.arange(len(rows))
        answered = np.flatnonzero(~batch.failed[rows])
        parts = [
            add.traffic(self._layout, "predictions", each),
            add.traffic(self._layout, "failed", np.flatnonzero(batch.failed[rows])),
            add.latency(self._layout, batch.latency[rows], each),
            *add.inputs(self._layout, {name: column[rows] for name, column in batch.features.items()}, each),
            *add.output(self._layout, batch.prediction[rows[answered]], answered),
        ]
        self._add("pane", batch, rows, pane_start(batch.timestamp[rows], self._specification.pane), batch.version[rows], batch.segment[rows], parts)

    def _count_inputs(self, batch: EventBatch, rows: Int64) -> None:
        parts = add.inputs(self._layout, {name: column[rows] for name, column in batch.features.items()}, np.arange(len(rows)))
        self._add("pane", batch, rows, pane_start(batch.timestamp[rows], self._specification.pane), batch.version[rows], batch.segment[rows], parts)

    def _add_cohort_sizes(self, batch: EventBatch, predictions: Int64) -> None:
        each = np.arange(len(predictions))
        start = pane_start(batch.timestamp[predictions], COHORT)
        self._add("cohort", batch, predictions, start, batch.version[predictions], np.full(len(predictions), "", object), [add.counted(each, each * 0)])

    def _count_given_up(self, batch: EventBatch, current: Int64) -> None:
        """Count what the stores let go because they were full, where the batch ends."""
        total = sum(store.evicted for store in (self._ids, *self._join.stores.values()))
        if total > self._given_up:
            last = np.array([len(batch) - 1])
            part = add.weighted_traffic(self._layout, "given_up", np.array([float(total - self._given_up)]))
            self._add("pane", batch, last, current[last], batch.version[last], batch.segment[last], [part])
            self._given_up = total

    def _count_joined(self, batch: EventBatch, joined: Joined, current: Int64) -> None:
        """Count an outcome where it belongs: at the later of its two times; a correction takes the old one back while both panes are open."""
        each, pane = np.arange(len(joined)), self._specification.pane
        at = pane_start(np.maximum(joined.predicted_at, joined.labelled_at), pane)
        replaced_at = pane_start(np.maximum(joined.predicted_at, joined.replaced_at), pane)
        high = batch.high[joined.row]
        late = self._is_closed(at, high)
        amends = joined.corrects & ~self._is_closed(replaced_at, high)
        counts = ~late & (~joined.corrects | amends)
        outcome = [
            *add.performance(self._layout, joined.prediction, joined.label, joined.score, each),
            add.delay(self._layout, (joined.labelled_at - joined.predicted_at).astype(np.float64), each),
            add.traffic(self._layout, "labels", each),
        ]
        undone = [*add.performance(self._layout, joined.prediction, joined.replaced, joined.score, each), add.traffic(self._layout, "labels", each)]
        version, segment = joined.version, joined.segment
        self._add("pane", batch, joined.row, at, version, segment, [part.signed(counts.astype(np.float64)) for part in outcome])
        if amends.any():
            self._add("pane", batch, joined.row, replaced_at, version, segment, [part.signed(-amends.astype(np.float64)) for part in undone])
        for counter, rows in {"late_labels": np.flatnonzero(late & ~joined.corrects), "corrections": np.flatnonzero(joined.corrects)}.items():
            part = add.traffic(self._layout, counter, np.arange(len(rows)))
            self._add("pane", batch, joined.row[rows], current[joined.row[rows]], version[rows], segment[rows], [part])
        cohort = pane_start(joined.predicted_at, COHORT)
        whole = np.full(len(joined), "", object)
        self._add("cohort", batch, joined.row, cohort, version, whole, add.performance(self._layout, joined.prediction, joined.label, joined.score, each, start=1))
        if joined.corrects.any():
            undo = add.performance(self._layout, joined.prediction, joined.replaced, joined.score, each, start=1)
            self._add("cohort", batch, joined.row, cohort, version, whole, [part.signed(-joined.corrects.astype(np.float64)) for part in undo])
        self._examples.append(self._examples_of(batch, joined))

    def _add(self, kind: str, batch: EventBatch, row: Int64, start: Int64, version: Text, segment: Text, parts: list[Contributions]) -> None:
        """Add contributions of rows to the summaries of their pane (or cohort), version and segment."""
        part = Contributions.concatenate(parts)
        fresh = self._not_yet_in(kind, start, batch.offset[row])
        if kind == "cohort":  # one that has been given up would begin anew, and replace what was told of it
            fresh &= start + COHORT + self._specification.labels.timeout > batch.high[row] - self._specification.lateness
        keep = fresh[part.rows] & (part.weights != 0)
        if not keep.any():
            return
        rows, cells, weights = part.rows[keep], part.cells[keep], part.weights[keep]
        used = np.unique(rows)
        keys, of = _group_rows(start[used], version[used], segment[used])
        firsts = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(firsts, of, row[used])
        group = np.empty(len(row), dtype=np.int64)
        group[used] = of
        self._added.append(_Added(kind, keys, firsts, group[rows], cells, weights))

    def _sum_up(self) -> None:
        """Add a batch to its summaries. Groups begin in the order of the log, so that which of them come too late does not depend on how it was cut."""
        order = sorted((first, call, place) for call, added in enumerate(self._added) for place, first in enumerate(added.firsts.tolist()))
        groups: dict[tuple[int, int], tuple[int, Group]] = {}
        for _, call, place in order:
            added = self._added[call]
            start, version, segment = added.keys[place]
            table = (self._panes if added.kind == "pane" else self._cohorts).setdefault(start, {})
            name = _name_within(table, version, segment, self._specification.max_groups)
            if name not in table:
                table[name] = np.zeros(self._layout.size if added.kind == "pane" else 1 + self._performance.stop - self._performance.start)
            groups[call, place] = start, name
        for call, added in enumerate(self._added):
            tables = self._panes if added.kind == "pane" else self._cohorts
            targets = [groups[call, place] for place in range(len(added.keys))]
            number = {target: place for place, target in enumerate(dict.fromkeys(targets))}
            of = np.array([number[target] for target in targets], np.int64)
            start, name = targets[0]
            size = len(tables[start][name])
            sums = np.bincount(of[added.of] * size + added.cells, weights=added.weights, minlength=len(number) * size).astype(np.float64).reshape(len(number), size)
            for (start, name), counts in zip(number, sums, strict=True):
                tables[start][name] = tables[start][name] + counts
                self._changed.add((added.kind, start))
        self._added = []

    def _not_yet_in(self, kind: str, start: Int64, offset: Int64) -> Bool:
        """Which rows a restored piece does not hold yet, and whose pane had not closed before the restore."""
        fresh = np.ones(len(start), dtype=bool)
        if kind == "pane" and self._closed_before != NO_TIME:
            fresh &= start + self._specification.pane > self._closed_before
        for (piece_kind, pane), covered in self._skip.items():
            if piece_kind == kind:
                fresh &= (start != pane) | (offset >= covered)
        return fresh

    def _examples_of(self, batch: EventBatch, joined: Joined) -> Examples:
        return Examples(
            model=self._specification.model,
            partition=np.full(len(joined), self._partition, dtype=np.int64),
            offset=batch.offset[joined.row],
            index=batch.index[joined.row],
            event_id=joined.event_id,
            predicted_at=joined.predicted_at,
            labelled_at=joined.labelled_at,
            version=joined.version,
            segment=joined.segment,
            prediction=joined.prediction,
            label=joined.label,
            score=joined.score,
            features=joined.features,
        )

    def advance(self, high: int) -> None:
        """Move event time; state that can no longer change is given up at the next flush."""
        self._watermark = high - self._specification.lateness

    def flush(self, covered: int) -> Changes:
        """What changed since the last flush."""
        changes = Changes(examples=[Examples.concatenate(self._examples)] if self._examples else [])
        self._examples = []
        for kind, start in sorted(self._changed):
            groups = (self._panes if kind == "pane" else self._cohorts)[start]
            names = sorted(groups)
            value = {"names": [list(name) for name in names], "counts": np.stack([groups[name] for name in names])}
            changes.pieces.append(Piece(self._key(kind, start), covered, value))
            model, revision, digest = self._specification.model, self._monitor.revision, self._digest
            for (version, segment), counts in ((name, groups[name]) for name in names):
                if kind == "pane":
                    changes.summaries.append(Summary(model=model, revision=revision, digest=digest, version=version, segment=segment, start=start, counts=counts))
                else:
                    changes.cohorts.append(Cohort(model=model, revision=revision, digest=digest, version=version, start=start, counts=counts))
        self._changed = set()
        for name, part in [("ids", part) for part in self._ids.unsaved()] + self._join.unsaved():
            changes.pieces.append(Piece(self._key("rows", name, part.group, part.number), covered, part.columns))
        changes.deletions = [Piece(key, covered, None) for key in self._expire()]
        self._skip = {key: value for key, value in self._skip.items() if value > covered}
        return changes

    def _expire(self) -> list[PieceKey]:
        timeout = self._specification.labels.timeout
        gone: list[PieceKey] = []
        for kind, tables, length, wait in (("pane", self._panes, self._specification.pane, 0), ("cohort", self._cohorts, COHORT, timeout)):
            for start in [start for start in tables if start + length + wait <= self._watermark]:
                del tables[start]
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
        needed = replaced_from + COHORT + self._specification.labels.timeout > self._watermark
        if needed or self._panes or self._cohorts:
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
        tables = self._panes if kind == "pane" else self._cohorts
        tables[start] = {(name[0], name[1]): counts for name, counts in zip(piece.value["names"], piece.value["counts"], strict=True)}
        if piece.covered > covered:
            self._skip[kind, start] = piece.covered
        if kind == "cohort" or start + self._specification.pane > self._closed_before:
            self._changed.add((kind, start))


def _name_within(table: dict[Group, Float64], version: str, segment: str, limit: int) -> Group:
    """The group that a version and segment are counted in: their own while there is room, then the version's others, then others."""
    if (version, segment) in table or len(table) < limit:
        return version, segment
    known = any(name == version for name, _ in table)
    return version if known else OTHER, OTHER if segment else ""


def _group_rows(start: Int64, version: Text, segment: Text) -> tuple[list[tuple[int, str, str]], Int64]:
    """Distinct (start, version, segment) and which of them each row has."""
    keys: dict[tuple[int, str, str], int] = {}
    triples = zip(start.tolist(), version.tolist(), segment.tolist(), strict=True)
    of = np.fromiter((keys.setdefault(triple, len(keys)) for triple in triples), np.int64, len(start))
    return list(keys), of
