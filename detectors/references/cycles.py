"""Cycles of a day, a week or a year: a swing that the reference had, too, is not drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from detectors.duration import format_duration
from detectors.errors import SettingsError
from detectors.event_batch import Float64, Int64
from detectors.profile import Cycle

HARMONICS = 2  # a day's morning and evening peaks; more would learn noise from two cycles
_COMMON = {order / other for order in range(1, HARMONICS + 1) for other in range(1, HARMONICS + 1)}  # ratios of periods of which a harmonic is the same
_ROWS_PER_COEFFICIENT = 20


def angles(time: Int64, period: int, harmonics: int = HARMONICS) -> Float64:
    """Columns ``cos 1, sin 1, cos 2, sin 2, ...`` of the phase of each time, whose zero is at epoch 0.

    Parameters
    ----------
    time : (n,) epoch milliseconds.
    period : milliseconds.

    Returns
    -------
    (n, 2 * harmonics)

    Examples
    --------
    >>> angles(np.array([0, 250]), 1_000, 1).round(9).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    phase = 2 * np.pi * (np.mod(time, period) / period)
    return np.column_stack([wave(order * phase) for order in range(1, harmonics + 1) for wave in (np.cos, np.sin)])


def learn_cycles(standard: Float64, time: Int64, periods: Sequence[int], *, span: int) -> tuple[Cycle, ...]:
    """Harmonics of a column's standard score and of its square, fitted together for all periods by least squares.

    Parameters
    ----------
    standard : (n,) binned standard scores (the profile's `scores` at each row's bin), which is what a summary can tell.
    time : (n,) epoch milliseconds.
    periods : milliseconds.
    span : milliseconds from the first to the last row of the whole reference.

    Returns
    -------
    A cycle for each period; none when the column has fewer than 20 rows for each coefficient, or its times do not tell the phases apart.

    Raises
    ------
    SettingsError
        If the reference does not hold two whole cycles of a period, or two periods have a wave in common, as a day and half a day have.
    """
    for period in periods:
        if period <= 0:
            raise SettingsError(f"a cycle must be > 0 ms, got {period} ms")
        if span < 2 * period:
            raise SettingsError(
                f"a cycle of {format_duration(period)} is learnt from at least two, so from {format_duration(2 * period)}, but the reference holds "
                f"{math.floor(100 * span / period) / 100:.3g} of them; give a longer reference or leave this period out"
            )
    for shorter, longer in combinations(sorted(periods), 2):
        if longer / shorter in _COMMON:
            raise SettingsError(
                f"cycles of {format_duration(longer)} and {format_duration(shorter)} have a wave in common, so that neither could be told from the other; "
                f"a cycle of {format_duration(longer)} holds its half, too: leave {format_duration(shorter)} out"
            )
    width = 2 * HARMONICS
    design = np.column_stack([np.ones(len(time)), *(angles(time, period) for period in periods)])
    if len(time) < _ROWS_PER_COEFFICIENT * design.shape[1]:
        return ()
    products = design.T @ design / len(time)
    if np.linalg.matrix_rank(products, tol=1e-3) < design.shape[1]:
        return ()
    fitted = np.linalg.solve(products, design.T @ np.column_stack([standard, standard**2]) / len(time)).round(6)
    parts = [fitted[1 + place * width : 1 + (place + 1) * width] for place in range(len(periods))]
    return tuple(Cycle(period=period, location=tuple(part[:, 0].tolist()), square=tuple(part[:, 1].tolist())) for period, part in zip(periods, parts, strict=True))
