"""An adaptive champion, or challenger, as it learns: labelled rows in, a pool whose members and weights follow them, and the times at which it is due to be announced again.

What a row would have been answered is told by the revision that was in force when the row was predicted, however late its label comes: an online member that has learnt from later
labels knows more than it could have known. Rows are learnt in the order of their topic, each once, so that any cut of the log gives the same pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Bool, Column, Float64, Int64
from detectors.rows.examples import Examples
from detectors.rows.row_store import position_of
from detectors.specification import MonitorSpecification
from retrainer.trainers import Candidate, Model, TrainingError
from retrainer.trainers.adaptive_pool import JOINING, AdaptivePool, Member, followed, nothing_told
from retrainer.trainers.online_member import OnlineMember, fresh
from retrainer.trainers.scikit_learn import ScikitLearnModel
from retrainer.trial import fixed_scale
from retrainer.versions import Version

FIRST = "first"
"""Name of the batch model that a pool begins with."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A revision that may still be asked what it answered.

    Attributes
    ----------
    since : epoch milliseconds from which on it was in force.
    members, weights, sums, online : of the pool at that time.
    """

    since: int
    members: tuple[Member, ...]
    weights: Float64
    sums: Float64
    online: tuple[OnlineMember, ...]

    def sums_of(self, members: Sequence[Member]) -> Float64:
        """What labels had told of some members by then, a row for each; nothing of those that joined later."""
        place = {member.name: place for place, member in enumerate(self.members)}
        found = np.zeros((len(members), self.sums.shape[1]))
        for mine, member in enumerate(members):
            if member.name in place:
                found[mine] = self.sums[place[member.name]]
        return found


class Learner:
    """A pool that learns.

    Parameters
    ----------
    pool : as it was announced last; it is changed.
    since : epoch milliseconds from which on that pool is in force.
    learnt : last place of each source partition that it learnt from, as (offset, index).
    update_every : labels between two revisions.
    most_members : batch models that are kept; of too many, the one with the least weight goes, the newest excepted.
    most_held : revisions whose online members are held for labels that come late; rows that were predicted before the oldest one teach these, and leave their weights as they are.

    Attributes
    ----------
    unweighed : labelled rows that did so as an older revision was held no more.
    stretches : labelled rows that it was shown since it was announced last, as half-open intervals of their count: what neither serves nor is judged learns nothing meanwhile.
    """

    def __init__(self, pool: AdaptivePool, *, since: int, learnt: dict[str, list[int]], update_every: int, most_members: int, most_held: int) -> None:
        self.pool = pool
        self.learnt = {int(partition): place for partition, place in learnt.items()}
        self._update_every, self._most = update_every, most_members
        self._labels = 0
        self.stretches: list[tuple[int, int]] = []
        self._held: deque[Held] = deque(maxlen=most_held)
        self._has_let_go = False
        self.unweighed = 0
        self.hold(since)

    @property
    def left(self) -> int:
        """Labels until the next revision."""
        return self._update_every - self._labels

    def new(self, rows: Examples) -> Bool:
        """(n,) True for rows that it has not learnt from."""
        place = position_of(rows.offset, rows.index)
        mask = np.ones(len(rows), np.bool_)
        for partition, (offset, index) in self.learnt.items():
            mask &= (rows.partition != partition) | (place > position_of(np.array([offset]), np.array([index])))
        return mask

    def went_on(self, start: int, stop: int) -> None:
        """It is shown the labelled rows of an interval of their count."""
        if self.stretches and self.stretches[-1][1] == start:
            start = self.stretches.pop()[0]
        self.stretches.append((start, stop))

    def hold(self, since: int) -> None:
        """The pool as it is now is a revision, in force from a time on."""
        self._labels = 0
        frozen = [one.frozen() for one in self.pool.online]
        self._artifacts = [artifact for _, artifact in frozen]
        self._has_let_go |= len(self._held) == self._held.maxlen
        self._held.append(Held(since=since, members=self.pool.members, weights=self.pool.weights, sums=self.pool.sums, online=tuple(then for then, _ in frozen)))

    def artifact(self) -> bytes:
        """The pool as it was held last."""
        return self.pool.artifact(self._artifacts)

    def predicted(self, rows: Examples) -> Column:
        """(n,) what the revisions that were in force would have answered; None or nan before the first one."""
        answers = np.full(len(rows), np.nan if self.pool.task == "regression" else None, np.float64 if self.pool.task == "regression" else object)
        for place, mine in self._in_force(rows):
            held, part = self._held[place], rows.take(mine)
            then = replace(self.pool, members=held.members, online=held.online, weights=held.weights, sums=held.sums)
            answers[mine] = then.predict(part.features)
        return answers

    def learn(self, rows: Examples) -> None:
        """Learn from labelled rows, at most ``left`` of them."""
        if not len(rows):
            return
        if self._has_let_go:
            self.unweighed += int((rows.predicted_at < self._held[0].since).sum())
        pool = self.pool
        if pool.task == "classification":
            pool.classes = tuple(sorted({*pool.classes, *class_names(rows.label).tolist()}))
        said, batch = pool.said([member.model for member in pool.members], rows.features), len(pool.members)
        outputs = np.concatenate([said, pool.said(self._held[-1].online, rows.features)])
        awake = np.zeros((len(outputs), len(rows)), np.bool_)
        for place, member in enumerate(pool.members):
            awake[place] = rows.predicted_at > member.cut
        for place, mine in self._in_force(rows):
            held = self._held[place]
            awake[batch:, mine] = True
            outputs[:batch, mine] = pool.recalibrated(said[:, mine], held.sums_of(pool.members))
            if place < len(self._held) - 1:
                outputs[batch:, mine] = pool.said(held.online, rows.take(mine).features)
        losses = pool.losses(outputs, rows.label)
        pool.weights = followed(pool.weights, np.where(np.isfinite(losses), losses, 1.0), awake)
        pool.sums = pool.sums_after(said, rows.label, awake[:batch])
        for one in pool.online:
            one.learn(rows.features, rows.label)
        self._labels += len(rows)
        self.learnt |= learnt_until(rows)

    def join(self, member: Member) -> None:
        """A new batch model; it starts with `JOINING` of the weight."""
        pool = self.pool
        if pool.task == "classification":
            pool.classes = tuple(sorted({*pool.classes, *class_names(np.asarray(member.model.estimator.classes_)).tolist()}))
        weights = np.insert(pool.weights * (1 - JOINING), len(pool.members), JOINING)
        members, sums = (*pool.members, member), np.concatenate([pool.sums, nothing_told(pool.task, 1)])
        if len(members) > self._most:
            least = int(np.argmin(weights[: len(members) - 1]))
            members, weights, sums = members[:least] + members[least + 1 :], np.delete(weights, least), np.delete(sums, least, axis=0)
        pool.members, pool.weights, pool.sums = members, weights / weights.sum(), sums

    def _in_force(self, rows: Examples) -> list[tuple[int, Int64]]:
        """Held revisions and the rows that they were in force for; rows before the first are in none."""
        since = np.array([held.since for held in self._held])
        place = np.searchsorted(since, rows.predicted_at, side="right") - 1
        return [(int(one), np.flatnonzero(place == one)) for one in np.unique(place[place >= 0])]


def learnt_until(rows: Examples) -> dict[int, list[int]]:
    """Last place of each source partition, as [offset, index]."""
    found = {}
    for partition in np.unique(rows.partition).tolist():
        here = np.flatnonzero(rows.partition == partition)
        last = here[np.argmax(position_of(rows.offset[here], rows.index[here]))]
        found[partition] = [int(rows.offset[last]), int(rows.index[last])]
    return found


def started(candidate: Candidate, rows: Examples, specification: MonitorSpecification, *, cut: int, seed: int, champion: Model | None = None) -> Candidate:
    """A pool of a batch model and online ones that have learnt from the same rows, beside the champion where there is one.

    Parameters
    ----------
    candidate : of a batch trainer.
    rows : that it was trained on, in their order.
    cut : epoch milliseconds; the latest that it has seen.

    Raises
    ------
    TrainingError
        If the candidate is no model of scikit-learn, whose probabilities a pool weighs.
    """
    task, batch = specification.task, _batch(candidate)
    members = [Member.of("champion", champion, cut)] if isinstance(champion, ScikitLearnModel) else []
    members.append(Member.of(FIRST, batch, cut))
    online = fresh(specification.retrain.online, rows.features, task, positive=batch.positive, seed=seed)
    for one in online:
        one.learn(rows.features, rows.label)
    classes = () if task == "regression" else tuple(sorted(set(class_names(rows.label).tolist())))
    pool = AdaptivePool(
        members=tuple(members),
        online=online,
        weights=_first_weights(len(members), len(online)),
        sums=nothing_told(task, len(members)),
        task=task,
        classes=classes,
        positive=batch.positive,
        scale=1.0 if task == "classification" else fixed_scale(np.full(len(rows), np.median(np.asarray(rows.label, np.float64))), rows.label),
    )
    return Candidate(model=pool, parameters=candidate.parameters | {"champion": "adaptive", "online": [one.name for one in online]}, metrics=candidate.metrics)


def _first_weights(members: int, online: int) -> Float64:
    """(members + online,) weights of a new pool: its own batch model has as much as one that joins later, and the others share the rest alike."""
    weights = np.full(members + online, (1 - JOINING) / max(1, members + online - 1))
    weights[members - 1] = JOINING
    return np.asarray(weights / weights.sum())


def member(name: str, candidate: Candidate, cut: int) -> Member:
    """A candidate as a member of a pool; `TrainingError` if it is no model of scikit-learn."""
    return Member.of(name, _batch(candidate), cut)


def is_adaptive(record: Version) -> bool:
    """Whether a version is a pool."""
    return record.parameters.get("champion") == "adaptive"


def _batch(candidate: Candidate) -> ScikitLearnModel:
    if not isinstance(candidate.model, ScikitLearnModel):
        raise TrainingError(f"batch members of an adaptive champion are models of scikit-learn, got {type(candidate.model).__name__}; name such a retrain.trainer")
    return candidate.model
