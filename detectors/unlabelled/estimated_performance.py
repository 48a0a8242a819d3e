"""Performance where there are no labels: how often such outputs were right in the reference (confidence-based performance estimation).

How often a class was right when it was predicted with a certain score is learnt from the reference's labelled rows, by isotonic regression over the bins of the score. A
window's outputs, counted by the same cells, then say how many of them are right. It holds as long as outputs mean what they meant: not when the relation of
inputs and label changes (what `calibration_error` and its monitor show once labels come), nor for inputs that the reference does not have (`detectors.unlabelled.support`). Where
priors of classes have moved `detectors.unlabelled.label_shift` takes its place.

An interval is of what will be measured when the labels come. It holds the chance of single outcomes, the calibration's own error, and that both
vary more from one stretch of time to another than those of independent rows, as they did in the reference.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.event_batch import Bool, Float64, Int64
from detectors.metric import Z
from detectors.panes.output_cells import cells_of_class, number_of_cells
from detectors.profile import OutcomeProfile
from detectors.statistics.intervals import known, like_rates

ESTIMATED = ("estimated_accuracy", "estimated_precision", "estimated_recall", "estimated_f1")
"""Metrics in their order; those after the first are of the positive class of two."""


class Calibration:
    """How often a model is right, by what it says.

    Parameters
    ----------
    outcomes : of the reference.
    classes : number of known classes.
    positive : place of the class that the score is the probability of; None where it is that of the predicted class.

    Attributes
    ----------
    rows : (J,) labelled rows of the reference in each output cell, see `detectors.panes.output_cells`.
    right : (J,) share of them that is right, calibrated; one half where nothing is known of a predicted class, 0 for predictions of unknown classes.
    spread : (J,) ``right (1 - right)``.
    pool : (J,) the same for cells that have one share.
    predicted : (J,) place of the class that each cell is a prediction of; K where it is unknown.

    Examples
    --------
    >>> outcomes = OutcomeProfile(labels=(0, 0, 1, 1), cells=(0, 1, 0, 1), counts=(900, 40, 100, 160))
    >>> calibration = Calibration(outcomes, classes=2, positive=1)
    >>> calibration.right.tolist(), calibration.performance(np.array([[800.0, 200.0, 0.0]]))[0, 0].round(3).tolist()
    ([0.9, 0.8, 0.0], [0.88, 0.85, 0.905, 1000.0])
    """

    def __init__(self, outcomes: OutcomeProfile, classes: int, positive: int | None) -> None:
        each, size = cells_of_class(scored=outcomes.scored), number_of_cells(classes, scored=outcomes.scored)
        labels, cells, counts = np.asarray(outcomes.labels, np.int64), np.asarray(outcomes.cells, np.int64), np.asarray(outcomes.counts, np.float64)
        self.rows: Float64 = np.bincount(cells, weights=counts, minlength=size).astype(np.float64)
        right = np.bincount(cells, weights=counts * (labels == cells // each), minlength=size).astype(np.float64)
        self.predicted: Int64 = np.arange(size) // each  # the last cell is of no known class
        self.right: Float64 = np.zeros(size)
        self.pool: Int64 = np.arange(size)
        for place in range(classes):
            mine = slice(place * each, (place + 1) * each)
            scored = slice(mine.start, mine.stop - 1) if outcomes.scored else mine
            # A score of another class says the less of this one, the larger it is.
            self.right[scored], self.pool[scored] = _isotonic(right[scored], self.rows[scored], rising=positive in {None, place})
            if outcomes.scored:
                all_right, all_rows = right[mine].sum(), self.rows[mine].sum()
                last = mine.stop - 1
                self.right[last] = right[last] / self.rows[last] if self.rows[last] else all_right / all_rows if all_rows else 0.5
            self.pool[scored] += mine.start
        self.spread: Float64 = self.right * (1 - self.right)
        in_pool, right_in_pool = (np.bincount(self.pool, weights=part, minlength=size) for part in (self.rows, right))
        share = (right_in_pool + 1) / (in_pool + 2)  # a pool whose few rows agree is not free of error
        self._variance_of_pool: Float64 = share * (1 - share) / np.maximum(in_pool, 1)
        self._variance_of_pool[-1] = 0  # what is not known is never counted as right
        self.reference_rows = float(self.rows.sum())
        self._dispersion = outcomes.dispersion
        self._wider = float(special.stdtrit(outcomes.blocks, 0.975)) / Z if outcomes.blocks else 1.0
        self._positive = positive if classes == 2 else None

    def performance(self, counts: Float64) -> Float64:
        """(m, 4, 4) of `ESTIMATED`: value, low, high, n; of outputs (m, J). Without a positive class of two, the last three are nan."""
        n = counts.sum(axis=1)
        found = np.full((len(counts), len(ESTIMATED), 4), np.nan)
        with np.errstate(all="ignore"):
            found[:, 0] = self._rate((counts @ self.right) / n, counts, np.broadcast_to(1 / n[:, None], counts.shape), n)
            if self._positive is not None:
                found[:, 1:] = self._of_positive(counts)
        return found

    def _of_positive(self, counts: Float64) -> Float64:
        """(m, 3, 4) of precision, recall and F1, whose change with each outcome that is right instead of wrong gives their variance."""
        said: Bool = self.predicted == self._positive
        unsaid: Bool = self.predicted == 1 - (self._positive or 0)
        right = counts * self.right
        hits, predicted, missed = right[:, said].sum(axis=1), counts[:, said].sum(axis=1), (counts - right)[:, unsaid].sum(axis=1)
        true, both = hits + missed, hits + predicted + missed
        precision, recall, f1 = hits / predicted, hits / true, 2 * hits / both
        changes = (
            (precision, said / predicted[:, None], predicted),
            (recall, (said * (1 - recall[:, None]) + unsaid * recall[:, None]) / true[:, None], true),
            (f1, (said * (2 - f1[:, None]) + unsaid * f1[:, None]) / both[:, None], both),
        )
        return np.stack([self._rate(value, counts, change, n) for value, change, n in changes], axis=1)

    def _rate(self, value: Float64, counts: Float64, change: Float64, n: Float64) -> Float64:
        return like_rates(value, self._variance(counts, change) * self._wider**2, n)

    def _variance(self, counts: Float64, change: Float64) -> Float64:
        """(m,) of a metric that changes by (m, J) with each outcome."""
        weight = counts * change
        of_pools = np.zeros((self.pool.max() + 1, len(counts)))
        np.add.at(of_pools, self.pool, weight.T)
        own, calibration = (weight * change) @ self.spread, np.square(of_pools.T) @ self._variance_of_pool[: len(of_pools)]
        return np.asarray(self._dispersion * (own + calibration))

    def error(self, labelled: Float64, right: Float64) -> Float64:
        """(m, 4) of ``calibration_error``: how much larger the error rate of labelled outputs (m, J), of which (m,) were right, is than estimated of the same outputs."""
        n = labelled.sum(axis=1)
        with np.errstate(all="ignore"):
            value = (labelled @ self.right - right) / n
            half = Z * self._wider * np.sqrt(self._variance(labelled, np.broadcast_to(1 / n[:, None], labelled.shape)))
        return known(value, value - half, value + half, n)


def _isotonic(right: Float64, rows: Float64, *, rising: bool) -> tuple[Float64, Int64]:
    """Shares that rise (or fall) from cell to cell (Barlow et al. 1972), and the pool of each: cells with one share. Cells without rows have that of the nearest with some."""
    used = np.flatnonzero(rows > 0)
    if not len(used):
        return np.full(len(rows), 0.5), np.zeros(len(rows), np.int64)
    share, pool = right[used] / rows[used], used
    if len(used) > 1:
        from scipy import optimize  # noqa: PLC0415  20 MiB of a worker, which only scores need

        found = optimize.isotonic_regression(share, weights=rows[used], increasing=rising)
        share, pool = found.x, np.repeat(used[found.blocks[:-1]], np.diff(found.blocks))
    nearest = np.abs(np.arange(len(rows))[:, None] - used).argmin(axis=1)
    return share[nearest], pool[nearest]
