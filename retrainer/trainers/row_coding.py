"""Rows as numbers of like size, for models that add or compare columns: numbers in standard deviations, levels as ones and zeros.

What the numbers are measured by is fixed by the first rows, so that rows of different days can be compared. What is missing is 0, the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64

MOST_LEVELS = 20
"""Levels of a category that are told apart, the most frequent first; the others are all zeros."""

MOST_COLUMNS = 200
"""Columns of the matrix; features beyond them are left out, as time and memory of a linear model grow with their square."""

FARTHEST = 10.0
"""Standard deviations at which a number is cut off, so that no single one outweighs all others."""


@dataclass(frozen=True, kw_only=True)
class RowCoding:
    """How features become a matrix.

    Attributes
    ----------
    levels : feature name to its levels, None for a numeric feature. Its order is that of the columns.
    mean, deviation : of each numeric feature, by its name.
    """

    levels: dict[str, list[str] | None]
    mean: dict[str, float]
    deviation: dict[str, float]

    @staticmethod
    def of(features: dict[str, Column]) -> RowCoding:
        """The coding that some rows give."""
        levels: dict[str, list[str] | None] = {}
        mean, deviation, width = {}, {}, 0
        for name, column in features.items():
            if column.dtype.kind in "fiub":
                numbers = np.asarray(column, np.float64)
                known = numbers[np.isfinite(numbers)]
                spread = float(known.std()) if len(known) else 0.0
                found, mean[name], deviation[name] = None, float(known.mean()) if len(known) else 0.0, spread if np.isfinite(spread) and spread > 0 else 1.0
            else:
                found = _frequent(column)
            width += 1 if found is None else len(found)
            if width > MOST_COLUMNS:
                break
            levels[name] = found
        return RowCoding(levels=levels, mean=mean, deviation=deviation)

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(1 if known is None else len(known) for known in self.levels.values())

    def matrix(self, features: dict[str, Column]) -> Float64:
        """(n, p) rows as numbers.

        Examples
        --------
        >>> rows = {"x": np.array([1.0, 3.0, np.nan]), "city": np.array(["Rome", "Ulm", None], object)}
        >>> RowCoding.of(rows).matrix(rows).tolist()
        [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
        """
        missing = [name for name in self.levels if name not in features]
        if missing:
            raise KeyError(f"the model needs the features {missing}, got {sorted(features)}")
        n = len(next(iter(features.values()))) if features else 0
        coded = np.zeros((n, self.width))
        place = 0
        for name, known in self.levels.items():
            if known is None:
                numbers = (np.asarray(features[name], np.float64) - self.mean[name]) / self.deviation[name]
                coded[:, place] = np.clip(np.where(np.isfinite(numbers), numbers, 0.0), -FARTHEST, FARTHEST)
                place += 1
            else:
                coded[:, place : place + len(known)] = class_names(features[name])[:, None] == np.array(known, object)
                place += len(known)
        return coded

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {"levels": list(self.levels.items()), "mean": self.mean, "deviation": self.deviation}

    @staticmethod
    def from_told(told: dict[str, Any]) -> RowCoding:
        """The coding of `told`."""
        return RowCoding(levels=dict(told["levels"]), mean=told["mean"], deviation=told["deviation"])


def _frequent(column: Column) -> list[str]:
    names = class_names(column)
    known, counts = np.unique(names[names != None].astype(str), return_counts=True)  # noqa: E711  elementwise
    return sorted(known[np.argsort(-counts, kind="stable")[:MOST_LEVELS]].tolist())
