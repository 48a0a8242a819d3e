"""A trial: one challenger in the shadow of the champion, on events that were predicted after those it learnt from.

Their labels come after its training, too. Where labels are late, many of these events were predicted before the training, by the champion of that time: waiting for those that
are predicted after it would cost the labels' delay once more, and say nothing more of a model that knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Bool, Column, Float64
from detectors.rows.examples import Examples
from detectors.settings.retraining import Gate
from detectors.specification import MonitorSpecification, Task
from retrainer.gate import GateState, Verdict, step
from retrainer.trainers import Model
from retrainer.training_set import row_times
from retrainer.unanswered import predicted


@dataclass(kw_only=True)
class Trial:
    """One challenger's test.

    Attributes
    ----------
    version, model : the challenger.
    cut : of its training, epoch milliseconds: the time of the last label that it learnt from.
    after : epoch milliseconds; only events predicted later are judged.
    challengers : how many share the cause's alpha.
    scale : absolute error that counts as a loss of 1 in a regression.
    served : whether it is judged by what it answered itself, as a canary is, and not in the shadow of the champion.
    before : labels of the tests of a former champion that ended before this one began.
    state : of the gate.
    """

    version: str
    model: Model
    cut: int
    after: int
    challengers: int
    scale: float = 1.0
    served: bool = False
    before: int = 0
    state: GateState = field(default_factory=GateState)

    def step(self, champion_loss: Float64, challenger_loss: Float64, gate: Gate, settled: Bool | None = None, *, left_out: int = 0) -> tuple[GateState, Verdict]:
        """The gate's next state and verdict; the trial itself is left as it is.

        Parameters
        ----------
        champion_loss, challenger_loss : (n,) on the same rows; nan where the challenger gave no answer.
        left_out : rows beside these that the champion gave no answer to.
        """
        told, silent = silence_counts(challenger_loss), ~np.isfinite(challenger_loss)
        return step(self.state, champion_loss, told, gate=gate, challengers=self.challengers, settled=settled, silent=silent, left_out=left_out)


class Shadow:
    """Losses of the champion and of challengers on one batch of rows, each model scored once at most.

    Parameters
    ----------
    rows : (n,) labelled events.
    first_sight : (n,) False for corrections of rows that came before; they are not judged a second time.
    """

    def __init__(self, rows: Examples, first_sight: Bool, task: Task) -> None:
        self.rows = rows
        self._first_sight = first_sight
        self._task = task
        self._predictions: dict[str, Column] = {}

    def champion(self, version: str, scored: Column | None) -> Column:
        """(n,) what the champion predicts: the rows' own predictions where it made them, else what it was scored with; None or nan where it cannot be told."""
        if not version:
            return self._own()  # no version was ever announced: what serves is the champion
        return self.answered(version) if scored is None else np.where(self.rows.version == version, self._own(), scored)

    def answered(self, version: str) -> Column:
        """(n,) what a version answered as it served; None or nan where another one did."""
        nothing: Column = np.array([np.nan if self._task == "regression" else None])
        return np.where(self.rows.version == version, self._own(), nothing)

    def _own(self) -> Column:
        return self.rows.prediction if self._task == "regression" else class_names(self.rows.prediction)

    def predicted(self, version: str, model: Model) -> Column:
        """(n,) predictions of a model; None or nan where it cannot answer."""
        if version not in self._predictions:
            self._predictions[version] = predicted(model, self.rows.features, self._task)
        return self._predictions[version]

    def losses(self, predictions: Column, scale: float) -> Float64:
        """(n,) losses in [0, 1], nan where there is no prediction."""
        return losses(predictions, self.rows.label, self._task, scale)

    def judged(self, after: int) -> Bool:
        """(n,) True for rows that a challenger may be judged by which learnt from events up to a time: their labels come, and came first, after its training."""
        return self._first_sight & (self.rows.predicted_at > after)

    def served_by(self, version: str) -> Bool:
        """(n,) True for rows that a version answered itself."""
        return self._first_sight & np.asarray(self.rows.version == version, np.bool_)

    def settled(self, cut: int, after: int, specification: MonitorSpecification) -> Bool:
        """(n,) True for rows that a promotion may rest on: predicted ``min_validation_time`` after the last event of the training, and labelled so long after its last label.

        What was wrong with the labels of the training rows may go on for a while, be it by the time of the events or of the labels, and then speaks for the challenger. A budget
        in events says that there is no clock to wait by.
        """
        if specification.false_alarms.duration is None:
            return np.ones(len(self.rows), np.bool_)
        wait = specification.retrain.gate.min_validation_time
        return np.asarray((self.rows.predicted_at >= after + wait) & (row_times(self.rows, "outcome") >= cut + wait))


def losses(predictions: Column, label: Column, task: Task, scale: float) -> Float64:
    """(n,) 0 or 1 for a classifier; absolute error in units of ``scale``, at most 1, for a regression; nan without a prediction.

    Examples
    --------
    >>> losses(np.array(["a", "b", None], object), np.array(["a", "a", "a"], object), "classification", 1.0).tolist()
    [0.0, 1.0, nan]
    >>> losses(np.array([1.0, 9.0]), np.array([2.0, 2.0]), "regression", 4.0).tolist()
    [0.25, 1.0]
    """
    if task == "regression":
        return np.asarray(np.minimum(np.abs(np.asarray(predictions, np.float64) - np.asarray(label, np.float64)) / scale, 1.0))
    names = class_names(predictions)
    return np.asarray(np.where(names == None, np.nan, (names != class_names(label)).astype(np.float64)))  # noqa: E711  elementwise


def silence_counts(loss: Float64) -> Float64:
    """(n,) losses of a challenger: 1 where it gave no answer, or it would be judged by the rows that it likes to answer.

    Examples
    --------
    >>> silence_counts(np.array([0.0, np.nan])).tolist()
    [0.0, 1.0]
    """
    return np.where(np.isfinite(loss), loss, 1.0)


def fixed_scale(predictions: Column, label: Column) -> float:
    """Scale of a regression's losses: the 95 % quantile of the champion's absolute errors before the test; 1 where there are none."""
    errors = np.abs(np.asarray(predictions, np.float64) - np.asarray(label, np.float64))
    errors = errors[np.isfinite(errors)]
    scale = float(np.quantile(errors, 0.95)) if len(errors) else 0.0
    return scale if scale > 0 else 1.0


def scale_before(rows: Examples, specification: MonitorSpecification) -> float:
    """Absolute error that counts as 1 in a trial to come, fixed by what the champion did on the newest rows before it; 1 of a classifier."""
    if specification.task == "classification":
        return 1.0
    recent = rows.take(slice(-specification.retrain.window, None))
    return fixed_scale(recent.prediction, recent.label)
