"""Which of many hypotheses to name, so that a known share of the names is wrong at most: the e-BH procedure (Wang & Ramdas 2022).

Columns of one model depend on each other in every way. The procedure of Benjamini & Hochberg (1995) keeps its rate for p-values that are independent or positively dependent;
that of e-values keeps it whatever their dependence. A p-value becomes an e-value by a calibrator, a falling function whose integral over 0 to 1 is 1. The one used here is made for
the rate that is asked for, and with it the procedure names what that of Benjamini & Yekutieli (2001) names. E-values from elsewhere can stand beside them.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Float64


def e_values_of(p_values: Float64, rate: float) -> Float64:
    """(n,) e-values that make the most of p-values for a false discovery rate.

    Examples
    --------
    >>> e_values_of(np.array([1e-9, 0.005, 0.5]), 0.05).round(1).tolist()
    [60.0, 60.0, 0.0]
    """
    n = len(p_values)
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    with np.errstate(over="ignore"):
        step = np.maximum(np.ceil(p_values * n * harmonic / rate), 1)
    e_values: Float64 = np.where(step <= n, n / (rate * step), 0.0)
    return e_values


def e_bh(e_values: Float64, rate: float) -> Bool:
    """(n,) which of the hypotheses are rejected: at most ``rate`` of them wrongly, on average.

    Examples
    --------
    >>> e_bh(np.array([70.0, 1.0, 35.0, 0.0]), 0.05).tolist()
    [False, False, False, False]
    >>> e_bh(np.array([70.0, 1.0, 45.0, 0.0]), 0.05).tolist()
    [True, False, True, False]
    """
    n = len(e_values)
    ordered = np.sort(e_values)[::-1]
    enough = np.flatnonzero(ordered * rate * np.arange(1, n + 1) >= n * (1 - 1e-12))
    if not len(enough):
        return np.zeros(n, np.bool_)
    named: Bool = e_values >= ordered[enough[-1]]
    return named
