"""How good classifiers are, from their confusion counts: over all classes, and of each class; of many windows at once, as the steps cost more than the windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detectors.event_batch import Float64
from detectors.statistics.intervals import known, like_rates, means_of_independent, rates
from detectors.statistics.sampling import effective_rate

OF_CLASSES = ("precision", "recall", "f1")
"""Metrics of one class against the others, in their order."""

OVERALL = (
    "rows",
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "matthews_corrcoef",
)
"""Metrics over all classes, in their order."""


@dataclass(frozen=True)
class Confusions:
    """Labels against predictions, in each of m windows.

    Metrics are named as in scikit-learn. A class that the reference does not know is never counted as right: which one it was is not in the counts. Averages are over
    the known classes for which the metric is defined (scikit-learn's ``zero_division=nan``), weighted ones by the classes' labels.

    Attributes
    ----------
    counts : (m, K + 1, K + 1), row = label, column = prediction, last = unknown.
    squares : the same, sums of the squares of what the rows stand for; None where each stands for itself. Intervals and n are then of the rows that these are worth.

    Examples
    --------
    >>> confusions = Confusions(np.array([[[50.0, 10.0, 0.0], [5.0, 35.0, 0.0], [0.0, 0.0, 0.0]]]))
    >>> {name: values.round(3).tolist() for name, values in zip(OVERALL, confusions.overall[0]) if name in ("accuracy", "matthews_corrcoef")}
    {'accuracy': [0.85, 0.767, 0.907, 100.0], 'matthews_corrcoef': [0.698, 0.532, 0.812, 100.0]}
    """

    counts: Float64
    squares: Float64 | None = None

    @cached_property
    def by_class(self) -> Float64:
        """(m, K, 3, 4) of `OF_CLASSES`: value, low, high, n, the rows that the metric is a share of; n of recall is what scikit-learn calls support.

        F1 = 2 J / (1 + J) rises with Jaccard's J, a rate, whose interval it takes over.
        """
        found = self._rates(_of_classes)
        found[..., 2, :3] = 2 * found[..., 2, :3] / (1 + found[..., 2, :3])
        return found

    @cached_property
    def overall(self) -> Float64:
        """(m, 10, 4) of `OVERALL`: value, low, high, n.

        Precisions of classes are independent of each other given how often each was predicted, recalls given how often each was true. Where this does not hold, the
        variance is by the delta method for multinomial counts (Agresti, Categorical Data Analysis, 16.1; for F1 Takahashi et al. 2022).
        """
        rows = self.counts.sum(axis=(1, 2))
        accuracy, recall = np.moveaxis(self._rates(_overall), 1, 0)
        worth = rows if self.squares is None else accuracy[:, 3]
        macro = means_of_independent(np.moveaxis(self.by_class[:, :, :2], 2, 1), worth[:, None])
        f1_macro, precision, f1, matthews = np.moveaxis(self._by_delta_method(rows, worth), 1, 0)
        return np.stack([known(rows, rows, rows, rows), accuracy, macro[:, 1], macro[:, 0], macro[:, 1], f1_macro, precision, recall, f1, matthews], axis=1)

    def _rates(self, parts: Callable[[Float64], tuple[Float64, Float64]]) -> Float64:
        """Rates of hits and events, which are sums of cells."""
        hits, events = parts(self.counts)
        if self.squares is not None:
            hits, events = effective_rate(*np.broadcast_arrays(hits, events), *np.broadcast_arrays(*parts(self.squares)))
        return rates(hits, events)

    def _by_delta_method(self, rows: Float64, worth: Float64) -> Float64:
        """(m, 4, 4) of ``f1_macro``, ``precision_weighted``, ``f1_weighted`` and ``matthews_corrcoef`` (Gorodkin 2004).

        Each is a function of the shares p of the cells, whose derivative by the share of label i and prediction j is ``row[i] + column[j]``, and ``+ hit[j]`` where i is j.
        An unknown label and an unknown prediction are two classes, so that they never agree.
        """
        with np.errstate(all="ignore"):
            p = self.counts / rows[:, None, None]
            true, said = p.sum(axis=2), p.sum(axis=1)
            r, c, d = true[:, :-1], said[:, :-1], np.diagonal(p, axis1=1, axis2=2)[:, :-1]
            m, k = r.shape
            precision, f1 = (np.nan_to_num(self.by_class[:, :, place, 0]) for place in (0, 2))
            predicted, either = c > 0, r + c > 0
            of_either = np.where(either, 2 / (r + c), 0.0)
            # averages: weights of the classes, their values, and how these change with the shares of label, prediction and both
            weight = np.stack([either.astype(np.float64), r * predicted, r], axis=1)
            total = weight.sum(axis=2)
            values = np.stack([f1, precision, f1], axis=1)
            average = (weight * values).sum(axis=2) / total
            row, column, hit = np.zeros((3, m, 4, k + 1))
            hit[:, :3, :-1] = weight * np.stack([of_either, np.where(predicted, 1 / c, 0.0), of_either], axis=1)
            column[:, :3, :-1] = -hit[:, :3, :-1] * values / [[2], [1], [2]]
            row[:, ::2][:, :, :-1] = column[:, ::2][:, :, :-1]
            row[:, 1:3, :-1] += (values - average[..., None])[:, 1:] * np.stack([predicted, either], axis=1)
            for derivative in (row, column, hit):
                derivative[:, :3] /= total[..., None]
            agreement = d.sum(axis=1) - (r * c).sum(axis=1)
            varied_true, varied_said = 1 - np.square(true).sum(axis=1), 1 - np.square(said).sum(axis=1)
            scale = np.where(np.minimum(varied_true, varied_said) > 1e-12, 1 / np.sqrt(varied_true * varied_said), np.nan)
            matthews = agreement * scale
            row[:, 3], column[:, 3] = (matthews / varied_true)[:, None] * true, (matthews / varied_said)[:, None] * said
            row[:, 3, :-1] -= c * scale[:, None]
            column[:, 3, :-1] -= r * scale[:, None]
            hit[:, 3, :-1] = scale[:, None]
            first, squares = _moments(row, column, hit, p)
            if self.squares is None:
                variance = np.maximum(squares - first**2, 0) / rows[:, None]
            else:
                of_squares = self.squares / np.square(rows)[:, None, None]
                first_weighed, squares_weighed = _moments(row, column, hit, of_squares)
                variance = np.maximum(squares_weighed - 2 * first * first_weighed + first**2 * of_squares.sum(axis=(1, 2))[:, None], 0)
        n = np.broadcast_to(worth[:, None], variance.shape)
        return like_rates(np.concatenate([average, matthews[:, None]], axis=1), variance, n, least=np.array([0.0, 0.0, 0.0, -1.0]))


def _of_classes(counts: Float64) -> tuple[Float64, Float64]:
    """(m, K, 1) right answers; (m, K, 3) predictions, labels, and either, of each class."""
    right = np.diagonal(counts, axis1=1, axis2=2)[:, :-1]
    labelled, predicted = counts.sum(axis=2)[:, :-1], counts.sum(axis=1)[:, :-1]
    return right[..., None], np.stack([predicted, labelled, labelled + predicted - right], axis=-1)


def _overall(counts: Float64) -> tuple[Float64, Float64]:
    """(m, 1) right answers; (m, 2) rows, and those with labels of known classes."""
    rows = counts.sum(axis=(1, 2))
    right = np.trace(counts[:, :-1, :-1], axis1=1, axis2=2)
    if counts.shape[1] == 1:
        right = np.full(len(rows), np.nan)  # without classes a right answer cannot be told from a wrong one
    return right[:, None], np.stack([rows, counts[:, :-1].sum(axis=(1, 2))], axis=-1)


def _moments(row: Float64, column: Float64, hit: Float64, p: Float64) -> tuple[Float64, Float64]:
    """(m, 4) sums over the cells of derivatives, and of their squares, weighted by p (m, K + 1, K + 1)."""
    true, said, d = p.sum(axis=2), p.sum(axis=1), np.diagonal(p, axis1=1, axis2=2)[:, :-1]
    first = (row * true[:, None]).sum(axis=2) + (column * said[:, None]).sum(axis=2) + (hit[..., :-1] * d[:, None]).sum(axis=2)
    squares = (row**2 * true[:, None]).sum(axis=2) + (column**2 * said[:, None]).sum(axis=2) + 2 * ((row @ p) * column).sum(axis=2)
    squares += ((hit * (hit + 2 * (row + column)))[..., :-1] * d[:, None]).sum(axis=2)
    return first, squares
