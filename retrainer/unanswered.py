"""What a model says of rows of which it may not be able to answer each: a user's estimator that takes no missing values meets one, or a level that no training row had.

An answer that is not given is a wrong one in the gate; it must not end the process that asks, which judges other models, too. Whoever serves a model asks the model itself, and
hears its error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.event_batch import Column, Float64, Int64
from detectors.specification import Task
from retrainer.trainers import Model, answered
from retrainer.trainers.scikit_learn import ScikitLearnModel, encode

_Answers = TypeVar("_Answers", bound=NDArray[Any])


def answers(model: Model, features: dict[str, Column], task: Task) -> tuple[Column, Float64]:
    """(n,) `predicted` and (n,) `scored`, of a model that is asked once where it can be."""
    try:
        return answered(model, features)
    except Exception:  # of a user's estimator, which may raise whatever it likes
        return predicted(model, features, task), scored(model, features)


def predicted(model: Model, features: dict[str, Column], task: Task) -> Column:
    """(n,) predictions; None, or nan of a regression, where the model raises an error."""
    nothing: Column = np.full(_length(features), np.nan) if task == "regression" else np.full(_length(features), None, object)
    return where_it_can(model.predict, model, features, nothing)


def scored(model: Model, features: dict[str, Column]) -> Float64:
    """(n,) scores; nan where there is none, or the model raises an error."""
    return where_it_can(model.score, model, features, np.full(_length(features), np.nan))


def where_it_can(ask: Callable[[dict[str, Column]], _Answers], model: object, features: dict[str, Column], nothing: _Answers) -> _Answers:
    """(n, ...) answers to all rows at once; where that fails, to those together that lack the same columns, and ``nothing`` to those for which it fails again.

    Examples
    --------
    >>> class Picky:
    ...     def predict(self, matrix):
    ...         if np.isnan(matrix).any():
    ...             raise ValueError("Input contains NaN")
    ...         return matrix[:, 0] * 2
    >>> model = ScikitLearnModel(estimator=Picky(), levels={"x": None}, task="regression")
    >>> predicted(model, {"x": np.array([1.0, np.nan, 3.0])}, "regression").tolist()
    [2.0, nan, 6.0]
    """
    try:
        return ask(features)
    except Exception:  # of a user's estimator, which may raise whatever it likes
        for rows in _alike(model, features):
            try:
                nothing[rows] = ask({name: column[rows] for name, column in features.items()})
            except Exception:  # noqa: S112  of a user's estimator, too; these rows keep `nothing`, and the gate counts them as not answered
                continue
        return nothing


def _alike(model: object, features: dict[str, Column]) -> Iterator[Int64]:
    """Places of the rows that lack the same columns, as the model codes them; none where it needs a column that is not there at all."""
    if not isinstance(model, ScikitLearnModel) or not set(model.levels) <= set(features):
        return
    _, kind = np.unique(np.isnan(encode(features, model.levels)), axis=0, return_inverse=True)
    for one in range(int(kind.max(initial=-1)) + 1):
        yield np.flatnonzero(kind == one)


def _length(features: dict[str, Column]) -> int:
    return len(next(iter(features.values()))) if features else 0
