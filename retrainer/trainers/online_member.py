"""What learns row by row in the pool of an adaptive champion: models of different families, as they err on different rows and follow a change at different speeds.

None of them costs a training. A forest learns almost anything, slowly; a linear model, naive Bayes and the nearest neighbours know a new concept after some dozen rows, where
it is one of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from detectors.event_batch import Column, Float64
from detectors.settings.retraining import Online
from detectors.specification import Task
from retrainer.trainers.online_arrays import OnlineArrays
from retrainer.trainers.online_bayes import OnlineBayes
from retrainer.trainers.online_forest import OnlineForest
from retrainer.trainers.online_linear import OnlineLinear
from retrainer.trainers.online_neighbours import OnlineNeighbours


class OnlineMember(Protocol):
    """A model that learns from one label after the other, and forgets."""

    @property
    def name(self) -> str:
        """Of its family."""

    def learn(self, features: dict[str, Column], label: Column) -> None:
        """Learn from labelled rows, in their order: the same rows teach the same however they are batched."""

    def probabilities(self, features: dict[str, Column], classes: tuple[str, ...]) -> Float64:
        """(n, k) probability of each of some classes; rows of zeros while nothing was learnt."""

    def predict(self, features: dict[str, Column]) -> Column:
        """(n,) class names or numbers."""

    def frozen(self) -> tuple[Self, bytes]:
        """The member as it is now, which will learn nothing more, and its artifact."""

    def artifact(self) -> bytes:
        """All that it has learnt; the same rows give the same bytes."""


_ARRAYS: dict[str, type[OnlineArrays]] = {kind.name: kind for kind in (OnlineLinear, OnlineBayes, OnlineNeighbours)}


def fresh(names: Sequence[Online], features: dict[str, Column], task: Task, *, positive: str | None, seed: int) -> tuple[OnlineMember, ...]:
    """Members that have learnt nothing, for columns of these names and kinds; of a regression, those that can tell numbers."""
    able = [name for name in names if task == "classification" or name != OnlineBayes.name]
    return tuple(OnlineForest.fresh(features, task, positive=positive, seed=seed) if name == OnlineForest.name else _ARRAYS[name].fresh(features, task) for name in able)


def from_artifact(name: str, artifact: bytes) -> OnlineMember:
    """A member of an artifact whose digest was checked."""
    return OnlineForest.from_artifact(artifact) if name == OnlineForest.name else _ARRAYS[name].from_artifact(artifact)
