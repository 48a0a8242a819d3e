"""The nearest neighbours among the newest rows, closer ones counting more (Dudani 1976): nothing is learnt but what happened lately.

It is the best member where classes lie in clusters, and follows any change as fast as its rows come. Columns that say nothing blur it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors.event_batch import Float64, Int64
from retrainer.trainers.online_arrays import HALF_LIFE, OnlineArrays

NEWEST = 2 * HALF_LIFE
"""Rows that are held: what is older would count a quarter elsewhere."""

NEIGHBOURS = 10

_AT_ONCE = 50  # rows whose distances are held at a time: as much as a core has at hand
_TOUCHING = 1e-3  # standard deviations; rows closer than that are taken for equal


@dataclass(kw_only=True)
class OnlineNeighbours(OnlineArrays):
    """The newest rows.

    Attributes
    ----------
    rows : (w, p) coded, at most `NEWEST`.
    target : (w,) numbers, or places among the classes.
    """

    name: ClassVar[str] = "neighbours"

    rows: Float64 = field(default_factory=lambda: np.zeros((0, 0)))
    target: Float64 = field(default_factory=lambda: np.zeros(0))

    def _learn(self, matrix: Float64, target: Float64 | Int64) -> None:
        held = self.rows.reshape(-1, matrix.shape[1])
        self.rows = np.concatenate([held, matrix])[-NEWEST:]
        self.target = np.concatenate([self.target, np.asarray(target, np.float64)])[-NEWEST:]

    def _told(self, matrix: Float64) -> Float64:
        told = np.zeros((len(matrix), max(1, len(self.classes))))
        if len(self.rows):
            values = self.target[:, None] if self.task == "regression" else (self.target[:, None] == np.arange(len(self.classes))).astype(np.float64)
            for start in range(0, len(matrix), _AT_ONCE):
                part = matrix[start : start + _AT_ONCE]
                near, weights = self._nearest(part)
                for place in range(near.shape[1]):
                    told[start : start + _AT_ONCE] += weights[:, place, None] * values[near[:, place]]
        return told

    def _nearest(self, matrix: Float64) -> tuple[Int64, Float64]:
        """(n, j) places of the nearest rows, and their weights."""
        far = np.zeros((len(matrix), len(self.rows)))
        for mine, theirs in zip(matrix.T, self.rows.T, strict=True):  # not as a product of matrices: rows that are equally far must be so to the last bit
            far += (mine[:, None] - theirs) ** 2
        most = min(NEIGHBOURS, len(self.rows))
        near = np.argpartition(far, most - 1, axis=1)[:, :most]
        weights = 1 / (np.sqrt(np.take_along_axis(far, near, axis=1)) + _TOUCHING)
        return near, weights / weights.sum(axis=1, keepdims=True)

    def _arrays(self) -> dict[str, Float64]:
        return {"rows": self.rows, "target": self.target}

    def _restore(self, arrays: dict[str, Float64]) -> None:
        self.rows, self.target = arrays["rows"], arrays["target"]
