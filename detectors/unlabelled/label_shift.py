"""Whether classes became more or less frequent while each looks as it did (label shift).

Nearly any law of predictions is a mixture of the reference's, class by class; so whether shares of classes explain what moved is asked of the inputs, whose means must have moved
with them, and more than one of them (`detectors.unlabelled.witnesses`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.event_batch import Bool, Float64, Int64
from detectors.profile import OutcomeProfile
from detectors.unlabelled.class_shares import FEWEST
from detectors.unlabelled.witnesses import Witnesses, most_ever

CONTRADICTED = 0.01
"""Share of the pure label shifts that are ever said to be none; and, of single windows, that are not said to be one."""


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


@dataclass(frozen=True)
class Weighed:
    """What speaks for and against a label shift in ``m`` windows; where neither does, both a label shift and inputs that moved by themselves explain them.

    Attributes
    ----------
    confirmed : (m,) shares of classes explain what moved, and no column that moved alone does.
    contradicted : (m,) shares of classes do not, or nothing could confirm that they do.
    """

    confirmed: Bool
    contradicted: Bool


class Explanation:
    """Whether shares of classes explain how predictions and inputs moved.

    By predictions alone that cannot be told, as nearly all of their laws are a mixture of the reference's; nor with one column, which may have moved by itself.

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
        self._columns, self._floor, self._dispersion = columns, floor, outcomes.dispersion
        self._chances = 2 * max(len(columns) + len(self._known), 1)
        self._far = float(special.ndtri(1 - CONTRADICTED / self._chances))
        # The variance that a class's own error in the reference gives the weights: (K, K) for each class of label.
        of_label = [self._solve @ (np.diag(column) - np.outer(column, column)) @ self._solve.T for column in law.T]
        self._of_reference = np.array(of_label).reshape((len(self._known),) * 3)
        self._asked = np.array([columns.index(name) for name in outcomes.witnesses if name in columns], np.int64)
        self._before = self._means @ (self._rows[self._known] / max(self._rows[self._known].sum(), 1))
        self._witnesses = self._witnesses_of(outcomes)

    @property
    def can_tell(self) -> bool:
        """Whether there is what could confirm a label shift: two columns at least, and two classes."""
        return self._witnesses is not None

    def _witnesses_of(self, outcomes: OutcomeProfile) -> Witnesses | None:
        size = len(outcomes.witnesses)
        if len(self._asked) < max(size, 2) or len(self._known) < 2:
            return None
        covariance = np.zeros((size, size))
        covariance[np.triu_indices(size)] = outcomes.covariances
        covariance += np.triu(covariance, 1).T
        return Witnesses(covariance, (self._means - self._before[:, None])[self._asked])

    def told(self, moved: Moved) -> dict[str, object]:
        """What an alert carries of one window: the reference's rows by label, the shares of the labels there and now, and the means of columns by class, expected and seen."""
        shares = priors_of(self._confusion, moved.predicted[0])
        with np.errstate(all="ignore"):
            now, expected = (moved.totals / moved.events)[0], self._means @ shares[self._known]
        columns = {
            self._columns[place]: {"by_class": self._means[place].tolist(), "expected": float(expected[place]), "mean": float(now[place]), "of": float(moved.events[0, place])}
            for place in self._asked.tolist()
        }
        known = [int(place) for place in self._known]
        return {
            "confusion": self._confusion.tolist(),
            "priors_before": (self._rows / self._rows.sum()).tolist(),
            "priors": shares.tolist(),
            "columns": columns,
            "known": known,
        }

    def weigh(self, moved: Moved) -> Weighed:
        """What speaks for and against shares of classes."""
        if self._witnesses is None:
            return Weighed(np.zeros(len(moved.predicted), np.bool_), np.ones(len(moved.predicted), np.bool_))
        with np.errstate(all="ignore"):
            n = moved.predicted.sum(axis=1, keepdims=True)
            observed = moved.predicted / n
            weights = observed @ self._solve.T
            scale = self._dispersion * np.broadcast_to(moved.inflation, (len(n),))[:, None, None]
            spread = np.einsum("ka,ma,la->mkl", self._solve, observed, self._solve) - weights[:, :, None] * weights[:, None]
            variance = scale * (spread / n[..., None] + np.einsum("mc,ckl->mkl", weights**2 / self._rows[self._known], self._of_reference))
            below = -weights / np.sqrt(np.einsum("mkk->mk", variance))
            clipped = _black_box(self._solve, moved.predicted)
            expected = clipped @ self._means.T
            squares = clipped @ (self._deviations**2 + self._means**2).T
            error = scale[:, 0] * (np.maximum(squares - expected**2, 0) / moved.events + (clipped**2 / self._rows[self._known]) @ (self._deviations**2).T) + np.einsum(
                "fk,mkl,fl->mf", self._means, variance, self._means
            )
            mean = moved.totals / moved.events
            apart = np.where(np.abs(mean - expected) > self._floor, np.abs(mean - expected) / np.sqrt(error), 0.0)
            furthest = np.nan_to_num(np.concatenate((apart, below), axis=1), nan=0.0).max(axis=1)
            worth = n[:, 0] / (scale[:, 0, 0] * (1 + n[:, 0] / self._rows.sum()))
            agree = self._witnesses.agree(np.nan_to_num(mean - self._before)[:, self._asked], worth)
            contradicted = furthest**2 > most_ever(CONTRADICTED / self._chances, 1, worth)
        return Weighed(np.asarray((furthest <= self._far) & agree & ~contradicted), np.asarray(contradicted))
