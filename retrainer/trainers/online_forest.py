"""Online training with river: an adaptive random forest (Gomes et al. 2017) that learns from one label after the other, and replaces trees whose errors rise.

It follows a drift without being told of it, and is seldom as good as a batch model where nothing changes. Numbers are taken as they are, classes as nominal; what is missing is
left out of a row. A row takes about a millisecond to learn.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from river import forest
from river.__version__ import __version__ as river_version

from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification, Task
from retrainer import river_artifact
from retrainer.trainers import Candidate, TrainingContext, TrainingError

_KIND = b"driftwarden river 1\n"


@dataclass(kw_only=True)
class OnlineForest:
    """A forest, and how its rows are coded: features and classes by their places, so that the same forest has the same bytes whatever objects its names once were.

    Attributes
    ----------
    forest : river's.
    task : "classification" or "regression".
    levels : feature name to its levels, in the order in which they came; None for a numeric feature.
    classes : in the order in which they came; none for a regression.
    positive : class that the score speaks of, None where there is none.
    """

    name: ClassVar[str] = "forest"

    forest: Any
    task: Task
    levels: dict[str, list[str] | None]
    classes: list[str] = field(default_factory=list)
    positive: str | None = None

    @staticmethod
    def fresh(features: dict[str, Column], task: Task, *, positive: str | None, seed: int) -> OnlineForest:
        """One that has learnt nothing, for columns of these names and kinds."""
        levels: dict[str, list[str] | None] = {name: None if column.dtype.kind in "fiub" else [] for name, column in features.items()}
        nominal = [place for place, known in enumerate(levels.values()) if known is not None] or None
        kind = forest.ARFRegressor if task == "regression" else forest.ARFClassifier
        return OnlineForest(forest=kind(seed=seed, nominal_attributes=nominal), task=task, levels=levels, positive=positive)

    def learn(self, features: dict[str, Column], label: Column) -> None:
        """Learn from labelled rows, in their order."""
        labels = label.tolist() if self.task == "regression" else _places(class_names(label), self.classes, grow=True)
        for row, truth in zip(self._rows(features, grow=True), labels, strict=True):
            self.forest.learn_one(row, truth)

    def frozen(self) -> tuple[OnlineForest, bytes]:
        """The forest as it is now, which will learn nothing more, and its artifact."""
        content = river_artifact.packed(self.forest)
        levels = {name: None if known is None else list(known) for name, known in self.levels.items()}
        then = OnlineForest(forest=river_artifact.unpacked(content), task=self.task, levels=levels, classes=list(self.classes), positive=self.positive)
        return then, self._head() + river_artifact.compressed(content)

    def probabilities(self, features: dict[str, Column], classes: tuple[str, ...]) -> Float64:
        """(n, k) probability of each of some classes; rows of zeros while nothing was learnt."""
        places = [self.classes.index(name) if name in self.classes else -1 for name in classes]
        told = [self.forest.predict_proba_one(row) for row in self._rows(features)]
        return np.array([[row.get(place, 0.0) for place in places] for row in told], np.float64).reshape(len(told), len(classes))

    def predict(self, features: dict[str, Column]) -> Column:
        """(n,) class names or numbers."""
        told = [self.forest.predict_one(row) for row in self._rows(features)]
        if self.task == "regression":
            return np.array(told, np.float64)
        return np.array([None if place is None else self.classes[place] for place in told], object)

    def score(self, features: dict[str, Column]) -> Float64:
        """(n,) probability of the positive class, nan where there is none."""
        if self.positive is None:
            return np.full(len(next(iter(features.values()))), np.nan)
        return self.probabilities(features, (self.positive,))[:, 0]

    def artifact(self) -> bytes:
        """The forest as river keeps it, behind how its rows are coded."""
        return self._head() + river_artifact.dump(self.forest)

    @staticmethod
    def is_artifact(artifact: bytes) -> bool:
        """Whether these bytes are one of its artifacts."""
        return artifact.startswith(_KIND)

    @staticmethod
    def from_artifact(artifact: bytes) -> OnlineForest:
        """The forest of an artifact whose digest was checked."""
        head, _, content = artifact.removeprefix(_KIND).partition(b"\n")
        told = json.loads(head)
        return OnlineForest(forest=river_artifact.load(content), task=told["task"], levels=dict(told["levels"]), classes=told["classes"], positive=told["positive"])

    def _head(self) -> bytes:
        told = {"task": self.task, "levels": list(self.levels.items()), "classes": self.classes, "positive": self.positive}
        return _KIND + json.dumps(told).encode() + b"\n"

    def _rows(self, features: dict[str, Column], *, grow: bool = False) -> list[dict[int, Any]]:
        """Rows as river takes them: values by the place of their feature, without what is missing."""
        missing = [name for name in self.levels if name not in features]
        if missing:
            raise KeyError(f"the model needs the features {missing}, got {sorted(features)}")
        columns = [_finite(features[name]) if known is None else _places(class_names(features[name]), known, grow=grow) for name, known in self.levels.items()]
        return [{place: value for place, value in enumerate(row) if value is not None} for row in zip(*columns, strict=True)]


@dataclass(frozen=True, kw_only=True)
class OnlineTrainer:
    """The trainer ``river``: a forest that learns from all rows, one after the other; in mode "online" it goes on from the champion's, if that is a forest of the same features."""

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Learn from all rows, in their order."""
        if not len(examples) or not examples.features:
            raise TrainingError(f"got {len(examples)} rows with {len(examples.features)} features; there is nothing to learn from")
        parent = context.parent if context.mode == "online" else None
        warm = isinstance(parent, OnlineForest) and parent.task == specification.task and list(parent.levels) == list(examples.features)
        model = (
            parent.frozen()[0]
            if isinstance(parent, OnlineForest) and warm
            else OnlineForest.fresh(examples.features, specification.task, positive=specification.positive_class, seed=context.seed)
        )
        model.learn(examples.features, examples.label)
        told = {"trainer": "river", "estimator": type(model.forest).__name__, "seed": context.seed, "warm_start": warm, "river": river_version}
        return Candidate(model=model, parameters=told)


def _finite(column: Column) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in np.asarray(column, np.float64).tolist()]


def _places(names: Column, known: list[str], *, grow: bool) -> list[int | None]:
    """Places of names among those that are known, None for missing and unknown ones; with ``grow`` new ones are known from now on, in the order in which they come."""
    place: dict[str | None, int | None] = {name: code for code, name in enumerate(known)}
    if grow:
        for name in dict.fromkeys(names.tolist()):
            if name is not None and name not in place:
                place[name] = len(known)
                known.append(name)
    return [place.get(name) for name in names.tolist()]
