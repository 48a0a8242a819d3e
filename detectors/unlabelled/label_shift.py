"""Whether classes became more or less frequent while each looks as it did (label shift).

Nearly any law of predictions is a mixture of the reference's, class by class; so whether shares of classes explain what moved is asked of the inputs, whose means must have moved
with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.event_batch import Bool, Float64, Int64
from detectors.profile import OutcomeProfile
from detectors.unlabelled.class_shares import FEWEST

CONTRADICTED = 0.01
"""Share of the pure label shifts that are said to be none."""


@dataclass(frozen=True)
class Moved:
    """What predictions and numeric columns were like in ``m`` windows.

    Attributes
    ----------
    predicted : (m, K) predictions of each known class.
    events, totals : (m, F) values of each column, and their sums of standard scores.
    inflation : by how much the variance of such sums is larger than that of independent events.
    """

    predicted: Float64
    events: Float64
    totals: Float64
    inflation: Float64 | float = 1.0


def priors_of(confusion: Float64, predicted: Float64) -> Float64:
    """(K,) shares of the classes by which the reference's predictions are as they are now (black box shift estimation, Lipton et al. 2018); at least 0.

    Parameters
    ----------
    confusion : (K, K) rows of the reference by label and prediction; a class with fewer than `FEWEST` is taken to keep out.
    predicted : (K,) predictions of each class.

    Examples
    --------
    >>> priors_of(np.array([[810.0, 90.0], [20.0, 80.0]]), np.array([550.0, 450.0])).round(2).tolist()
    [0.5, 0.5]
    """
    rows = confusion.sum(axis=1)
    known = np.flatnonzero(rows >= FEWEST)
    shares = np.zeros(len(rows))
    shares[known] = _black_box(_inverse(_law(confusion, known)), predicted[None])[0]
    return shares


def _law(confusion: Float64, known: Int64) -> Float64:
    """(K predicted, known classes) share of each prediction, by class of the label."""
    return np.asarray((confusion[known] / confusion.sum(axis=1)[known, None]).T)


def _inverse(law: Float64) -> Float64:
    """(known classes, K predicted) the shares of classes by those of predictions."""
    return np.asarray(np.linalg.pinv(law, rcond=1e-6), np.float64)


def _black_box(solve: Float64, predicted: Float64) -> Float64:
    weights = np.maximum((predicted / predicted.sum(axis=1, keepdims=True)) @ solve.T, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class Explanation:
    """Whether shares of classes explain how predictions and inputs moved.

    By predictions alone that cannot be told, as nearly all of their laws are a mixture of the reference's. So without numeric columns nothing counts as explained.

    Parameters
    ----------
    outcomes : of the reference.
    confusion : (K, K) its rows by label and prediction.
    columns : names of the numeric columns.
    floor : of a shift, in standard deviations of the reference; less than this no column is said to have moved by itself.
    """

    def __init__(self, outcomes: OutcomeProfile, confusion: Float64, columns: tuple[str, ...], floor: float) -> None:
        self._confusion, self._rows = confusion, confusion.sum(axis=1)
        self._known = np.flatnonzero(self._rows >= FEWEST)
        law = _law(confusion, self._known)
        self._solve = _inverse(law)
        moments = [[[np.nan if value is None else value for value in of_class[name]] for name in columns] for of_class in (outcomes.means, outcomes.deviations)]
        self._means, self._deviations = np.nan_to_num(np.array(moments).reshape(2, len(columns), len(self._rows))[:, :, self._known])
        self._floor, self._dispersion = floor, outcomes.dispersion
        chances = max(len(columns) + len(self._known), 1)
        self._far = float(special.ndtri(1 - CONTRADICTED / 2 / chances))
        # The variance that a class's own error in the reference gives the weights: (K, K) for each class of label.
        of_label = [self._solve @ (np.diag(column) - np.outer(column, column)) @ self._solve.T for column in law.T]
        self._of_reference = np.array(of_label).reshape((len(self._known),) * 3)

    def told(self, predicted: Float64) -> dict[str, object]:
        """What an alert carries of a window's (K,) predictions: the reference's by label, and the shares of the labels there and now."""
        shares = priors_of(self._confusion, predicted)
        return {"confusion": self._confusion.tolist(), "priors_before": (self._rows / self._rows.sum()).tolist(), "priors": shares.tolist()}

    def explains(self, moved: Moved) -> Bool:
        """(m,) whether nothing contradicts that the shares of classes alone have moved."""
        if not len(self._means) or len(self._known) < 2:
            return np.zeros(len(moved.predicted), np.bool_)
        with np.errstate(all="ignore"):
            n = moved.predicted.sum(axis=1, keepdims=True)
            observed = moved.predicted / n
            weights = observed @ self._solve.T
            scale = self._dispersion * np.broadcast_to(moved.inflation, (len(n),))[:, None, None]
            spread = np.einsum("ka,ma,la->mkl", self._solve, observed, self._solve) - weights[:, :, None] * weights[:, None]
            variance = scale * (spread / n[..., None] + np.einsum("mc,ckl->mkl", weights**2 / self._rows[self._known], self._of_reference))
            possible = (weights >= -self._far * np.sqrt(np.einsum("mkk->mk", variance))).all(axis=1)
            clipped = _black_box(self._solve, moved.predicted)
            expected = clipped @ self._means.T
            squares = clipped @ (self._deviations**2 + self._means**2).T
            error = scale[:, 0] * (np.maximum(squares - expected**2, 0) / moved.events + (clipped**2 / self._rows[self._known]) @ (self._deviations**2).T) + np.einsum(
                "fk,mkl,fl->mf", self._means, variance, self._means
            )
            apart = np.abs(moved.totals / moved.events - expected)
            contradicts = (apart > self._floor) & (apart > self._far * np.sqrt(error))
        return np.asarray(possible & ~contradicts.any(axis=1))
