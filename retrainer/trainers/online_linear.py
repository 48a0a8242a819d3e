"""A linear model that forgets: least squares with a small ridge and exponentially fading rows (recursive least squares; Haykin 2002, chapter 10), of the label or of each class.

It is the best member where classes are told apart by a plane, learns a new plane from a few dozen rows, and cannot learn anything else. Of classes it tells regressions on
indicators, cut off at 0: good enough to be weighed, not calibrated by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors.event_batch import Float64, Int64
from retrainer.trainers.online_arrays import FADES, OnlineArrays, grown, product

RIDGE = 1.0
"""Prior rows at which each coefficient is 0: enough to solve for more columns than rows, next to nothing beside the 700 rows that count."""

_LEAST = 1e-6  # of a class, so that they can be divided by their sum


@dataclass(kw_only=True)
class OnlineLinear(OnlineArrays):
    """Least squares of fading rows.

    Attributes
    ----------
    squares : (p + 1, p + 1) sums of products of columns; the last column is 1.
    products : (k, p + 1) sums of products of columns with the label, or with each class' indicator.
    """

    name: ClassVar[str] = "linear"

    squares: Float64 = field(default_factory=lambda: np.zeros((0, 0)))
    products: Float64 = field(default_factory=lambda: np.zeros((0, 0)))
    _solved: Float64 | None = field(default=None, repr=False)

    def _learn(self, matrix: Float64, target: Float64 | Int64) -> None:
        p = self.coding.width + 1
        if not len(self.squares):
            self.squares, self.products = np.zeros((p, p)), np.zeros((0, p))
        self.products = grown(self.products, max(1, len(self.classes)))
        self._solved = None
        regression = self.task == "regression"
        for row, truth in zip(np.column_stack([matrix, np.ones(len(matrix))]), target.tolist(), strict=True):
            self.squares *= FADES
            self.squares += np.outer(row, row)
            self.products *= FADES
            if regression:
                self.products[0] += truth * row
            else:
                self.products[int(truth)] += row

    def _told(self, matrix: Float64) -> Float64:
        if not len(self.products):
            return np.zeros((len(matrix), max(1, len(self.classes))))
        if self._solved is None:
            ridge = np.full(len(self.squares), RIDGE)
            ridge[-1] = 0.0  # the level of the label is no coefficient
            self._solved = np.asarray(np.linalg.solve(self.squares + np.diag(ridge), self.products.T), np.float64)
        solved = self._solved
        told = product(matrix, solved[:-1]) + solved[-1]
        if self.task == "regression":
            return np.asarray(told)
        told = np.maximum(told, 0.0) + _LEAST
        return np.asarray(told / told.sum(axis=1, keepdims=True))

    def _arrays(self) -> dict[str, Float64]:
        return {"squares": self.squares, "products": self.products}

    def _restore(self, arrays: dict[str, Float64]) -> None:
        self.squares, self.products = arrays["squares"], arrays["products"]
