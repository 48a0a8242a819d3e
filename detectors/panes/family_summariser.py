"""Summaries, deduplication and label join of models that are alike, in one source partition.

A fetch of a thousand models has some rows of each, for which a step taken model by model costs the same as for hundreds. So every step is taken
for all rows at once. What belongs to one model alone stays apart: ids and waiting rows by a hash that goes into their keys, bounds and windows by the model's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from detectors.bundle import FirstRows
from detectors.coded_text import CodedText
from detectors.event_batch import FEATURES, LABEL, NO_TIME, Bool, EventBatch, Float64, Int32, Int64, UInt64, both, order_of
from detectors.pane import pane_start
from detectors.panes.contributions import Contributions, Members
from detectors.panes.counted_together import Coarser, Counting, Fill, count_together
from detectors.panes.group_tables import GroupTables
from detectors.panes.layout import TRAFFIC
from detectors.panes.learning_rows import LearningRows
from detectors.panes.model_summariser import COHORT, Changes, ModelSummariser
from detectors.panes.window_pieces import WindowPieces
from detectors.piece import Piece, PieceKey
from detectors.rows.label_join import Corrections, Joined, JoinInput, JoinOutput, LabelJoin
from detectors.rows.labelled_rows import LabelledRows
from detectors.rows.row_entries import RowKeys
from detectors.rows.row_groups import RowGroups
from detectors.rows.row_store import INDEX_BITS, Part, RowStore, position_of
from detectors.specification import MonitorSpecification

_USUAL_IDS = MonitorSpecification.model_fields["max_open_ids"].default

FEATURES_SALT = np.uint64(0x9E3779B97F4A7C15)
"""A features event may carry the id of its prediction without being a duplicate of it."""


def family_of(model: ModelSummariser) -> Hashable:
    """The same for models that are alike."""
    specification = model.monitor.specification
    labels = specification.labels
    learning = specification.reference.learning
    alike = model.add.alike, specification.pane, specification.lateness, labels.timeout, labels.corrections, labels.max_waiting, *(() if learning is None else (learning,))
    return alike if specification.max_open_ids == _USUAL_IDS else (*alike, "max_open_ids", specification.max_open_ids)  # pieces of state have a name that is made of this


@dataclass(frozen=True)
class _Screened:
    """Predictions or features events: seen for the first time, repeating one, and late (whose pane's ids are not remembered, so they may repeat one)."""

    new: EventBatch | None
    repeated: EventBatch | None
    late: EventBatch | None


class FamilySummariser:
    """State of some model revisions that are alike.

    Parameters
    ----------
    first : one of them.
    partition : the source partition.
    """

    def __init__(self, first: ModelSummariser, partition: int) -> None:
        specification = first.monitor.specification
        self._specification = specification
        self.pane, self._lateness = specification.pane, specification.lateness
        self._numeric = tuple(name for name, feature in first.layout.features.items() if feature.type == "numeric")
        self._categorical = tuple(name for name, feature in first.layout.features.items() if feature.type == "categorical")
        self._width = first.layout.size
        performance = first.layout.blocks["performance"]
        of_cohort = np.array([first.layout.blocks["traffic"].start + TRAFFIC.index("predictions"), *range(performance.start, performance.stop)])
        self._of_cohort = np.concatenate([of_cohort, of_cohort + first.layout.cells]) if first.layout.weighs else of_cohort
        self._has_columns = bool(first.layout.columns or first.layout.sketched or {"expected", "irregular", "saturation"}.intersection(first.layout.blocks))
        self._name = hashlib.blake2b(repr(family_of(first)).encode(), digest_size=8).hexdigest()
        self.models: list[ModelSummariser] = []
        self._panes: list[GroupTables] = []
        self._cohorts: list[GroupTables] = []
        self._add: list[Contributions] = []
        self._names: tuple[str, ...] = ()
        self._salts: UInt64 = np.empty(0, np.uint64)
        self._places: dict[tuple[str, int], int] = {}
        self._skip: dict[tuple[str, int, int], int] = {}
        self._closed_before = NO_TIME
        self._pane_pieces, self._cohort_pieces = WindowPieces("pane", self._name), WindowPieces("cohort", self._name)
        self._ids = RowStore(group_length=self.pane, max_rows=specification.max_open_ids)
        self._join = LabelJoin(specification, partition, self._keys)
        learning = specification.reference.learning
        self._learning = None if learning is None else LearningRows(partition, learning)
        self._examples: list[LabelledRows] = []
        self._touched: set[int] = set()
        self._watermark = NO_TIME
        self._closed_ids: list[int] = []  # groups that were forgotten since the last flush

    def enter(self, model: ModelSummariser) -> int:
        """Take a model revision that is alike; returns its place."""
        place = len(self.models)
        self.models.append(model)
        self._panes.append(model.panes)
        self._cohorts.append(model.cohorts)
        self._add.append(model.add)
        self._names += (model.monitor.model,)
        name = f"{model.monitor.revision} {model.monitor.model}"
        salt = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        self._salts = np.append(self._salts, np.uint64(salt))
        self._pane_pieces.enter(model.monitor, model.panes, salt)
        self._cohort_pieces.enter(model.monitor, model.cohorts, salt)
        self._places[model.monitor.model, model.monitor.revision] = place
        self._ids.reach(place + 1)
        self._join.reach(place + 1)
        return place

    def absorb(self, batch: EventBatch, owner: Int32, mine: Bool) -> None:
        """Take rows of some of the models.

        Parameters
        ----------
        batch : n rows; the labels of each model in the order of the log, and its other rows.
        owner : (n,) place of each row's model.
        mine : (n,) the rows whose pane this revision is in force for.
        """
        batch = replace(batch, models=CodedText(self._names, owner)).with_features(self._numeric, self._categorical)
        if (owner[1:] < owner[:-1]).any():
            order = order_of(owner)
            batch, mine = batch.take(order), mine[order]
        is_label = batch.kind == LABEL
        labels, mine_of_labels = _rows(batch, is_label), mine[is_label]
        predictions, features = self._screen(_rows(batch, mine & ~is_label))
        if self._learning is not None:
            self._learning.take(predictions.new)
            self._learning.take(features.new)
        given = JoinInput(predictions=predictions.new, late=predictions.late, labels=labels, features=both(features.new, features.late))
        joined = self._join.absorb(given)
        self._count_predictions(predictions.new, joined)
        if features.new is not None and self._has_columns:
            self._count_in_pane(_fill_inputs, features.new, features.new.timestamp)
        for counter, some in (("duplicates", predictions.repeated), ("duplicates", features.repeated), ("late", predictions.late), ("late", features.late)):
            if some is not None:
                self._count_in_pane(_COUNTERS[counter], some, some.high)
        if labels is not None and joined.repeated is not None and joined.repeated.any():
            repeated = labels.take(joined.repeated & mine_of_labels)
            self._count_in_pane(_COUNTERS["label_duplicates"], repeated, repeated.high)
        if joined.at_once:
            self._examples.append(joined.joined[0].rows)
        for part in joined.joined[joined.at_once :]:
            self._count_joined(part)
        self._give_up(batch)
        for place in self._touched:
            self.models[place].settle()
        self._touched = set()

    def _keys(self, rows: EventBatch | LabelledRows) -> RowKeys:
        owner = _owner(rows)
        at = rows.timestamp if isinstance(rows, EventBatch) else rows.predicted_at
        return RowKeys(rows.event_id ^ self._salts[owner], owner, position_of(rows.offset, rows.index), at)

    def _screen(self, events: EventBatch | None) -> tuple[_Screened, _Screened]:
        """Predictions and features events, each told apart by what is known of their ids."""
        if events is None:
            return _NOTHING, _NOTHING
        late, on_time = _parted(events, self._is_closed(pane_start(events.timestamp, self.pane), events.high))
        new, repeated = on_time, None
        if on_time is not None:
            keys = self._keys(on_time)
            of_features = on_time.kind == FEATURES
            if of_features.any():
                keys = replace(keys, ids=np.where(of_features, keys.ids ^ FEATURES_SALT, keys.ids))
            open_since = pane_start(on_time.high - self._lateness, self.pane)
            new, repeated = _parted(on_time, self._ids.append_first(keys, open_since))
        features, predictions = zip(*(_by_kind(some) for some in (new, repeated, late)), strict=True)
        return _Screened(*predictions), _Screened(*features)

    def _is_closed(self, start: Int64, high: Int64) -> Bool:
        return np.asarray(start + self.pane <= high - self._lateness)

    def _count_predictions(self, new: EventBatch | None, joined: JoinOutput) -> None:
        """Count new predictions in their panes; and in their cohorts, together with late ones: in one pass where these are sums of whole panes of the same rows."""
        fill, fill_cohort = (_fill_labelled_predictions, _fill_labelled_cohort) if joined.at_once else (_fill_predictions, _fill_sizes)
        if new is not None and new is joined.predictions and COHORT % self.pane == 0 and self._is_fresh(new):
            self._count(replace(self._in_panes(fill, new, new.timestamp), coarser=Coarser(self._cohorts, COHORT, self._of_cohort)))
            return
        if joined.predictions is not None:
            self._count_in_cohort(fill_cohort, joined.predictions, joined.predictions.timestamp, joined.predictions.high)
        if new is not None:
            self._count_in_pane(fill, new, new.timestamp)

    def _is_fresh(self, events: EventBatch) -> bool:
        return self._fresh("pane", events, events.timestamp) is None and self._fresh("cohort", events, events.timestamp, events.high) is None

    def _count_in_pane(self, fill: Fill, rows: EventBatch | LabelledRows, at: Int64) -> None:
        """Count rows in the panes of ``at``."""
        if not len(rows):
            return
        fresh = self._fresh("pane", rows, at)
        if fresh is not None:
            rows, at = rows.take(fresh), at[fresh]
        if len(rows):
            self._count(self._in_panes(fill, rows, at))

    def _in_panes(self, fill: Fill, rows: EventBatch | LabelledRows, at: Int64) -> Counting:
        return Counting(tables=self._panes, add=self._add, fill=fill, width=self._width, length=self.pane, owner=_owner(rows), timestamp=at, rows=rows)

    def _count_in_cohort(self, fill: Fill, rows: EventBatch | LabelledRows, predicted_at: Int64, high: Int64) -> None:
        """Count rows in the cohorts that were predicted at some times."""
        fresh = self._fresh("cohort", rows, predicted_at, high)
        if fresh is not None:
            rows, predicted_at = rows.take(fresh), predicted_at[fresh]
        if len(rows):
            self._count(
                Counting(
                    tables=self._cohorts, add=self._add, fill=fill, width=len(self._of_cohort), length=COHORT,
                    owner=_owner(rows), timestamp=predicted_at, rows=rows, by_segment=False,
                )
            )  # fmt: skip

    def _count(self, request: Counting) -> None:
        self._touched.update(count_together(request))

    def _give_up(self, batch: EventBatch) -> None:
        """Let go what the stores have no room for, and count it where each model's rows end."""
        given_up = self._ids.trim() + self._join.trim()
        for place in np.flatnonzero(given_up).tolist():
            mine = np.flatnonzero(_owner(batch) == place)
            last = batch.take(mine[[position_of(batch.offset[mine], batch.index[mine]).argmax()]])
            self._count_in_pane(partial(_fill_given_up, count=int(given_up[place])), replace(last, weight=None), last.high)

    def _count_joined(self, joined: Joined) -> None:
        """Count an outcome where it belongs: at the later of its two times; a correction takes the old one back while both panes are open."""
        rows, high, corrections = joined.rows, joined.high, joined.corrections
        at = rows.predicted_at if rows.labelled_at is rows.predicted_at else np.maximum(rows.predicted_at, rows.labelled_at)
        late = self._is_closed(pane_start(at, self.pane), high)
        counts = ~late
        if corrections is not None:
            corrected = rows.take(corrections.places)
            replaced_at = np.maximum(corrected.predicted_at, corrections.labelled_at)
            amends = ~self._is_closed(pane_start(replaced_at, self.pane), high[corrections.places])
            counts[corrections.places] &= amends
            taken_back = replace(corrected, label=corrections.label).take(amends)
            self._count_in_pane(_fill_corrections, taken_back, replaced_at[amends])
            self._count_in_pane(_COUNTERS["corrections"], corrected, high[corrections.places])
            late[corrections.places] = False
        if late.any():
            self._count_in_pane(_COUNTERS["late_labels"], rows.take(late), high[late])
        if counts.all():
            self._count_in_pane(_fill_outcomes, rows, at)
        else:
            self._count_in_pane(_fill_outcomes, rows.take(counts), at[counts])
        self._add_cohort_outcomes(rows, high, corrections)
        self._examples.append(rows)

    def _add_cohort_outcomes(self, rows: LabelledRows, high: Int64, corrections: Corrections | None) -> None:
        self._count_in_cohort(_fill_cohort_outcomes, rows, rows.predicted_at, high)
        if corrections is not None:
            corrected = replace(rows.take(corrections.places), label=corrections.label)
            self._count_in_cohort(_fill_cohort_corrections, corrected, corrected.predicted_at, high[corrections.places])

    def _fresh(self, kind: str, rows: EventBatch | LabelledRows, timestamp: Int64, high: Int64 | None = None) -> Bool | None:
        """Which rows a restored piece does not hold yet, and whose pane had not closed before the restore; None if all.

        With ``high``, rows of cohorts that have been given up are left out: such a cohort would begin anew, and replace what was told of it.
        """
        wait = COHORT + self._specification.labels.timeout + self._lateness
        outlived = high if high is not None and int(timestamp.min()) - COHORT + wait <= int(high.max()) else None
        if self._closed_before == NO_TIME and not self._skip and outlived is None:
            return None
        start = pane_start(timestamp, self.pane if kind == "pane" else COHORT)
        fresh = np.ones(len(start), dtype=bool)
        if outlived is not None:
            fresh &= start + wait > outlived
        if kind == "pane" and self._closed_before != NO_TIME:
            fresh &= start + self.pane > self._closed_before
        owner = _owner(rows)
        for (piece_kind, place, window), covered in self._skip.items():
            if piece_kind == kind:
                fresh &= (owner != place) | (start != window) | (rows.offset >= covered)
        return None if fresh.all() else fresh

    def closes_between(self, before: int, now: int) -> bool:
        """Whether a pane's end was passed while the largest record timestamp moved from one to another."""
        return (before - self._lateness) // self.pane < (now - self._lateness) // self.pane

    def advance(self, high: int) -> None:
        """Move event time; state that can no longer change is given up at the next flush, ids by `forget_ids`."""
        self._watermark = high - self._lateness

    def forget_ids(self) -> None:
        """Forget ids of panes that have closed, while no row waits to be taken; those that have not been saved never will be."""
        self._closed_ids += self._ids.expire(self._watermark)

    @property
    def bytes_of_pane(self) -> int:
        """What a pane takes while it is added to."""
        return 8 * self._width

    @property
    def untold(self) -> int:
        """Bytes of the panes that the next flush tells."""
        return self.bytes_of_pane * sum(tables.open_windows for tables in self._panes)

    def flush(self, covered: int) -> Changes:
        """What changed since the last flush."""
        self.forget_ids()
        changes = Changes(examples=[self._told(rows) for rows in self._examples])
        self._examples = []
        if self._learning is not None:
            told = self._learning.flush(self._watermark // self.pane * self.pane)  # rows that come are of panes that end behind the watermark
            changes.first_rows = [FirstRows(rows=rows, **self.models[place].names) for place, rows in sorted(told.items())]
        changes.pieces = [self._as_far_as_it_reaches(piece) for piece in (*self._cohort_pieces.changed(covered), *self._pane_pieces.changed(covered))]
        panes: set[int] = set()
        cohorts: set[int] = set()
        for model in self.models:
            model.flush(changes)
        GroupTables.told(self._panes)
        GroupTables.told(self._cohorts)
        for model in self.models:
            of_panes, of_cohorts = model.expire(self._watermark)
            panes.update(of_panes)
            cohorts.update(of_cohorts)
        for name, part in [("ids", part) for part in self._ids.unsaved()] + self._join.unsaved():
            changes.pieces.append(Piece(self._key(name, part.group, part.number), covered, self._with_members(part.columns)))
        gone = [*self._pane_pieces.expired(sorted(panes)), *self._cohort_pieces.expired(sorted(cohorts)), *self._expire()]
        changes.deletions = [Piece(key, covered, None) for key in gone]
        self._skip = {key: value for key, value in self._skip.items() if value > covered}
        return changes

    def _as_far_as_it_reaches(self, piece: Piece) -> Piece:
        """A window that was restored ahead of where reading went on still holds those rows; its next owner has to leave them out, too."""
        kind, _, _, start = piece.key
        ahead = (self._skip.get((str(kind), self._places[model, revision], int(start)), 0) for model, revision in piece.value["members"])
        return replace(piece, covered=max(piece.covered, *ahead))

    def _told(self, rows: LabelledRows) -> LabelledRows:
        """Joined rows, of one model or of several; how full the service was is nothing to train on."""
        models, specification = rows.model_of, self._specification
        for name in specification.features.keys() - specification.inputs.keys():
            rows = rows.without(name)
        first = models.codes[0]
        return replace(rows, model=models.levels[first], models=None) if (models.codes == first).all() else replace(rows, model="")

    def _with_members(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Columns as they are saved: with the names of those whose rows they are, as places change with each assignment."""
        places, owner = np.unique(columns["owner"], return_inverse=True)
        members = [[self.models[place].monitor.model, self.models[place].monitor.revision] for place in places.tolist()]
        return columns | {"members": members, "owner": owner.astype(np.uint16 if len(members) < 2**16 else np.uint32)}

    def _expire(self) -> list[PieceKey]:
        dropped, self._closed_ids = [("ids", group, self._ids) for group in self._closed_ids], []
        dropped += [(kind, group, self._join.stores[kind]) for kind, group in self._join.expire(self._watermark - self._specification.labels.timeout)]
        return [self._key(name, group, number) for name, group, store in dropped for number in store.forget_parts(group)]

    def _key(self, store: str, group: int, number: int) -> PieceKey:
        return ("rows", self._name, store, group, number)

    def restore_windows(self, piece: Piece, *, covered: int, high: int) -> None:
        """Take saved windows; they are told again, unless they had closed.

        ``covered`` and ``high`` are the manifest's. A piece may be ahead of them when the worker died in the middle of an epoch: the rows up to
        the piece's own offset, which will be read again, are then left out for this piece.
        """
        if high != NO_TIME:
            self._closed_before = high - self._lateness
        kind, start = str(piece.key[0]), int(piece.key[3])
        pieces, tables = (self._pane_pieces, self._panes) if kind == "pane" else (self._cohort_pieces, self._cohorts)
        for place in pieces.restore(piece, self._places):
            if kind == "cohort" or start + self.pane > self._closed_before:
                tables[place].tell_again(start)
            if piece.covered > covered:
                self._skip[kind, place, start] = piece.covered

    def restore_rows(self, piece: Piece, *, covered: int) -> None:
        """Take saved rows, but for those that will be read again, and of models that nobody monitors any more."""
        name, group, number = str(piece.key[2]), int(piece.key[3]), int(piece.key[4])
        columns = dict(piece.value)
        places = np.array([self._places.get((str(model), int(revision)), -1) for model, revision in columns.pop("members")], np.int32)
        columns["owner"] = places[columns["owner"]]
        kept = (columns["owner"] >= 0) & (columns["position"] >> INDEX_BITS < covered)
        if not kept.all():
            texts = {key: CodedText.of_dict(column) if isinstance(column, dict) else column for key, column in columns.items()}
            columns = {key: column[kept] for key, column in texts.items()}
        store = self._ids if name == "ids" else self._join.stores[name]
        store.restore(Part(group, number, columns))

    def restored(self) -> None:
        """Every saved piece is there."""
        self._ids.restored()
        self._join.restored()


def _owner(rows: EventBatch | LabelledRows) -> Int32:
    """(n,) the place of each row's model."""
    assert rows.models is not None  # noqa: S101  every row that was absorbed says whose it is
    return rows.models.codes


def _fill_predictions(add: Contributions, sums: Float64, groups: RowGroups, events: EventBatch, members: Members | None) -> None:
    add.traffic(sums, groups, "predictions")
    add.latency(sums, groups, events.latency)
    add.inputs(sums, groups, events, members)
    answered = None
    if events.failed.any():
        add.traffic(sums, groups, "failed", np.flatnonzero(events.failed))
        answered = np.flatnonzero(~events.failed)
    add.output(sums, groups, events.prediction, answered, members)
    add.scored_output(sums, groups, events.prediction, events.score, answered)


def _fill_labelled_predictions(add: Contributions, sums: Float64, groups: RowGroups, events: EventBatch, members: Members | None) -> None:
    """Predictions that came with their labels: an outcome without delay, in the pane of the prediction itself."""
    _fill_predictions(add, sums, groups, events, members)
    add.performance(sums, groups, events.prediction, events.label, events.score)
    add.slices(sums, groups, events, members)
    add.traffic(sums, groups, "labels")
    add.delay(sums, groups, events.timestamp, events.timestamp)


def _fill_inputs(add: Contributions, sums: Float64, groups: RowGroups, events: EventBatch, members: Members | None) -> None:
    add.inputs(sums, groups, events, members)


def _fill_outcomes(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, members: Members | None) -> None:
    add.performance(sums, groups, rows.prediction, rows.label, rows.score)
    add.slices(sums, groups, rows, members)
    add.traffic(sums, groups, "labels")
    add.delay(sums, groups, rows.predicted_at, rows.labelled_at)


def _fill_corrections(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, members: Members | None) -> None:
    """Take outcomes back; the delay of a label counts, whatever became of it."""
    add.performance(sums, groups, rows.prediction, rows.label, rows.score)
    add.slices(sums, groups, rows, members)
    add.traffic(sums, groups, "labels")
    np.negative(sums, out=sums)


def _fill_sizes(_add: Contributions, sums: Float64, groups: RowGroups, _rows: EventBatch, _: Members | None) -> None:
    sums[:, 0] = groups.sizes()


def _fill_labelled_cohort(add: Contributions, sums: Float64, groups: RowGroups, events: EventBatch, _: Members | None) -> None:
    sums[:, 0] = groups.sizes()
    sums[:, 1:] = add.outcomes(groups, events.prediction, events.label)


def _fill_cohort_outcomes(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, _: Members | None) -> None:
    sums[:, 1:] = add.outcomes(groups, rows.prediction, rows.label)


def _fill_cohort_corrections(add: Contributions, sums: Float64, groups: RowGroups, rows: LabelledRows, _: Members | None) -> None:
    sums[:, 1:] = -add.outcomes(groups, rows.prediction, rows.label)


def _fill_counter(add: Contributions, sums: Float64, groups: RowGroups, _rows: EventBatch | LabelledRows, _: Members | None, *, counter: str) -> None:
    add.traffic(sums, groups, counter)


def _fill_given_up(add: Contributions, sums: Float64, groups: RowGroups, _rows: EventBatch, _: Members | None, *, count: int) -> None:
    add.traffic(sums, groups, "given_up")
    sums *= count


_COUNTERS = {counter: partial(_fill_counter, counter=counter) for counter in ("duplicates", "late", "label_duplicates", "corrections", "late_labels")}


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


def needed_until(specification: MonitorSpecification, replaced_from: int) -> int:
    """Record time from which a replaced revision has nothing left to join: the times of its events are before ``replaced_from``."""
    return replaced_from + COHORT + specification.labels.timeout + specification.lateness
