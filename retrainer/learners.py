"""Adaptive versions among a model's, as they learn, and the revisions of them that are announced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Bool
from detectors.rows.examples import Examples
from detectors.settings.retraining import Retrain
from retrainer.adaptive import Learner, is_adaptive
from retrainer.announced import Announced
from retrainer.messages import PoolLearnt
from retrainer.row_buffer import RowBuffer
from retrainer.trainers.adaptive_pool import cause_of
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

    def of(self, version: str, retrain: Retrain) -> Learner | None:
        """An adaptive version as it learns; None of any other."""
        if version not in self._learners:
            record = self._announced.with_artifact(version)
            if record is None or not is_adaptive(record):
                return None
            pool = self._announced.fetch(record)
            since, learnt = int(record.gate.get("cut", record.at)), record.trained_on.get("learnt", {})
            self._learners[version] = Learner(pool, since=since, learnt=learnt, update_every=retrain.update_every, most_members=retrain.members)  # type: ignore[arg-type]  # by `is_adaptive`
        return self._learners[version]

    def among(self, versions: Iterable[str], retrain: Retrain) -> Learning:
        """Those of these versions that are adaptive."""
        found = {version: self.of(version, retrain) for version in versions}
        return {version: learner for version, learner in found.items() if learner is not None}

    def forget(self, version: str) -> None:
        """A version need not learn any more."""
        self._learners.pop(version, None)

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
        return self._announced.register(learner.artifact(), draft)


def due_row(learning: Learning, rows: Examples, first_sight: Bool, start: int, stop: int) -> int:
    """End of the rows that can be taken at once: behind the first at which a revision is due."""
    for learner in learning.values():
        mine = start + np.flatnonzero((first_sight & learner.new(rows))[start:stop])
        if len(mine) >= learner.left:
            stop = int(mine[learner.left - 1]) + 1
    return stop


def learn(learning: Learning, rows: Examples, first_sight: Bool, at: int) -> list[str]:
    """Learn from rows up to the first at which a revision is due. Gives the versions whose revision is."""
    revised = []
    for version, learner in learning.items():
        learner.learn(rows.take(np.flatnonzero(first_sight & learner.new(rows))))
        if learner.left == 0:
            learner.hold(at)
            revised.append(version)
    return revised


def learn_again(learning: Learning, buffer: RowBuffer, at: int) -> None:
    """Learn from the rows at hand that came after the last announced revision."""
    rows = buffer.latest()
    if rows is None:
        return
    for learner in learning.values():
        while (mine := np.flatnonzero(learner.new(rows))[: learner.left]).size:
            learner.learn(rows.take(mine))
            if learner.left == 0:
                learner.hold(at)
