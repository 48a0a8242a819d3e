"""A reference that is learnt from the stream itself goes on growing: it is the older part of what was seen, until there is enough of it.

A reference of the first few hundred events would be a poor one for ever: a rate of .1 is known from 500 events to a seventh of itself. What has been
seen for longest without an alarm is as good as what was seen first, and a change stays outside until it is as old as half of what was before it.
Nothing is learnt any more once a monitor has alarmed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.event_batch import NO_TIME, Bool, Float64, Int64

LEARN_EVENTS = 500  # before a monitor speaks
LEARN_MOST = 10_000  # events; by more, a window of a few hundred would hardly know better
OLDER_PART = 2 / 3


def grows(learnt: Float64, state: dict[str, Any]) -> Bool:
    """(m,) whether references of so many learnt events are still growing."""
    growing: Bool = (learnt < LEARN_MOST) & (state["alarmed"] == NO_TIME) & (state["measured_since"] == NO_TIME)
    return growing


def grown(events: Float64, learnt: Float64, sums: Float64, starts: Int64) -> tuple[Bool, Float64, Int64]:
    """What references become when a pane was added to the history.

    Parameters
    ----------
    events : (b, m) of each monitor in each bucket of the history, the oldest first.
    learnt : (m,) events in the reference so far.
    sums : (b, p, m) what a reference is made of, of each bucket.
    starts : (b,) of the buckets, epoch milliseconds.

    Returns
    -------
    (m,) which of them have grown, the sums (p, m) of those, and the times (m,) from which on windows are compared with them.
    """
    seen = np.cumsum(events, axis=0)
    buckets = (seen <= OLDER_PART * seen[-1]).sum(axis=0)
    monitors = np.arange(len(learnt))
    larger: Bool = (buckets > 0) & (seen[buckets - 1, monitors] > learnt)
    return larger, np.cumsum(sums, axis=0)[buckets - 1, :, monitors].T, starts[np.minimum(buckets, len(starts) - 1)]
