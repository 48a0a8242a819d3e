"""How well a score tells two classes apart, and how far it is from a probability; of many windows at once."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.event_batch import Float64
from detectors.metric import Z
from detectors.panes.score_bins import BINS, EDGES, SIXTEENTHS, STEP
from detectors.statistics.intervals import known, like_rates, rates

OF_SCORES = ("roc_auc", "roc_auc_tied", "pr_auc", "ece")
"""Metrics of a score, in their order."""

_OF_SIXTEENTH = np.searchsorted(np.arange(1, SIXTEENTHS) / SIXTEENTHS, EDGES[:-1], side="right")
_STARTS = np.searchsorted(_OF_SIXTEENTH, np.arange(SIXTEENTHS))


def score_metrics(block: Float64) -> Float64:
    """(m, 4, 4) of `OF_SCORES`: value, low, high, n.

    Parameters
    ----------
    block : (m, SIZE) of `detectors.panes.score_bins`.

    Returns
    -------
    ``roc_auc`` : area under the ROC curve, ties counting half, with the variance of DeLong et al. (1988), but at least ``A (1 - A) / (3 min(n, p))``, the least of Hanley &
        McNeil's (1982) where positives are rare: DeLong's is far too small while hardly a pair is in the wrong order.
    ``roc_auc_tied`` : share of the pairs of a positive and a negative whose scores are in one bin; the area of the scores themselves is off by at most half of it, and by
        a thousandth or two where it is below .05.
    ``pr_auc`` : area under the curve of precision over recall: scikit-learn's average precision, as it is on average where positives and negatives of one bin come in any
        order (interpolated as by Davis & Goadrich 2006), with the binomial variance of Boyd et al. (2013); n are the positives. Where they are few it is a hundredth or
        two too small, as their order within a bin is not known.
    ``ece`` : expected calibration error (Guo et al. 2017) over sixteen equal bins; by the triangle inequality its interval is the value plus and minus what chance alone
        makes of a calibrated score, so it holds the truth more often than 19 times in 20.

    Examples
    --------
    >>> block = np.zeros((1, 2 * BINS + SIXTEENTHS))
    >>> block[0, [10, 40, BINS + 40]] = 50, 50, 100  # half of the negatives have a low score
    >>> {name: values.round(3).tolist() for name, values in zip(OF_SCORES, score_metrics(block)[0]) if "auc" in name}
    {'roc_auc': [0.75, 0.698, 0.796, 200.0], 'roc_auc_tied': [0.5, nan, nan, 200.0], 'pr_auc': [0.669, 0.572, 0.753, 100.0]}
    """
    negatives, positives = block[:, :BINS], block[:, BINS : 2 * BINS]
    return np.concatenate([_roc(negatives, positives), _precision_recall(negatives, positives), _calibration(negatives, positives, block[:, 2 * BINS :])], axis=1)


def _roc(negatives: Float64, positives: Float64) -> Float64:
    n, p = negatives.sum(axis=1), positives.sum(axis=1)
    with np.errstate(all="ignore"):
        below = (np.cumsum(negatives, axis=1) - negatives / 2) / n[:, None]  # of a positive in a bin, the share of negatives that it beats
        above = 1 - (np.cumsum(positives, axis=1) - positives / 2) / p[:, None]
        area = (positives * below).sum(axis=1) / p
        of_positives, of_negatives = (
            (counts * np.square(placed - area[:, None])).sum(axis=1) / (total - 1) / total for counts, placed, total in ((positives, below, p), (negatives, above, n))
        )
        tied = (positives * negatives).sum(axis=1) / (p * n)
        nothing = np.full(len(tied), np.nan)
        found = like_rates(area, of_positives + of_negatives, n + p, most=3 * np.minimum(n, p))
    return np.stack([found, known(tied, nothing, nothing, n + p)], axis=1)


def _precision_recall(negatives: Float64, positives: Float64) -> Float64:
    """From high scores to low: behind a positives among s rows, the t-th of p positives of a bin has the precision ``(a + t) / (s + t (1 + n / (p + 1)))``, as of its n
    negatives so many come before it on average; the sum over t is one of digamma functions.
    """
    p, n = positives[:, ::-1], negatives[:, ::-1]
    total = p.sum(axis=1)
    with np.errstate(all="ignore"):
        before = np.cumsum(p, axis=1) - p
        each = 1 + n / (p + 1)
        rows_before = (before + np.cumsum(n, axis=1) - n) / each
        found = p / each + (before - rows_before) / each * (special.digamma(rows_before + p + 1) - special.digamma(rows_before + 1))
        area = np.where(p > 0, found, 0.0).sum(axis=1) / total
    return rates(area * total, total)[:, None]


def _calibration(negatives: Float64, positives: Float64, steps: Float64) -> Float64:
    right = np.add.reduceat(positives, _STARTS, axis=1)
    n = right + np.add.reduceat(negatives, _STARTS, axis=1)
    rows = n.sum(axis=1)
    with np.errstate(all="ignore"):
        claimed = np.arange(SIXTEENTHS) / SIXTEENTHS + (np.where(n > 0, steps / n, 0.0) + 0.5) * STEP
        apart = np.abs(right - n * claimed).sum(axis=1) / rows
        smooth = (right + Z**2 / 2) / (n + Z**2)  # a bin whose few labels agree is not free of chance
        spread = np.sqrt(n * smooth * (1 - smooth)) / rows[:, None]
        mean, variance = np.sqrt(2 / np.pi) * spread.sum(axis=1), (1 - 2 / np.pi) * np.square(spread).sum(axis=1)
        noise = special.gammaincinv(mean**2 / variance, 0.95) * variance / mean
    return known(apart, np.maximum(apart - noise, 0), np.minimum(apart + noise, 1), rows)[:, None]
