"""Detectors whose windows are compared with what an evidence states of their hours of the week, to compute its figures again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from detectors.event_batch import Float64
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.numeric_drift import NumericDrift
from detectors.profile import CategoricalProfile, NumericProfile
from detectors.scans.scored_windows import Bank, Windows


class StatedCategoricalDrift(CategoricalDrift):
    """Of one column, whose window has the reference that is told.

    Parameters
    ----------
    bank, block, floor : see `CategoricalDrift`.
    levels : of the column.
    hours : ``counts`` of the whole reference; ``shares`` and ``rows`` of the window's hours.
    """

    def __init__(self, bank: Bank, *, levels: Sequence[str], block: slice, floor: float, hours: Mapping[str, Any]) -> None:
        *counts, unseen = np.asarray(hours["counts"], np.float64).astype(np.int64).tolist()
        super().__init__(bank, profiles=[CategoricalProfile(levels=tuple(levels), counts=tuple(counts), unseen=unseen)], blocks=[block], floor=floor)
        self._shares, self._rows = np.asarray(hours["shares"], np.float64), np.array([float(hours["rows"])])
        self._n_reference = self._rows  # as is told

    @override
    def _compared(self, windows: Windows) -> tuple[Float64, Float64, Float64]:
        return self._shares * self._rows, self._shares, self._rows


class StatedNumericDrift(NumericDrift):
    """Of one column, whose window is compared with so many rows as are told.

    Parameters
    ----------
    bank, profile, block, shift, deviation_ratio : see `NumericDrift`.
    hours : ``rows`` of the location and of the scale; what of the reference's variance is ``explained``, and the ``largest_square``, see `Swing`.
    """

    def __init__(self, bank: Bank, *, profile: NumericProfile, block: slice, shift: float, deviation_ratio: float, hours: Mapping[str, Any]) -> None:
        swing = _Stated(float(hours["explained"]), float(hours["largest_square"]))
        super().__init__(bank, profiles=[profile], blocks=[block], shift=shift, deviation_ratio=deviation_ratio, swing=swing)
        self._rows = np.asarray(hours["rows"], np.float64)

    @override
    def _compared(self, windows: Windows) -> Float64:
        return self._rows


class _Stated:
    """A swing of which only its size is known."""

    def __init__(self, explained: float, largest_square: float) -> None:
        self.location_variance = np.array([explained])
        self._largest_square = np.array([largest_square])

    def largest_square(self) -> Float64:
        return self._largest_square

    def at(self, time: int) -> tuple[Float64, Float64]:  # noqa: ARG002  the same at every time: an evidence does not say what was expected then
        return np.array([math.nan]), np.array([math.nan])

    def __bool__(self) -> bool:
        return True
