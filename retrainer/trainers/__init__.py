"""Trainers: examples in, a fitted candidate out.

A trainer is any object with ``train(examples, specification, context)``. It raises `TrainingError`, or anything else, when there is no model of use: the loop turns that into
an announced rejection, and the champion stays.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from detectors.columns.class_names import class_names
from detectors.errors import SettingsError
from detectors.event_batch import Column, Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification


class TrainingError(Exception):
    """There is no model, and the message says why."""


class Model(Protocol):
    """A fitted model: features in, predictions out."""

    def predict(self, features: dict[str, Column]) -> Column:
        """(n,) class names (object array of str) or float64 numbers."""

    def score(self, features: dict[str, Column]) -> Float64:
        """(n,) probability of the positive class, nan where there is none."""

    def artifact(self) -> bytes:
        """The model as bytes; the same model always gives the same ones."""


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """What a trainer is told besides the rows.

    Attributes
    ----------
    seed : for everything random; the same rows and seed give the same model.
    cause : alert id or request id.
    mode : "batch" or "online".
    parent : the champion, for an online training to go on from; None for a training from nothing.
    """

    seed: int = 0
    cause: str = ""
    mode: Literal["online", "batch"] = "batch"
    parent: Model | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fitted model, and what is worth remembering of its training."""

    model: Model
    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Trainer(Protocol):
    """Makes candidates."""

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Fit a model on all rows of ``examples``."""


def trainer_named(name: str, *, variables: tuple[str, ...] = ()) -> Trainer:
    """The trainer of a specification: ``scikit-learn``, ``search``, ``river``, ``module:function`` that returns a fitted scikit-learn estimator, or ``command: PROGRAM ARGUMENTS``.

    Loading one runs a user's code; of a name that others may write, ask whoever runs this process first.

    Parameters
    ----------
    variables : of the environment that a command is given besides those that every program needs.

    Raises
    ------
    SettingsError
        If there is no such trainer, or its module cannot be imported, whatever it raises.
    """
    from retrainer.trainers.scikit_learn import FunctionTrainer, ScikitLearnTrainer  # noqa: PLC0415  scikit-learn takes a second to import; the protocol should not

    if name == "scikit-learn":
        return ScikitLearnTrainer()
    if name == "river":
        from retrainer.trainers.online_forest import OnlineTrainer  # noqa: PLC0415  as above

        return OnlineTrainer()
    if name == "search":
        from retrainer.trainers.search import SearchTrainer  # noqa: PLC0415  as above

        return SearchTrainer()
    if name.startswith("command:"):
        from retrainer.trainers.command import CommandTrainer  # noqa: PLC0415  as above

        command = name.removeprefix("command:").strip()
        if not command:
            raise SettingsError("retrain.trainer 'command:' names no program; write such as 'command: python train.py'")
        return CommandTrainer(command=command, variables=variables)
    module, colon, function = name.partition(":")
    if not colon:
        raise SettingsError(f"retrain.trainer must be 'scikit-learn', 'search', 'river', 'module:function' or 'command: PROGRAM', got {name!r}")
    try:
        return FunctionTrainer(name=name, function=getattr(importlib.import_module(module), function))
    except (Exception, SystemExit) as error:  # a module may raise whatever it likes while it is imported
        why = f"{type(error).__name__}: {error}"
        raise SettingsError(f"retrain.trainer {name!r} cannot be imported: {why}; the module has to be on the Python path of the retrainer") from error


def answered(model: Model, features: dict[str, Column]) -> tuple[Column, Float64]:
    """(n,) predictions and (n,) scores; a pool asks its members once for both, as a row is most of a millisecond of its forest."""
    at_once = getattr(model, "answered", None)
    return (model.predict(features), model.score(features)) if at_once is None else at_once(features)


def check(candidate: Candidate, examples: Examples, specification: MonitorSpecification) -> None:
    """Refuse a model of no use: one that predicts nothing, or always the same.

    Raises
    ------
    TrainingError
        With the reason.
    """
    predictions = candidate.model.predict(examples.features)
    if len(predictions) != len(examples):
        raise TrainingError(f"the model gives {len(predictions)} predictions for {len(examples)} rows")
    if specification.task == "regression":
        if not np.isfinite(np.asarray(predictions, np.float64)).all():
            raise TrainingError("the model predicts nan or infinity on its own training rows")
        return
    names = class_names(predictions)
    if any(name is None for name in names.tolist()):
        raise TrainingError("the model predicts nan on its own training rows")
    if len(set(names.tolist())) < 2:
        raise TrainingError(f"the model predicts one class only ({names[0]!r}) on its own training rows")
