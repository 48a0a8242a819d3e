"""The checks of `checks` on the rows that judged a challenger, or on a table that was held out."""

from __future__ import annotations

import math

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Bool, Column, Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.checks import Check, calibration_check, limit_check, segment_checks
from retrainer.trainers import Model
from retrainer.training_set import latest_rows
from retrainer.trial import Shadow, silence_counts
from retrainer.unanswered import scored

MEGABYTE = 1_000_000


def mean_loss(predictions: Column, label: Column, specification: MonitorSpecification) -> float:
    """Error rate, or the mean absolute error of a regression; nan without rows.

    Examples
    --------
    >>> mean_loss(np.array(["a", "b"], object), np.array(["a", "a"], object), MonitorSpecification(model="churn"))
    0.5
    """
    if not len(label):
        return math.nan
    if specification.task == "regression":
        return float(np.abs(np.asarray(predictions, np.float64) - np.asarray(label, np.float64)).mean())
    return float((class_names(predictions) != class_names(label)).mean())


def checks_of(
    predictions: tuple[Column, Column], losses: tuple[Float64, Float64], scores: tuple[Float64, Float64], label: Column, segment: Column, specification: MonitorSpecification
) -> tuple[Check, ...]:
    """Loss, segments and calibration; each pair is champion, challenger, and (n,) long.

    Parameters
    ----------
    losses : in [0, 1]; 1 where the challenger gave no answer.
    """
    gate = specification.retrain.gate
    positive = specification.positive_class
    calibrated = None
    if positive is not None:
        truth = np.asarray(class_names(label) == positive)
        calibrated = calibration_check(scores[0], _silence_is_wrong(scores[1], predictions[1], truth), truth, gate)
    found = (_loss_check(predictions[1], label, specification), *segment_checks(*losses, segment, gate), calibrated)
    return tuple(check for check in found if check is not None)


def _loss_check(predictions: Column, label: Column, specification: MonitorSpecification) -> Check | None:
    """The floor of the loss; where a regression's challenger gave no number it has no mean error, and is not below any floor."""
    limit, n = specification.retrain.gate.max_loss, len(label)
    regression = specification.task == "regression"
    silent = int(np.isnan(np.asarray(predictions, np.float64)).sum()) if regression else 0
    if silent and limit is not None:
        reason = f"loss: the challenger gave no number for {silent} of {n} rows, so it has no mean absolute error; at most {limit:g} is allowed"
        return Check(name="loss", state="failed", value=math.nan, limit=limit, n=n, reason=reason)
    return limit_check("loss", mean_loss(predictions, label, specification), limit, "mean absolute error" if regression else "error rate", n)


def _silence_is_wrong(score: Float64, predictions: Column, positive: Bool) -> Float64:
    """(n,) scores of a challenger, as far from the truth as can be where it gave no answer; as they are of one that never tells any."""
    silent = np.array([name is None for name in class_names(predictions).tolist()], np.bool_)
    return np.where(silent, np.where(positive, 0.0, 1.0), score) if np.isfinite(score).any() else score


def promotion_checks(
    rows: Examples, *, serving: str, champion: Model | None, challenger: Model, after: int, scale: float, specification: MonitorSpecification
) -> tuple[Check, ...]:
    """What a challenger has to pass when the gate has found it better.

    Parameters
    ----------
    rows : those at hand, in the order in which they came; those predicted later than ``after`` count, each event once.
    after : time of the last event that the challenger learnt from, epoch milliseconds.
    serving, champion : version in service, and its model where it is known.
    scale : absolute error that counts as a loss of 1 in a regression.
    """
    judged = rows.take(latest_rows(rows))
    judged = judged.take(judged.predicted_at > after)
    shadow = Shadow(judged, np.ones(len(judged), np.bool_), specification.task)
    own = judged.version == serving if serving else np.ones(len(judged), np.bool_)
    asked = None if own.all() else champion  # of what another version answered
    old, new = shadow.champion(serving, None if asked is None else shadow.predicted(serving, asked)), shadow.predicted("challenger", challenger)
    losses = shadow.losses(old, scale), silence_counts(shadow.losses(new, scale))
    known = np.flatnonzero(np.isfinite(losses[0]))  # as the gate judges
    elsewhere = np.full(len(judged), np.nan) if asked is None else scored(asked, judged.features)
    scores = np.where(own, judged.score, elsewhere), scored(challenger, judged.features)
    limit = specification.retrain.gate.max_megabytes
    size = None if limit is None else limit_check("size", len(challenger.artifact()) / MEGABYTE, limit, "MB")
    pairs = (old[known], new[known]), (losses[0][known], losses[1][known]), (scores[0][known], scores[1][known])
    found = checks_of(*pairs, judged.label[known], judged.segment[known], specification)
    return found if size is None else (*found, size)
