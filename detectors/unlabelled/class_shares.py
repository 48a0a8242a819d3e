"""How frequent classes are in windows without labels, and how often the model is right then.

Given its class, an event's output has the law that it had in the reference. So the outputs of a window are a mixture of the reference's, class by class, and the weights are
the classes' shares: the likeliest ones are found by expectation maximisation (Saerens, Latinne & Decaestecker 2002; on output cells with one calibrated probability, which
say the same of every class). Whether that is what has happened is another question, see `detectors.unlabelled.label_shift`.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Float64, Int64
from detectors.profile import OutcomeProfile
from detectors.statistics.intervals import like_rates
from detectors.unlabelled.estimated_performance import Calibration

FEWEST = 30
"""Labelled rows of a class by which its outputs are known; a class with fewer is taken to keep out."""

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
