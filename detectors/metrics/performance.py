"""How good models are, and how their services do, from summary vectors or sums of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from detectors.event_batch import Float64
from detectors.metric import UNDEFINED, Metric, mean, quantiles, rate
from detectors.metrics.confusion import OF_CLASSES, OVERALL, Confusions
from detectors.metrics.score_metrics import OF_SCORES, score_metrics
from detectors.metrics.user_metrics import metrics_of_users
from detectors.metrics.worth import both, worth_of_quantiles, worth_of_scores
from detectors.panes.layout import DELAY_EDGES, LATENCY_EDGES, PROBABILITY, REGRESSION, Layout
from detectors.statistics.intervals import metrics_of
from detectors.statistics.sampling import effective_rate, effective_share

_QUANTILES = ("latency_p50", "latency_p95", "latency_p99", "label_delay_p50", "label_delay_p90")


@dataclass(frozen=True)
class Performance:
    """Metrics of the labelled predictions of a window, and of each class of a classifier by its name."""

    metrics: tuple[Metric, ...]
    by_class: dict[str, tuple[Metric, ...]]


def performances(asked: Sequence[tuple[Layout, Float64]]) -> list[Performance]:
    """Performance in each of several windows, of one model or of many; most steps cost the same for all of them as for one.

    Parameters
    ----------
    asked : layouts, and vectors of counts (size,).

    Returns
    -------
    Classification: those of `outcomes`; with a score also ``log_loss`` (nats), ``brier`` and `detectors.metrics.score_metrics.OF_SCORES`.
    Regression: those of `regression`. Both: ``coverage``.
    """
    found = outcomes([(layout, *both(layout, vector, "performance")) for layout, vector in asked])
    scored = [place for place, (layout, vector) in enumerate(asked) if "score" in layout.blocks and vector[layout.blocks["score"]].any()]
    of_scores = dict(zip(scored, score_metrics(np.stack([worth_of_scores(*both(*asked[place], "score")) for place in scored])), strict=True)) if scored else {}
    whole = []
    for place, ((layout, vector), one) in enumerate(zip(asked, found, strict=True)):
        metrics = one.metrics
        if layout.specification.task == "classification":
            sums, weighed = both(layout, vector, "probability")
            metrics += tuple(_mean_of(name, PROBABILITY, (name, f"{name}_squared"), sums, weighed) for name in ("log_loss", "brier"))
        if place in of_scores:
            metrics += metrics_of(OF_SCORES, of_scores[place])
        whole.append(Performance((*metrics, coverage(layout, vector)), one.by_class))
    return whole


def performance(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """Metrics of one window, see `performances`."""
    return performances([(layout, vector)])[0].metrics


def _mean_of(name: str, of: Sequence[str], parts: tuple[str, str], sums: Float64, weighed: Float64 | None) -> Metric:
    """A mean of a block of sums, ``of`` which ``rows`` and the named total and squares are some."""
    n, total, squares = (float(sums[of.index(part)]) for part in ("rows", *parts))
    return weighted_mean(name, (n, total, squares), None if weighed is None else tuple(float(weighed[of.index(part)]) for part in ("rows", *parts)))


def weighted_mean(name: str, sums: tuple[float, float, float], weighed: tuple[float, ...] | None) -> Metric:
    """A mean from n, total and squares; with the same sums of squared weights, of as many rows as they are worth."""
    n, total, squares = sums
    if weighed is not None and n > 0:
        share = float(effective_share(np.array(n), np.array(total), np.array(squares), (np.array(weighed[0]), np.array(weighed[1]), np.array(weighed[2]))))
        n, total, squares = n * share, total * share, squares * share
    return mean(name, total, squares, n)


def outcomes(asked: Sequence[tuple[Layout, Float64, Float64 | None]]) -> list[Performance]:
    """Performance by the blocks ``performance`` alone, whose size is that of each layout; and of the squares of what rows stand for, where they do not stand for themselves.

    Returns
    -------
    Classification: `detectors.metrics.confusion.OVERALL`; for two classes also ``precision``, ``recall``, ``f1`` of the positive one; with costs ``cost``; and the three of every
    class.
    Regression: those of `regression`. Both: the metrics of a user's own, whose functions the layout has.
    """
    found: dict[int, Performance] = {}
    alike: dict[tuple[int, bool], list[int]] = {}
    for place, (layout, block, weighed) in enumerate(asked):
        if layout.specification.task == "regression":
            sums, of_squares = (None if part is None else dict(zip(REGRESSION, part.tolist(), strict=True)) for part in (block, weighed))
            found[place] = Performance((*regression(sums or {}, layout.specification.quantile, of_squares), *metrics_of_users(layout.functions, block, None)), {})
        else:
            alike.setdefault((len(layout.specification.classes), weighed is not None), []).append(place)
    for (classes, weighs), places in alike.items():
        shape = -1, classes + 1, classes + 1
        squares = np.stack([weighed for place in places if (weighed := asked[place][2]) is not None]).reshape(shape) if weighs else None
        confusions = Confusions(np.stack([asked[place][1] for place in places]).reshape(shape), squares)
        for place, overall, by_class in zip(places, confusions.overall, confusions.by_class, strict=True):
            specification = asked[place][0].specification
            of_class = {name: metrics_of(OF_CLASSES, metrics) for name, metrics in zip(specification.classes, by_class, strict=True)}
            of_positive = of_class.get(specification.positive_class or "", ()) if classes == 2 else ()
            paid = (cost(asked[place][1], specification.classes, specification.costs, asked[place][2]),) if specification.costs else ()
            own = metrics_of_users(asked[place][0].functions, asked[place][1], specification.classes, asked[place][2])
            found[place] = Performance((*metrics_of(OVERALL, overall), *of_positive, *paid, *own), of_class)
    return [found[place] for place in range(len(asked))]


def cost(block: Float64, classes: Sequence[str], costs: Mapping[str, Mapping[str, float]], squares: Float64 | None = None) -> Metric:
    """Mean ``cost`` of a labelled prediction, where label and prediction are of known classes.

    Parameters
    ----------
    block : ((K + 1)^2,) confusion counts, row = label, column = prediction, last = unknown.
    classes : (K,) names.
    costs : by label, then by prediction; what is not named costs nothing.
    squares : as the block, of the squares of what rows stand for; None where each stands for itself.

    Examples
    --------
    >>> cost(np.array([50.0, 10, 0, 5, 35, 0, 0, 0, 0]), ("no", "yes"), {"yes": {"no": 20}, "no": {"yes": 1}}).value
    1.1
    """
    each = np.array([[costs.get(label, {}).get(prediction, 0.0) for prediction in classes] for label in classes])
    sums, weighed = (None if part is None else tuple(float((part.reshape(len(classes) + 1, -1)[:-1, :-1] * each**power).sum()) for power in range(3)) for part in (block, squares))
    return weighted_mean("cost", sums, weighed)  # type: ignore[arg-type]  # three numbers


def coverage(layout: Layout, vector: Float64) -> Metric:
    """Labels per prediction of the same span of event time; it passes 1 where labels of earlier predictions catch up, and has no interval then."""
    labels, predictions = _traffic(layout, vector, "labels")
    return labelled_share(labels, predictions)


def _traffic(layout: Layout, vector: Float64, counter: str) -> tuple[float, float]:
    """A counter and the predictions; weighed, as many as they are worth."""
    hits, events = (layout.traffic(vector, name) for name in (counter, "predictions"))
    if not layout.weighs:
        return hits, events
    weighed = (np.array(layout.traffic(layout.squares(vector), name)) for name in (counter, "predictions"))
    worth = effective_rate(np.array(hits), np.array(events), *weighed)
    return float(np.nan_to_num(worth[0])), float(np.nan_to_num(worth[1]))


def labelled_share(labels: float, predictions: float) -> Metric:
    """``coverage``, from counts."""
    return rate("coverage", labels, predictions) if labels <= predictions else Metric("coverage", labels / predictions if predictions else float("nan"), predictions)


def regression(sums: dict[str, float], quantile: float | None = None, weighed: dict[str, float] | None = None) -> tuple[Metric, ...]:
    """Metrics of the sums `detectors.panes.layout.REGRESSION`: ``rows``, ``mae``, ``rmse``, ``bias`` in the label's unit, ``r2``, whose interval holds the labels' variance fixed.

    For a model of a quantile q of its label also ``pinball``, the mean of ``q (y - p)`` where the label y is above the prediction p and ``(1 - q) (p - y)`` elsewhere
    (Koenker & Bassett 1978), in the label's unit: with the error e = p - y that is ``|e| / 2 + (1 - 2 q) e / 2``, a sum of sums.

    With sums of squared weights, ``weighed``, intervals and n are of the rows that these are worth.

    Examples
    --------
    >>> sums = {"rows": 2.0, "label": 4.0, "label_squared": 10.0, "error": 1.0, "absolute_error": 1.0}
    >>> sums |= {"squared_error": 1.0, "quartic_error": 1.0, "signed_squared_error": 1.0}
    >>> [(metric.name, round(metric.value, 3)) for metric in regression(sums, quantile=0.9)]
    [('rows', 2.0), ('mae', 0.5), ('rmse', 0.707), ('bias', 0.5), ('r2', 0.5), ('pinball', 0.05)]
    """
    n = sums["rows"]
    of = sums if weighed is None else weighed

    def mean_of(name: str, total: Callable[[dict[str, float]], float], squares: Callable[[dict[str, float]], float]) -> Metric:
        return weighted_mean(name, (n, total(sums), squares(sums)), None if weighed is None else (of["rows"], total(of), squares(of)))

    mse = mean_of("mse", itemgetter("squared_error"), itemgetter("quartic_error"))
    low, high = mse.interval
    spread = sums["label_squared"] / n - (sums["label"] / n) ** 2 if n > 1 else float("nan")
    if not spread > 1e-12 * sums["label_squared"] / max(n, 1):  # rounding of the difference of two sums
        spread = float("nan")
    metrics = (
        Metric("rows", n, n, (n, n)),
        mean_of("mae", itemgetter("absolute_error"), itemgetter("squared_error")),
        Metric("rmse", float(np.sqrt(mse.value)), mse.n, (float(np.sqrt(max(0.0, low))) if n > 1 else low, float(np.sqrt(high)))),
        mean_of("bias", itemgetter("error"), itemgetter("squared_error")),
        Metric("r2", 1 - mse.value / spread, mse.n, (1 - high / spread, 1 - max(0.0, low) / spread) if n > 1 else UNDEFINED),
    )
    if quantile is None:
        return metrics
    tilt = 1 - 2 * quantile
    pinball = mean_of(
        "pinball",
        lambda of: of["absolute_error"] / 2 + tilt * of["error"] / 2,
        lambda of: (1 + tilt**2) * of["squared_error"] / 4 + tilt * of["signed_squared_error"] / 2,
    )
    return (*metrics, pinball)


def services(asked: Sequence[tuple[Layout, Float64]]) -> list[tuple[Metric, ...]]:
    """How the service did in each of several windows, of one model or of many.

    Returns
    -------
    ``predictions``, ``failed`` (share); ``latency_p50``, ``latency_p95``, ``latency_p99`` in milliseconds; and ``label_delay_p50``, ``label_delay_p90``, milliseconds of
    event time from a prediction to its label.
    """
    if not asked:
        return []
    measured = []
    for block, edges, percents in (("latency", LATENCY_EDGES, (50, 95, 99)), ("delay", DELAY_EDGES, (50, 90))):
        counts = np.stack([vector[layout.blocks[block]] for layout, vector in asked])
        worth = np.stack([worth_of_quantiles(*both(layout, vector, block), percents) for layout, vector in asked]) if any(layout.weighs for layout, _ in asked) else None
        measured.append(quantiles(counts, np.asarray(edges), percents, worth))
    found = []
    for (layout, vector), of_window in zip(asked, np.concatenate(measured, axis=1), strict=True):
        predictions = layout.traffic(vector, "predictions")
        shares = Metric("predictions", predictions, predictions, (predictions, predictions)), rate("failed", *_traffic(layout, vector, "failed"))
        found.append((*shares, *metrics_of(_QUANTILES, of_window)))
    return found
