"""Batch training with scikit-learn: gradient-boosted trees on numbers and coded categories.

Trees take missing values as they are, so nothing is imputed: a missing value may itself be a sign. A category is coded by its place among the levels of the training rows;
an unknown one counts as missing. Artifacts are in the skops format: no pickle, and types come from a list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import ThreadpoolController  # ships no types

from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.skops_artifact import dump
from retrainer.trainers import Candidate, TrainingContext, TrainingError

MAX_LEVELS = 200
"""Levels of a categorical feature that are told apart, the most frequent first; trees bin into 255."""


THREADS = ThreadpoolController()  # finding the libraries takes 6 ms, so it is done once


@dataclass(frozen=True, kw_only=True)
class ScikitLearnModel:
    """A fitted estimator with the coding of its features.

    Attributes
    ----------
    estimator : has ``predict`` (and ``predict_proba`` for a score) on a float64 matrix.
    levels : feature name to its levels, sorted; None for a numeric feature. Its order is that of the matrix' columns.
    task : "classification" or "regression".
    positive : class that the score speaks of, None where there is none.
    """

    estimator: Any
    levels: dict[str, list[str] | None]
    task: str
    positive: str | None = None

    def predict(self, features: dict[str, Column]) -> Column:
        """(n,) class names or numbers."""
        matrix = encode(features, self.levels)
        if not len(matrix):
            return np.empty(0, np.float64 if self.task == "regression" else object)
        with THREADS.limit(limits=1):
            predictions = self.estimator.predict(matrix)
        return np.asarray(predictions, np.float64) if self.task == "regression" else class_names(np.asarray(predictions))

    def score(self, features: dict[str, Column]) -> Float64:
        """(n,) probability of the positive class, nan where there is none."""
        matrix = encode(features, self.levels)
        classes = [] if self.positive is None or not hasattr(self.estimator, "predict_proba") else class_names(np.asarray(self.estimator.classes_)).tolist()
        if self.positive not in classes or not len(matrix):
            return np.full(len(matrix), np.nan)
        with THREADS.limit(limits=1):
            probabilities = self.estimator.predict_proba(matrix)
        return np.asarray(probabilities[:, classes.index(self.positive)], np.float64)

    def probabilities(self, features: dict[str, Column], classes: tuple[str, ...]) -> Float64:
        """(n, k) probability of each of some classes; certainty where the estimator tells none."""
        if not hasattr(self.estimator, "predict_proba"):
            return np.asarray(self.predict(features)[:, None] == np.array(classes, object), np.float64)
        matrix = encode(features, self.levels)
        found = np.zeros((len(matrix), len(classes)))
        if len(matrix):
            with THREADS.limit(limits=1):
                told = self.estimator.predict_proba(matrix)
            for place, name in enumerate(class_names(np.asarray(self.estimator.classes_)).tolist()):
                if name in classes:
                    found[:, classes.index(name)] = told[:, place]
        return found

    def artifact(self) -> bytes:
        """The model in the skops format."""
        return dump({"format": 1, "estimator": self.estimator, "levels": self.levels, "task": self.task, "positive": self.positive})

    @staticmethod
    def from_content(content: dict[str, Any]) -> ScikitLearnModel:
        """The model of an artifact's content."""
        return ScikitLearnModel(estimator=content["estimator"], levels=content["levels"], task=content["task"], positive=content["positive"])


@dataclass(frozen=True, kw_only=True)
class ScikitLearnTrainer:
    """Histogram gradient boosting, in a size that 2,000 rows take a few tenths of a second on one core.

    Parameters
    ----------
    iterations, leaves, learning_rate : of the boosting; classes share the iterations, as each of them costs a tree.
    min_leaf : rows in a leaf; a window after a change is small, so the default of 20 is kept.
    """

    iterations: int = 80
    leaves: int = 15
    learning_rate: float = 0.1
    min_leaf: int = 20
    parameters: dict[str, Any] = field(default_factory=dict)

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Fit on all rows."""
        batch_only(context, "scikit-learn")
        levels, matrix, label = prepare(examples, specification)
        categorical = [known is not None for known in levels.values()]
        kind = HistGradientBoostingRegressor if specification.task == "regression" else HistGradientBoostingClassifier
        classes = 1 if specification.task == "regression" else len(np.unique(label.astype(str)))
        iterations = self.iterations if classes <= 2 else max(20, self.iterations * 2 // classes)
        told = {
            "max_iter": iterations,
            "max_leaf_nodes": self.leaves,
            "learning_rate": self.learning_rate,
            "min_samples_leaf": self.min_leaf,
            "early_stopping": False,
        } | self.parameters
        estimator = kind(random_state=context.seed, categorical_features=categorical if any(categorical) else None, **told)
        with THREADS.limit(limits=1):  # the cores belong to the workers; a training has time
            estimator.fit(matrix, label)
        return finish(estimator, levels, matrix, label, specification, {"trainer": "scikit-learn", "estimator": kind.__name__, "seed": context.seed} | told)


@dataclass(frozen=True, kw_only=True)
class FunctionTrainer:
    """A user's ``function(matrix, label, context)`` that returns a fitted estimator with ``predict``.

    ``matrix`` is (n, p) float64 with coded categories (nan is missing), ``label`` (n,) class names or numbers. Only estimators of scikit-learn can be stored.
    """

    name: str
    function: Callable[[Float64, Column, TrainingContext], Any]

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Call the function on all rows.

        Raises
        ------
        TrainingError
            If it raises anything, what it returns is no fitted estimator, or there is nothing to learn from.
        """
        batch_only(context, self.name)
        levels, matrix, label = prepare(examples, specification)
        try:
            estimator = self.function(matrix, label, context)
            if not hasattr(estimator, "predict"):
                raise TrainingError(f"{self.name} returned {type(estimator).__name__}, which has no 'predict'; return the fitted estimator")
            return finish(estimator, levels, matrix, label, specification, {"trainer": self.name, "estimator": type(estimator).__name__, "seed": context.seed})
        except TrainingError:
            raise
        except (Exception, SystemExit) as error:  # a user's function may raise whatever it likes
            raise TrainingError(f"{self.name} raised {type(error).__name__}: {error}") from error


def of_numbers(estimator: Any, specification: MonitorSpecification) -> ScikitLearnModel:
    """The model of an estimator that was fitted elsewhere, on numbers.

    Its columns are those that it was fitted on by name, or the monitor's features in their order. Categories are refused: nobody knows how it codes them.

    Raises
    ------
    ValueError
        If it has no ``predict``, or cannot answer with the monitor's features.
    """
    declared = specification.features
    names = [str(name) for name in getattr(estimator, "feature_names_in_", declared)]
    strange = [name for name in names if name not in declared or declared[name].type != "numeric"]
    if not hasattr(estimator, "predict") or not names or strange:
        what = f"{', '.join(strange[:3])} of its columns are no numeric features of the monitor" if strange else "it has no 'predict', or no columns"
        raise ValueError(
            f"{what}; expected a fitted estimator on numbers that the monitor declares. With retrain.trainer 'module:function' or 'command:' Driftwarden trains one on categories"
        )
    forget_names(estimator)
    known = [] if specification.task == "regression" else class_names(np.asarray(getattr(estimator, "classes_", []))).tolist()
    positive = specification.positive_class or (known[-1] if len(known) == 2 else None)
    model = ScikitLearnModel(estimator=estimator, levels=dict.fromkeys(names), task=specification.task, positive=positive)
    model.predict({name: np.zeros(1) for name in names})  # what it cannot answer it says here, and not to whom it serves
    return model


def forget_names(estimator: Any) -> None:
    """Have an estimator that was fitted on a data frame take a matrix of the same columns; it would warn of that each time."""
    for part in (estimator, *(step for _, step in getattr(estimator, "steps", ()))):
        if hasattr(part, "__dict__"):
            vars(part).pop("feature_names_in_", None)


def prepare(examples: Examples, specification: MonitorSpecification) -> tuple[dict[str, list[str] | None], Float64, Column]:
    """Levels, (n, p) matrix and (n,) label to fit on.

    Raises
    ------
    TrainingError
        If there are no rows, no features, or one class only.
    """
    label = examples.label if specification.task == "regression" else class_names(examples.label)
    if not len(examples) or not examples.features:
        raise TrainingError(f"got {len(examples)} rows with {len(examples.features)} features; there is nothing to learn from")
    if specification.task == "classification" and len(set(label.tolist())) < 2:
        raise TrainingError(f"all {len(examples)} training rows have the label {label[0]!r}; there is nothing to tell apart")
    levels = {name: _levels(column, name, specification) for name, column in examples.features.items()}
    return levels, encode(examples.features, levels), label if specification.task == "classification" else np.asarray(label, np.float64)


def finish(estimator: Any, levels: dict[str, list[str] | None], matrix: Float64, label: Column, specification: MonitorSpecification, parameters: dict[str, Any]) -> Candidate:
    """Wrap a fitted estimator, with its metrics on the training rows."""
    with THREADS.limit(limits=1):
        fitted = estimator.predict(matrix)
    positive = specification.positive_class
    if specification.task == "regression":
        metrics = {"training_mae": float(np.mean(np.abs(fitted - label)))}
    else:
        classes = sorted(set(label.tolist()))
        positive = positive or (classes[-1] if len(classes) == 2 else None)
        metrics = {"training_accuracy": float(np.mean(class_names(np.asarray(fitted)) == label))}
    model = ScikitLearnModel(estimator=estimator, levels=levels, task=specification.task, positive=positive)
    return Candidate(model=model, parameters=parameters | {"scikit-learn": sklearn.__version__, "numpy": np.__version__}, metrics=metrics)


def encode(features: dict[str, Column], levels: dict[str, list[str] | None]) -> Float64:
    """(n, p) matrix: numbers as they are, categories as places among their levels, nan for missing and unknown.

    Examples
    --------
    >>> encode({"x": np.array([1.5, np.nan]), "city": np.array(["Rome", "Ulm"], object)}, {"x": None, "city": ["Bonn", "Rome"]}).tolist()
    [[1.5, 1.0], [nan, nan]]
    """
    missing = [name for name in levels if name not in features]
    if missing:
        raise KeyError(f"the model needs the features {missing}, got {sorted(features)}")
    columns = [_numbers(features[name]) if known is None else _codes(features[name], known) for name, known in levels.items()]
    return np.column_stack(columns) if columns else np.empty((0, 0))


def _levels(column: Column, name: str, specification: MonitorSpecification) -> list[str] | None:
    declared = specification.columns.get(name)
    if not (declared.type == "categorical" if declared is not None else column.dtype.kind not in "fiub"):
        return None
    names = class_names(column)
    known, counts = np.unique(names[names != None].astype(str), return_counts=True)  # noqa: E711  elementwise
    return sorted(known[np.argsort(-counts, kind="stable")[:MAX_LEVELS]].tolist())


def _numbers(column: Column) -> Float64:
    numbers = np.asarray(column, np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _codes(column: Column, levels: list[str]) -> Float64:
    place = {level: float(code) for code, level in enumerate(levels)}
    distinct: dict[Any, float] = {name: place.get(name, np.nan) for name in set(class_names(column).tolist())}
    return np.array([distinct[name] for name in class_names(column).tolist()], np.float64)


def batch_only(context: TrainingContext, name: str) -> None:
    """Refuse to train online; `TrainingError`."""
    if context.mode != "batch":
        raise TrainingError(f"the trainer '{name}' trains in batches, got mode '{context.mode}'; ask for mode 'batch'")
