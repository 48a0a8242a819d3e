"""Gaussian naive Bayes that forgets: a mean and a variance of each column in each class, of exponentially fading rows.

It takes the columns for independent, which makes it the first to know a new concept: a few rows of each class are enough. Classes only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors.event_batch import Float64, Int64
from retrainer.trainers.online_arrays import FADES, OnlineArrays, grown, product

PRIOR = 2.0
"""Prior rows with which a class' variances begin as those of all rows: of a single row there is none."""

_LEAST_VARIANCE = 1e-3  # in squared standard deviations of the first rows: a column that is constant in a class must not rule it out for ever


@dataclass(kw_only=True)
class OnlineBayes(OnlineArrays):
    """Sums of fading rows by their class.

    Attributes
    ----------
    counts : (k, 1) rows.
    sums, squares : (k, p) of each column, and of its squares.
    """

    name: ClassVar[str] = "bayes"

    counts: Float64 = field(default_factory=lambda: np.zeros((0, 1)))
    sums: Float64 = field(default_factory=lambda: np.zeros((0, 0)))
    squares: Float64 = field(default_factory=lambda: np.zeros((0, 0)))

    def _learn(self, matrix: Float64, target: Float64 | Int64) -> None:
        if not len(self.counts):
            self.sums, self.squares = np.zeros((0, self.coding.width)), np.zeros((0, self.coding.width))
        k = len(self.classes)
        self.counts, self.sums, self.squares = grown(self.counts, k), grown(self.sums, k), grown(self.squares, k)
        for row, square, truth in zip(matrix, matrix**2, target.tolist(), strict=True):
            self.counts *= FADES
            self.sums *= FADES
            self.squares *= FADES
            self.counts[truth] += 1
            self.sums[truth] += row
            self.squares[truth] += square

    def _told(self, matrix: Float64) -> Float64:
        if not len(self.counts):
            return np.zeros((len(matrix), 1))
        whole, counts = self.counts.sum(), np.maximum(self.counts, 1e-9)
        means = self.sums / counts
        spread = np.maximum(self.squares.sum(axis=0) / whole - (self.sums.sum(axis=0) / whole) ** 2, 0.0)
        variances = np.maximum((np.maximum(self.squares - counts * means**2, 0.0) + PRIOR * spread) / (counts + PRIOR), _LEAST_VARIANCE)
        known = np.log((self.counts[:, 0] + 1) / (whole + len(counts))) - 0.5 * (np.log(variances) + means**2 / variances).sum(axis=1)
        told = known + product(matrix, (means / variances).T) - 0.5 * product(matrix**2, (1 / variances).T)
        told = np.exp(told - told.max(axis=1, keepdims=True))
        return np.asarray(told / told.sum(axis=1, keepdims=True))

    def _arrays(self) -> dict[str, Float64]:
        return {"counts": self.counts, "sums": self.sums, "squares": self.squares}

    def _restore(self, arrays: dict[str, Float64]) -> None:
        self.counts, self.sums, self.squares = arrays["counts"], arrays["sums"], arrays["squares"]
