"""Classes that became more or less frequent while each looks as it did (label shift): how frequent they are, and how often the model is right then.

Given its class, an event's output has the law that it had in the reference. So the outputs of a window are a mixture of the reference's, class by class, and the weights are
the classes' shares: the likeliest ones are found by expectation maximisation (Saerens, Latinne & Decaestecker 2002; on output cells with one calibrated probability, which
say the same of every class). Whether such weights explain what moved is asked of the inputs, whose means must have moved with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.estimated_performance import Calibration
from detectors.event_batch import Bool, Float64, Int64
from detectors.intervals import like_rates
from detectors.profile import OutcomeProfile

FEWEST = 30
"""Labelled rows of a class by which its outputs are known; a class with fewer is taken to keep out."""

CONTRADICTED = 0.01
"""Share of the pure label shifts that are said to be none."""

_STEPS = 500
_CONVERGED = 1e-7


class Priors:
    """Shares of classes in windows without labels.

    Parameters
    ----------
    outcomes : of the reference.
    calibration : made of them.
    classes : number of known classes.

    Attributes
    ----------
    reference : (K,) shares in the reference.

    Examples
    --------
    >>> outcomes = OutcomeProfile(labels=(0, 0, 1, 1), cells=(0, 1, 0, 1), counts=(810, 90, 20, 80))
    >>> priors = Priors(outcomes, Calibration(outcomes, 2, 1), 2)
    >>> shares, accuracy = priors.estimate(np.array([550.0, 450.0, 0.0]))
    >>> priors.reference.tolist(), shares[:, 0].round(2).tolist(), accuracy[0].round(2).item()
    ([0.9, 0.1], [0.5, 0.5], 0.85)
    """

    def __init__(self, outcomes: OutcomeProfile, calibration: Calibration, classes: int) -> None:
        labels, cells, counts = (np.asarray(part, np.int64) for part in (outcomes.labels, outcomes.cells, outcomes.counts))
        pools, self._pool = np.unique(calibration.pool, return_inverse=True)
        table = np.zeros((len(pools), classes))
        np.add.at(table, (self._pool[cells], labels), counts)
        self._table, self._rows = table, table.sum(axis=0)
        self.reference: Float64 = self._rows / self._rows.sum()
        self._known = np.flatnonzero(self._rows >= FEWEST)
        self._law = table[:, self._known] / self._rows[self._known]  # (pools, known classes)
        predicted: Int64 = np.zeros(len(pools), np.int64)
        predicted[self._pool] = calibration.predicted
        self._is_right: Bool = predicted[:, None] == self._known
        self._dispersion = outcomes.dispersion

    def estimate(self, counts: Float64) -> tuple[Float64, Float64]:
        """(K, 4) the shares of the classes, and (4,) the accuracy under them: value, low, high, n; nan where they cannot be told.

        Parameters
        ----------
        counts : (J,) outputs of a window by cell.
        """
        classes = len(self.reference)
        shares, accuracy = np.full((classes, 4), np.nan), np.full(4, np.nan)
        pooled = np.bincount(self._pool, weights=counts, minlength=len(self._law))
        seen = self._law.any(axis=1)
        n = float(pooled[seen].sum())
        if n <= 0 or len(self._known) < 2:
            return shares, accuracy
        law, observed = self._law[seen], pooled[seen] / n
        weights = self._likeliest(law, observed)
        mixed = law @ weights
        right = (self._is_right[seen] * law).sum(axis=0)
        with np.errstate(all="ignore"):
            scaled = law / np.maximum(mixed, 1e-12)[:, None]
            solve = np.linalg.pinv(law.T @ scaled, rcond=1e-9) @ scaled.T  # (known, pools): how the weights follow what is observed
        variance = self._variance(law, weights, mixed, n, solve)
        shares[self._known] = like_rates(weights, variance, np.full(len(weights), n))
        shares[np.setdiff1d(np.arange(classes), self._known)] = (0.0, np.nan, np.nan, n)
        follow = right @ solve  # (pools,) how the accuracy follows what is observed
        surprise = self._is_right[seen] - follow[:, None]  # (pools, known): of an event that is right or not, where so much was expected
        mean = (surprise * law).sum(axis=0)
        own = ((surprise**2 * law) @ weights).sum() - float(mean @ weights) ** 2
        of_reference = (weights**2 / self._rows[self._known]) @ ((surprise**2 * law).sum(axis=0) - mean**2)
        accuracy = like_rates(np.array(float(right @ weights)), np.array(self._dispersion * (own / n + of_reference)), np.array(n))
        return shares, accuracy

    def usual(self, counts: Float64) -> Float64:
        """(K, 4) the shares of the classes where outputs mean what they meant, whatever classes there are: those among the reference's rows with such outputs."""
        pooled = np.bincount(self._pool, weights=counts, minlength=len(self._law))
        rows = self._table.sum(axis=1)
        pooled, table, rows = pooled[rows > 0], self._table[rows > 0], rows[rows > 0]
        n = pooled.sum()
        with np.errstate(all="ignore"):
            share = table / rows[:, None]
            variance = ((pooled / n / n + np.square(pooled / n) / rows) @ (share * (1 - share))) * self._dispersion
            return like_rates(pooled @ share / n, variance, np.full(len(self.reference), n))

    def _likeliest(self, law: Float64, observed: Float64) -> Float64:
        """(known classes,) weights, from those of the reference on."""
        weights: Float64 = self.reference[self._known] / self.reference[self._known].sum()
        for _ in range(_STEPS):
            mixed = np.maximum(law @ weights, 1e-300)
            better: Float64 = weights * ((observed / mixed) @ law)
            better /= better.sum()
            if np.abs(better - weights).max() < _CONVERGED:
                return better
            weights = better
        return weights

    def _variance(self, law: Float64, weights: Float64, mixed: Float64, n: float, solve: Float64) -> Float64:
        """(known,) of the weights: by the window's chance, and by the reference's."""
        own = (solve**2 @ mixed - (solve @ mixed) ** 2) / n
        of_reference = ((solve**2 @ law) - (solve @ law) ** 2) @ (weights**2 / self._rows[self._known])
        return np.asarray(self._dispersion * (own + of_reference))


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
