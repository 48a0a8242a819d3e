"""The adaptive champion's model: a pool of batch models and of models that learn row by row, whose weights follow the labels.

Weights are those of exponentially weighted averages with fixed share (Herbster & Warmuth 1998): each label multiplies a member's weight by exp(-rate x loss), and a small share of
all weight is dealt out anew, so that a member that was bad before a change can come back. A member that was not there when a row was predicted, or that was trained on it,
sleeps through its label (Freund et al. 1997). Losses lie in [0, 1]: Brier's score of a classifier, the absolute error of a regression in units of a fixed scale. What batch models
say is recalibrated by the labels since: numbers by a line (`retrainer.trainers.recalibration`), probabilities by how far they may be believed (`retrainer.trainers.shrinkage`).

Do not use it where every served answer has to come from one model that a person has approved: its answers change with each revision.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Bool, Column, Float64
from detectors.specification import Task
from retrainer import skops_artifact
from retrainer.trainers import recalibration, shrinkage
from retrainer.trainers.online_member import OnlineMember, from_artifact
from retrainer.trainers.scikit_learn import ScikitLearnModel
from retrainer.unanswered import where_it_can

RATE = 0.2
"""How fast weights follow losses: 1 is optimal for independent losses of probabilities (Vovk 1998), less where neighbours are alike and a streak says little."""

SHARE = 0.002
"""Of all weight that is dealt out anew at a label: a change is expected once in 500."""

JOINING = 0.5
"""Of all weight that a new member gets: as much as all others together, as it alone has seen the newest rows."""

MIDDLE = 0.5
"""Share of the weight, in the middle of what members say of a number, whose mean is the answer: nearly as steady as that of all, and a quarter of the weight cannot spoil it."""

_TABLE = "pool.json"
_FORMAT = 4
_SUMS_SINCE: dict[Task, int] = {"regression": 3, "classification": 4}  # formats


@dataclass(frozen=True, kw_only=True)
class Member:
    """A batch model of the pool.

    Attributes
    ----------
    name : one of its own in the pool.
    cut : epoch milliseconds; it may have been trained on what was predicted until then.
    artifact : the model's bytes, which every revision holds again.
    """

    name: str
    model: ScikitLearnModel
    cut: int
    artifact: bytes

    @staticmethod
    def of(name: str, model: ScikitLearnModel, cut: int) -> Member:
        """A model under a name."""
        return Member(name=name, model=model, cut=cut, artifact=model.artifact())


@dataclass(kw_only=True)
class AdaptivePool:
    """Members and their weights.

    Attributes
    ----------
    members : batch models.
    online : models that learn from every label.
    weights : (m + o,) of the members and, behind them, of the online ones; they sum to 1.
    sums : (m, 5) what labels have told of the members' numbers, see `retrainer.trainers.recalibration`; of classes (m, 2), see `retrainer.trainers.shrinkage`.
    classes : that were seen so far; none for a regression.
    positive : class that the score speaks of, None where there is none.
    scale : absolute error that counts as a loss of 1.
    """

    members: tuple[Member, ...]
    online: tuple[OnlineMember, ...]
    weights: Float64
    sums: Float64
    task: Task
    classes: tuple[str, ...] = ()
    positive: str | None = None
    scale: float = 1.0

    def outputs(self, features: dict[str, Column], *, online: Sequence[OnlineMember] | None = None) -> Float64:
        """(m + o, n, k) what each member says: probabilities of ``classes``, or with k = 1 numbers. ``online`` stands in for the online ones."""
        online = self.online if online is None else online
        said = self.said([member.model for member in self.members], features)
        return np.concatenate([self.recalibrated(said, self.sums), self.said(online, features)])

    def said(self, models: Sequence[ScikitLearnModel | OnlineMember], features: dict[str, Column]) -> Float64:
        """(m, n, k) what some models say, as in `outputs`; of rows that one cannot answer nan, or no probability for any class."""
        n = len(next(iter(features.values()))) if features else 0
        found = np.empty((len(models), n, 1 if self.task == "regression" else len(self.classes)))
        for told, model in zip(found, models, strict=True):
            if self.task == "regression":
                told[:] = np.asarray(where_it_can(model.predict, model, features, np.full(n, np.nan)), np.float64)[:, None]
            else:
                told[:] = where_it_can(partial(model.probabilities, classes=self.classes), model, features, np.zeros(told.shape))
        return found

    def recalibrated(self, said: Float64, sums: Float64) -> Float64:
        """(m, n, k) what batch models say by what labels have told of them: numbers by a line, probabilities as far as they may be believed."""
        if self.task == "classification":
            return shrinkage.drawn(said, sums)
        level, slope = recalibration.lines(sums, self.scale).T
        return np.asarray(level[:, None, None] + slope[:, None, None] * said)

    def answers(self, outputs: Float64, weights: Float64) -> Column:
        """(n,) class names of the weighted mean, or the mean of the middle half of numbers, by weight, which no single member can spoil."""
        if self.task == "regression":
            return _middle(outputs[:, :, 0], weights)
        mixed = np.tensordot(weights, outputs, 1)
        return np.asarray(np.array(self.classes, object)[mixed.argmax(axis=1)])

    def losses(self, outputs: Float64, label: Column) -> Float64:
        """(m + o, n) in [0, 1]."""
        if self.task == "regression":
            return np.asarray(np.minimum(np.abs(outputs[:, :, 0] - np.asarray(label, np.float64)) / self.scale, 1.0))
        return np.asarray(((outputs - self._truth(label)) ** 2).sum(axis=2) / 2)

    def _truth(self, label: Column) -> Bool:
        """(n, k) which of the classes each label is."""
        return np.asarray(class_names(label)[:, None] == np.array(self.classes, object))

    def sums_after(self, said: Float64, label: Column, awake: Bool) -> Float64:
        """`sums` after labels, in their order.

        Parameters
        ----------
        said : (m, n, k) by the batch models themselves.
        awake : (m, n) False where a row says nothing of a model, as it was trained on it.
        """
        if self.task == "classification":
            return shrinkage.learnt(self.sums, said, self._truth(label), awake)
        return recalibration.learnt(self.sums, said[:, :, 0], np.asarray(label, np.float64), awake, scale=self.scale)

    def predict(self, features: dict[str, Column]) -> Column:
        """(n,) class names or numbers."""
        return self.answers(self.outputs(features), self.weights)

    def score(self, features: dict[str, Column]) -> Float64:
        """(n,) probability of the positive class, nan where there is none."""
        if self.positive is None or self.positive not in self.classes:
            return np.full(len(next(iter(features.values()))) if features else 0, np.nan)
        return self._scores(self.outputs(features))

    def answered(self, features: dict[str, Column]) -> tuple[Column, Float64]:
        """(n,) what `predict` and `score` tell, of members that are asked once."""
        outputs = self.outputs(features)
        return self.answers(outputs, self.weights), self._scores(outputs)

    def _scores(self, outputs: Float64) -> Float64:
        if self.positive is None or self.positive not in self.classes:
            return np.full(outputs.shape[1], np.nan)
        return np.asarray(np.tensordot(self.weights, outputs, 1)[:, self.classes.index(self.positive)])

    def artifact(self, online: Sequence[bytes] | None = None) -> bytes:
        """All members and weights; ``online`` are the online members' own artifacts, where they were made already."""
        told = {
            "format": _FORMAT,
            "task": self.task,
            "classes": self.classes,
            "positive": self.positive,
            "scale": self.scale,
            "weights": self.weights.tolist(),
            "sums": self.sums.tolist(),
            "members": [{"name": member.name, "cut": member.cut} for member in self.members],
            "online": [one.name for one in self.online],
        }
        parts = [one.artifact() for one in self.online] if online is None else online
        result = io.BytesIO()
        with zipfile.ZipFile(result, "w") as packed:
            packed.writestr(_part(_TABLE), json.dumps(told))
            for place, member in enumerate(self.members):
                packed.writestr(_part(_member(place)), member.artifact)
            for one, content in zip(self.online, parts, strict=True):
                packed.writestr(_part(_online(one.name)), content)
        return result.getvalue()

    @staticmethod
    def is_artifact(artifact: bytes) -> bool:
        """Whether these bytes are one of its artifacts."""
        try:
            with zipfile.ZipFile(io.BytesIO(artifact)) as packed:
                return _TABLE in packed.namelist()
        except zipfile.BadZipFile:
            return False

    @staticmethod
    def from_artifact(artifact: bytes) -> AdaptivePool:
        """The pool of an artifact whose digest was checked."""
        with zipfile.ZipFile(io.BytesIO(artifact)) as packed:
            told = json.loads(packed.read(_TABLE))
            parts = [packed.read(_member(place)) for place in range(len(told["members"]))]
            if told["format"] == 1:  # its only one was the forest
                online: tuple[OnlineMember, ...] = (from_artifact("forest", packed.read("online.river")),)
            else:
                online = tuple(from_artifact(name, packed.read(_online(name))) for name in told["online"])
        members = tuple(Member(name=one["name"], model=_loaded(part), cut=one["cut"], artifact=part) for one, part in zip(told["members"], parts, strict=True))
        return AdaptivePool(
            members=members,
            online=online,
            weights=np.array(told["weights"], np.float64),
            sums=np.array(told["sums"], np.float64) if told["format"] >= _SUMS_SINCE[told["task"]] else nothing_told(told["task"], len(members)),
            task=told["task"],
            classes=tuple(told["classes"]),
            positive=told["positive"],
            scale=told["scale"],
        )


def nothing_told(task: Task, members: int) -> Float64:
    """(m, 5) or (m, 2) sums before the first label, see `AdaptivePool`."""
    return recalibration.nothing(members) if task == "regression" else shrinkage.nothing(members)


def member_name(cause: str, slot: int) -> str:
    """Name of the batch model that a training adds: by its cause, and which of the cause's targets it was for."""
    return f"{cause}/{slot}"


def cause_of(member: str) -> str:
    """The cause that a member joined for.

    Examples
    --------
    >>> cause_of(member_name("a1", 2))
    'a1'
    """
    return member.rpartition("/")[0]


def followed(weights: Float64, losses: Float64, awake: Bool) -> Float64:
    """(m,) weights after labels, in their order.

    Parameters
    ----------
    weights : (m,), with sum 1.
    losses : (m, n) in [0, 1].
    awake : (m, n) False where a member sleeps: its weight then does what the pool's does as a whole.

    Examples
    --------
    >>> always = np.ones((2, 40), bool)
    >>> followed(np.array([0.5, 0.5]), np.repeat([[0.1], [0.4]], 40, axis=1), always).round(2).tolist()
    [0.91, 0.09]
    """
    said = np.where(awake, np.exp(-RATE * losses), np.nan)
    for factor, here in zip(said.T, awake.T, strict=True):
        if here.any():
            mixed = weights[here] @ factor[here] / weights[here].sum()
            weights = weights * np.where(here, factor, mixed)
            weights = (1 - SHARE) * weights / weights.sum() + SHARE / len(weights)
    return weights


def _middle(numbers: Float64, weights: Float64) -> Float64:
    """(n,) of (m, n) numbers, the mean of those that have the middle half of the weight; what is no number counts for nothing.

    Examples
    --------
    >>> _middle(np.array([[9.0], [1.0], [2.0]]), np.array([0.2, 0.2, 0.6])).tolist()
    [2.0]
    >>> _middle(np.array([[9.0], [1.0], [np.nan]]), np.array([0.25, 0.25, 0.5])).tolist()
    [5.0]
    """
    weight = np.where(np.isfinite(numbers), weights[:, None], 0.0)
    order = np.argsort(numbers, axis=0, kind="stable")
    numbers, weight = np.take_along_axis(numbers, order, axis=0), np.take_along_axis(weight, order, axis=0)
    upto, whole = np.cumsum(weight, axis=0), weight.sum(axis=0)
    edge = whole * (1 - MIDDLE) / 2
    inside = np.maximum(np.minimum(upto, whole - edge) - np.maximum(upto - weight, edge), 0.0)
    told = np.full(numbers.shape[1], np.nan)
    np.divide((np.where(inside > 0, numbers, 0.0) * inside).sum(axis=0), inside.sum(axis=0), out=told, where=whole > 0)
    return told


@lru_cache(maxsize=64)
def _loaded(part: bytes) -> ScikitLearnModel:
    """A member; each revision holds it again, and it never changes."""
    return ScikitLearnModel.from_content(skops_artifact.load(part))


def _member(place: int) -> str:
    return f"members/{place}.skops"


def _online(name: str) -> str:
    return f"online/{name}"


def _part(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # its time is fixed, so the same content gives the same bytes
