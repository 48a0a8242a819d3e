"""What stands beside the closed loop: no retraining, retraining whenever a drift detector says so, retraining every 500 labels, and river's adaptive random forest.

All of them predict a row before anything is learnt from it, and see a label when it is known. Those that retrain do so with the loop's own trainer, at once and without a gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from river import forest
from river.drift import ADWIN
from river.drift.binary import DDM

from bench.retraining.streams import LABEL, Stream
from detectors.event_batch import Column
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import table_examples
from retrainer.trainers import Model, Trainer, TrainingContext, TrainingError
from streams.file_events import feature_columns, outcome_column
from streams.tables import Table

WINDOW = 2_000
EVERY = 500
_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a policy did.

    Attributes
    ----------
    loss : mean loss on the rows that were predicted: share of errors, or mean absolute error.
    fits : trainings after the first champion's.
    """

    loss: float
    fits: int


class Policy(Protocol):
    """Says when to retrain."""

    def learn_from(self, error: float) -> int:
        """How many of the newest labelled rows to train on now; 0 for not now."""


class Never:
    """The first champion stays."""

    def learn_from(self, error: float) -> int:  # noqa: ARG002  the protocol's
        """Nothing."""
        return 0


class EverySoMany:
    """A training every 500 labels, on the newest 2,000."""

    def __init__(self) -> None:
        self._labels = 0

    def learn_from(self, error: float) -> int:  # noqa: ARG002  the protocol's
        """The window, every so often."""
        self._labels += 1
        return WINDOW if self._labels % EVERY == 0 else 0


class OnAdwin:
    """A training when ADWIN (Bifet & Gavalda 2007) cuts its window, on what it kept."""

    def __init__(self) -> None:
        self._detector = ADWIN()  # type: ignore[no-untyped-call]  # river

    def learn_from(self, error: float) -> int:
        """The rows after the cut."""
        self._detector.update(error)  # type: ignore[no-untyped-call]  # river
        if not self._detector.drift_detected:
            return 0
        rows, self._detector = int(self._detector.width), ADWIN()  # type: ignore[no-untyped-call]  # river; the new model has errors of its own
        return rows


class OnDdm:
    """A training when DDM (Gama et al. 2004) alarms, on what came since its last warning began."""

    def __init__(self) -> None:
        self._detector = DDM()
        self._since_warning = 0

    def learn_from(self, error: float) -> int:
        """The rows since the warning."""
        self._detector.update(error > 0)  # type: ignore[no-untyped-call]  # river
        if not self._detector.drift_detected:
            self._since_warning = self._since_warning + 1 if self._detector.warning_detected else 0
            return 0
        rows, self._since_warning, self._detector = self._since_warning + 1, 0, DDM()
        return rows


POLICIES: dict[str, Callable[[], Policy]] = {"static": Never, "ddm": OnDdm, "adwin": OnAdwin, "every-500": EverySoMany}
FOREST = "forest"
BASELINES = (*POLICIES, FOREST)


@dataclass(frozen=True, kw_only=True)
class Data:
    """A stream as models see it: features, and labels in the kind that the task has."""

    features: dict[str, Column]
    label: Column

    @staticmethod
    def of(table: Table, specification: MonitorSpecification) -> Data:
        """The columns of a table."""
        return Data(features=feature_columns(specification, table), label=outcome_column(specification, table, LABEL))

    def take(self, rows: slice) -> Data:
        """Some rows."""
        return Data(features={name: column[rows] for name, column in self.features.items()}, label=self.label[rows])

    def losses(self, predicted: Column) -> Column:
        """(n,) 1 for a wrong class, or absolute errors."""
        if self.label.dtype == object:
            return np.asarray(predicted != self.label, np.float64)
        return np.abs(np.asarray(predicted, np.float64) - self.label)


def retrained(stream: Stream, delay: int, specification: MonitorSpecification, trainer: Trainer, policy: Policy) -> Measured:
    """A policy on a stream; a training that fails changes nothing, and counts."""
    data, known = Data.of(stream.table, specification), stream.known
    n = len(stream)
    model = _fit(data.take(slice(0, known)), specification, trainer)
    losses, fits, row = np.zeros(n), 0, known
    scale = 1.0 if specification.task == "classification" else float(np.ptp(data.label[:known])) or 1.0
    while row < n:
        end = min(row + _AT_ONCE, n)
        part = data.take(slice(row, end))
        losses[row:end] = part.losses(model.predict(part.features))
        for now in range(row, end):
            labelled = now - delay
            rows = policy.learn_from(min(float(losses[labelled]) / scale, 1.0)) if labelled >= known else 0
            if rows:
                fits += 1
                try:
                    model = _fit(data.take(slice(max(0, labelled + 1 - rows), labelled + 1)), specification, trainer)
                except TrainingError:
                    continue
                end = now + 1
                break
        row = end
    return Measured(loss=float(losses[known:].mean()), fits=fits)


def adaptive_forest(stream: Stream, delay: int, specification: MonitorSpecification) -> Measured:
    """The adaptive random forest of river at its defaults, which learns from every label."""
    data, known = Data.of(stream.table, specification), stream.known
    made: Any = forest.ARFRegressor(seed=1) if specification.task == "regression" else forest.ARFClassifier(seed=1)
    rows = [dict(zip(data.features, values, strict=True)) for values in zip(*(column.tolist() for column in data.features.values()), strict=True)]
    labels = data.label.tolist()
    predicted: list[Any] = []
    learnt = 0
    for now in range(known - 1, len(rows)):
        if now >= known:
            predicted.append(made.predict_one(rows[now]))
        while learnt <= max(now - delay, known - 1):  # as the first champion, it knows all that came before
            made.learn_one(rows[learnt], labels[learnt])
            learnt += 1
    part = data.take(slice(known, None))
    return Measured(loss=float(part.losses(np.array(predicted, part.label.dtype)).mean()), fits=0)


def measured(name: str, stream: Stream, delay: int, specification: MonitorSpecification, trainer: Trainer) -> Measured:
    """One of `BASELINES` on a stream."""
    return adaptive_forest(stream, delay, specification) if name == FOREST else retrained(stream, delay, specification, trainer, POLICIES[name]())


def _fit(data: Data, specification: MonitorSpecification, trainer: Trainer) -> Model:
    return trainer.train(table_examples(data.features, data.label, model=specification.model, at=0), specification, TrainingContext(cause="bench")).model
