"""What events say that stand for several, since only a share of the traffic is published.

An event of the sampling fraction f stands for w = 1 / f events (Horvitz & Thompson 1952): sums of weights are unbiased for all of the traffic, whatever the fraction depends
on, and ratios of them nearly so (Hajek 1971). They are less sure than so many events would be. What a mean of weighted events is worth follows from the sums of their weights
and of the squares of these: its variance is ``sum w^2 (x - mean)^2 / (sum w)^2``, and by as much as this exceeds the variance that ``sum w`` events would give it, its design
effect (Kish 1965), it rests on fewer. Tests and intervals are given these effective events (Korn & Graubard 1998); where every weight is 1 these are the events themselves.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64, UInt64

SMALLEST_FRACTION = 1e-6
"""Of what is published. A smaller one is a mistake, or a sample of nothing; and sums of the squares of its weights would not be exact."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # of Knuth's multiplicative hashing: an application may itself sample by a hash of the id
_ALMOST = 1e-6  # 1 / (1 / 3) is 3


def whole_weights(fraction: Float64, event_id: UInt64) -> Float64:
    """(n,) events that each event stands for, so that counts stay whole: 1 / .3 is 3 for two events of three, and 4 for the third, by the hash of its id.

    On average that is the weight itself, and the same on every reading; what it adds to the variance is in the sums of squares.

    Parameters
    ----------
    fraction : (n,) above 0, up to 1; nan where an event says none, which stands for itself.
    event_id : (n,) hashes.

    Examples
    --------
    >>> whole_weights(np.array([1.0, 0.1, np.nan]), np.arange(3, dtype=np.uint64)).tolist()
    [1.0, 10.0, 1.0]
    >>> drawn = whole_weights(np.full(30_000, 0.3), np.arange(30_000, dtype=np.uint64))
    >>> np.unique(drawn).tolist(), round(float(drawn.mean()), 2)
    ([3.0, 4.0], 3.33)
    """
    weight = 1 / np.where(np.isnan(fraction), 1.0, fraction)
    whole = np.floor(weight + _ALMOST)
    found: Float64 = whole + (by_hash(event_id) < weight - whole)
    return found


def by_hash(event_id: UInt64) -> Float64:
    """(n,) numbers from 0 to 1, evenly, that follow from the ids alone."""
    mixed = (event_id ^ (event_id >> np.uint64(29))) * _SPREAD
    found: Float64 = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found


def effective_share(events: Float64, totals: Float64, squares: Float64, weighed: tuple[Float64, Float64, Float64]) -> Float64:
    """Effective events for each event that the weights come to, at most 1: one over the design effect of a mean; any shape.

    Parameters
    ----------
    events, totals, squares : sums of the weights w, of w x and of w x^2.
    weighed : the same with w^2 for w.

    Returns
    -------
    Of what never varied, one over the mean weight of an event in the traffic, as if x had nothing to do with the weights (Kish 1965); nan without events.

    Examples
    --------
    Of 1,000 events a tenth are errors, of which all are published, and a tenth of the others: they tell the share of errors as well as 526 events would, Kish's formula says 110.

    >>> of = [np.array([number]) for number in (1_000.0, 100.0, 100.0)]
    >>> of_squares = tuple(np.array([number]) for number in (100 + 90 * 100.0, 100.0, 100.0))
    >>> (1_000 * effective_share(*of, of_squares)).round()
    array([526.])
    """
    with np.errstate(all="ignore"):
        mean = totals / events
        variance, of_weighed = squares - totals * mean, weighed[2] - 2 * mean * weighed[1] + mean * mean * weighed[0]
        share = np.where(variance > 1e-9 * squares, variance / of_weighed, events / weighed[0])
    found: Float64 = np.minimum(share, 1.0)
    return found


def effective_rate(hits: Float64, events: Float64, weighed_hits: Float64, weighed_events: Float64) -> tuple[Float64, Float64]:
    """Hits and events that a rate of weighted events is worth, of the same rate.

    Parameters
    ----------
    hits, events : sums of weights; any shape.
    weighed_hits, weighed_events : sums of their squares.
    """
    share = effective_share(events, hits, hits, (weighed_events, weighed_hits, weighed_hits))
    return hits * share, events * share
