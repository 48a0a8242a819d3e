"""How good the model is, and how its service does, from a summary vector or a sum of several."""

from __future__ import annotations

import math

import numpy as np

from detectors.event_batch import Float64
from detectors.layout import DELAY_EDGES, LATENCY_EDGES, PROBABILITY, REGRESSION, Layout
from detectors.metric import UNDEFINED, Metric, Z, mean, quantiles, rate


def performance(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """Metrics of the labelled predictions.

    Parameters
    ----------
    layout : of the specification.
    vector : (size,) counts, see `Layout`.

    Returns
    -------
    Classification: ``rows``, ``accuracy``, ``balanced_accuracy``, ``precision_macro``, ``recall_macro``, ``f1_macro``; for two classes also
    ``precision``, ``recall``, ``f1`` of the positive one; with a score also ``log_loss`` (nats) and ``brier``.
    Regression: ``rows``, ``mae``, ``rmse``, ``bias`` in the label's unit, ``r2``. Both: ``coverage``.
    """
    block = vector[layout.blocks["performance"]]
    if layout.specification.task == "regression":
        metrics = regression(dict(zip(REGRESSION, block.tolist(), strict=True)))
    else:
        classes = layout.specification.classes
        side = len(classes) + 1
        positive = layout.specification.positive_class if len(classes) == 2 else None
        metrics = classification(block.reshape(side, side), classes, positive)
        sums = dict(zip(PROBABILITY, vector[layout.blocks["probability"]].tolist(), strict=True))
        metrics += mean("log_loss", sums["log_loss"], sums["log_loss_squared"], sums["rows"]), mean("brier", sums["brier"], sums["brier_squared"], sums["rows"])
    return (*metrics, coverage(layout, vector))


def coverage(layout: Layout, vector: Float64) -> Metric:
    """Labels per prediction of the same span of event time; it passes 1 where labels of earlier predictions catch up, and has no interval then."""
    predictions, labels = layout.traffic(vector, "predictions"), layout.traffic(vector, "labels")
    return rate("coverage", labels, predictions) if labels <= predictions else Metric("coverage", labels / predictions if predictions else float("nan"), predictions)


def classification(confusion: Float64, classes: tuple[str, ...], positive: str | None = None) -> tuple[Metric, ...]:
    """Metrics of a confusion matrix.

    A class that the reference does not know is never counted as right: which one it was is not in the counts. Macro averages are over the known classes
    for which the metric is defined (scikit-learn's ``zero_division=nan``); their intervals take the classes as independent.

    Parameters
    ----------
    confusion : (K + 1, K + 1) counts, row = label, column = prediction, last = unknown.
    classes : (K,) names.
    positive : the class of ``precision``, ``recall`` and ``f1``; None leaves them out.

    Examples
    --------
    >>> counts = np.array([[50.0, 10.0, 0.0], [5.0, 35.0, 0.0], [0.0, 0.0, 0.0]])
    >>> [(metric.name, round(metric.value, 3)) for metric in classification(counts, ("no", "yes"), "yes")][1:3]
    [('accuracy', 0.85), ('balanced_accuracy', 0.854)]
    """
    rows = float(confusion.sum())
    right = np.diagonal(confusion)[:-1]
    labelled, predicted = confusion.sum(axis=1)[:-1], confusion.sum(axis=0)[:-1]
    precisions = [rate("precision", hit, n) for hit, n in zip(right.tolist(), predicted.tolist(), strict=True)]
    recalls = [rate("recall", hit, n) for hit, n in zip(right.tolist(), labelled.tolist(), strict=True)]
    scores = [_f1(hit, union) for hit, union in zip(right.tolist(), (labelled + predicted - right).tolist(), strict=True)]
    metrics = (
        Metric("rows", rows, rows, (rows, rows)),
        rate("accuracy", float(right.sum()), rows) if classes else Metric("accuracy", float("nan"), rows),
        _macro("balanced_accuracy", recalls, rows),
        _macro("precision_macro", precisions, rows),
        _macro("recall_macro", recalls, rows),
        _macro("f1_macro", scores, rows),
    )
    if positive not in classes:
        return metrics
    place = classes.index(positive)
    return (*metrics, precisions[place], recalls[place], scores[place])


def regression(sums: dict[str, float]) -> tuple[Metric, ...]:
    """Metrics of the sums `detectors.layout.REGRESSION`; the interval of R2 holds the variance of the labels fixed.

    Examples
    --------
    >>> sums = {"rows": 2.0, "label": 4.0, "label_squared": 10.0, "error": 1.0, "absolute_error": 1.0, "squared_error": 1.0, "quartic_error": 1.0}
    >>> [(metric.name, round(metric.value, 3)) for metric in regression(sums)]
    [('rows', 2.0), ('mae', 0.5), ('rmse', 0.707), ('bias', 0.5), ('r2', 0.5)]
    """
    n = sums["rows"]
    mse = mean("mse", sums["squared_error"], sums["quartic_error"], n)
    low, high = mse.interval
    spread = sums["label_squared"] / n - (sums["label"] / n) ** 2 if n > 1 else float("nan")
    if not spread > 1e-12 * sums["label_squared"] / max(n, 1):  # rounding of the difference of two sums
        spread = float("nan")
    return (
        Metric("rows", n, n, (n, n)),
        mean("mae", sums["absolute_error"], sums["squared_error"], n),
        Metric("rmse", float(np.sqrt(mse.value)), n, (float(np.sqrt(max(0.0, low))) if n > 1 else low, float(np.sqrt(high)))),
        mean("bias", sums["error"], sums["squared_error"], n),
        Metric("r2", 1 - mse.value / spread, n, (1 - high / spread, 1 - max(0.0, low) / spread) if n > 1 else UNDEFINED),
    )


def service(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """``predictions``, ``failed`` (share), ``latency_p50``, ``latency_p95``, ``latency_p99`` in milliseconds."""
    predictions = layout.traffic(vector, "predictions")
    counts, edges = vector[layout.blocks["latency"]], np.asarray(LATENCY_EDGES)
    return (
        Metric("predictions", predictions, predictions, (predictions, predictions)),
        rate("failed", layout.traffic(vector, "failed"), predictions),
        *quantiles("latency", counts, edges, (50, 95, 99)),
    )


def label_delay(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """``label_delay_p50``, ``label_delay_p90``: milliseconds of event time from a prediction to its label."""
    counts, edges = vector[layout.blocks["delay"]], np.asarray(DELAY_EDGES)
    return quantiles("label_delay", counts, edges, (50, 90))


def _f1(right: float, union: float) -> Metric:
    """F1 = 2 J / (1 + J) rises with Jaccard's J = right / union, a rate, whose interval it takes over."""
    jaccard = rate("f1", right, union)
    low, high = jaccard.interval
    return Metric("f1", 2 * jaccard.value / (1 + jaccard.value), union, (2 * low / (1 + low), 2 * high / (1 + high)))


def _macro(name: str, parts: list[Metric], rows: float) -> Metric:
    defined = [part for part in parts if part.n > 0]
    if not defined:
        return Metric(name, float("nan"), rows)
    value = sum(part.value for part in defined) / len(defined)
    squares = sum(((part.interval[1] - part.interval[0]) / (2 * Z)) ** 2 for part in defined)
    half = Z * math.sqrt(squares) / len(defined)
    return Metric(name, value, rows, (max(0.0, value - half), min(1.0, value + half)))
