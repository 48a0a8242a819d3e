"""Adaptive versions among a model's, as they learn, and the revisions of them that are announced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Bool
from detectors.rows.examples import Examples
from detectors.settings.retraining import Retrain
from retrainer.adaptive import Learner, is_adaptive
from retrainer.announced import Announced
from retrainer.messages import PoolLearnt
from retrainer.registry import RegistryError
from retrainer.row_buffer import RowBuffer
from retrainer.saved import Stretches
from retrainer.trainers.adaptive_pool import cause_of
from retrainer.training_set import row_times
from retrainer.versions import Version

Learning = Mapping[str, Learner]
"""Learners by version."""


class Learners:
    """The adaptive versions of one model.

    Parameters
    ----------
    announced : the versions; revisions are added to them.
    topic : that the rows' places belong to, for the lineage.
    """

    def __init__(self, announced: Announced, topic: str) -> None:
        self._announced, self._topic = announced, topic
        self._learners: dict[str, Learner] = {}

    def __contains__(self, version: str) -> bool:
        return version in self._learners

    @property
    def unweighed(self) -> int:
        """Labelled rows that came too late to weigh the online members by."""
        return sum(learner.unweighed for learner in self._learners.values())

    def of(self, version: str, retrain: Retrain) -> Learner | None:
        """An adaptive version as it learns; None of any other."""
        if version not in self._learners:
            record = self._announced.with_artifact(version)
            if record is None or not is_adaptive(record):
                return None
            pool = self._announced.fetch(record)
            since, learnt = self._in_force(record), record.trained_on.get("learnt", {})
            bounds = {"update_every": retrain.update_every, "most_members": retrain.members, "most_held": retrain.remembered.revisions}
            self._learners[version] = Learner(pool, since=since, learnt=learnt, **bounds)  # type: ignore[arg-type]  # by `is_adaptive`
        return self._learners[version]

    def _in_force(self, record: Version) -> int:
        """Time from which on a revision would have answered, epoch milliseconds: that of its first record, as a person may promote it by another clock; of a challenger its cut."""
        first = next(one for one in self._announced.of(record.version) if one.revision == record.revision)
        return int(first.gate.get("cut", first.at)) if first.status == "registered" else first.at

    def among(self, versions: Iterable[str], retrain: Retrain) -> Learning:
        """Those of these versions that are adaptive."""
        found = {version: self.of(version, retrain) for version in versions}
        return {version: learner for version, learner in found.items() if learner is not None}

    def forget(self, version: str) -> None:
        """A version need not learn any more."""
        self._learners.pop(version, None)

    def unannounced(self) -> dict[str, Stretches]:
        """Rows that versions have learnt from since their last announced revisions; from these `learn_again` makes them anew."""
        return {version: tuple(learner.stretches) for version, learner in self._learners.items() if learner.stretches}

    def at_hand(self, versions: Iterable[str], retrain: Retrain) -> Learning:
        """Those of these versions, which may neither serve nor be judged any more, whose artifacts can still be had."""
        found: dict[str, Learner] = {}
        for version in versions:
            with suppress(RegistryError):
                found |= self.among((version,), retrain)
        return found

    def held_and_revised(self, version: str, at: int) -> Version:
        """What a version has learnt is a revision from now on, registered and recorded."""
        self._learners[version].hold(at)
        return self.revise(version, at)

    def standing(self, version: str, at: int) -> PoolLearnt:
        """What the newest batch model of a version has become."""
        pool = self._learners[version].pool
        return PoolLearnt(model=self._announced.model, at=at, version=version, cause=cause_of(pool.members[-1].name), weight=float(pool.weights[len(pool.members) - 1]))

    def revise(
        self, version: str, at: int, *, cause: str = "", trained_on: dict[str, Any] | None = None, gate: dict[str, Any] | None = None, member: Version | None = None
    ) -> Version:
        """The next revision of a version as it was held last, registered and recorded.

        Parameters
        ----------
        cause, trained_on, gate, member : of a batch model that joined the pool; without one, labels alone were learnt from.
        """
        learner, told = self._learners[version], self._announced.of(version)
        names = [*(one.name for one in learner.pool.members), *(f"the online {one.name}" for one in learner.pool.online)]
        weights = {f"weight of {name}": float(weight) for name, weight in zip(names, learner.pool.weights, strict=True)}
        before = told[-1]
        draft = msgspec.structs.replace(
            before,
            revision=max(one.revision for one in told) + 1,
            status="updated",
            at=at,
            by="retrainer",
            cause=cause,
            trained_on=(trained_on or {"topic": self._topic}) | {"learnt": {str(partition): list(place) for partition, place in learner.learnt.items()}},
            provenance=before.provenance if member is None else member.provenance,
            parameters=before.parameters | ({} if member is None else {"member": member.parameters}),
            metrics=weights | ({} if member is None else member.metrics),
            gate=gate or {},
        )
        revision = self._announced.register(learner.artifact(), draft)
        learner.stretches = []
        return revision


def due_row(learning: Learning, rows: Examples, first_sight: Bool, start: int, stop: int) -> int:
    """End of the rows that can be taken at once: behind the first at which a revision is due."""
    for learner in learning.values():
        mine = start + np.flatnonzero((first_sight & learner.new(rows))[start:stop])
        if len(mine) >= learner.left:
            stop = int(mine[learner.left - 1]) + 1
    return stop


def learn(learning: Learning, rows: Examples, first_sight: Bool, at: int, before: int) -> list[str]:
    """Learn from rows up to the first at which a revision is due; ``before`` came before them. Gives the versions whose revision is."""
    revised = []
    for version, learner in learning.items():
        learner.went_on(before, before + len(rows))
        learner.learn(rows.take(np.flatnonzero(first_sight & learner.new(rows))))
        if learner.left == 0:
            learner.hold(at)
            revised.append(version)
    return revised


def learn_again(learning: Learning, buffer: RowBuffer, labels: int, learnt: Mapping[str, Stretches] | None) -> None:
    """Learn from the rows at hand that came after the last announced revision, as `learn` did; revisions are in force from the rows on at which they were due.

    Parameters
    ----------
    labels : rows so far, those at hand included.
    learnt : those that each version has learnt from; None of a state that does not say it, where it is all of them.
    """
    rows = buffer.latest()
    if rows is None:
        return
    clock, first_sight = np.maximum.accumulate(row_times(rows, "outcome")), RowBuffer(buffer.capacity).first_sight(rows)
    count = np.arange(labels - len(rows), labels)
    for version, learner in learning.items():
        known = first_sight
        if learnt is not None:
            learner.stretches = list(learnt.get(version, ()))
            known = first_sight & np.any([(count >= start) & (count < stop) for start, stop in ((0, 0), *learner.stretches)], axis=0)
        while (mine := np.flatnonzero(known & learner.new(rows))[: learner.left]).size:
            learner.learn(rows.take(mine))
            if learner.left == 0:
                learner.hold(int(clock[mine[-1]]))
