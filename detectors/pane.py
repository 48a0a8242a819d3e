"""Panes: short tumbling windows of event time (Li et al. 2005, "No pane, no gain")."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import NO_TIME, Int64


def pane_start(timestamp: Int64, length: int) -> Int64:
    """Start of the pane that each time falls into; panes are aligned to epoch 0.

    Examples
    --------
    >>> pane_start(np.array([0, 9_999, 10_000, -1]), 10_000).tolist()
    [0, 0, 10000, -10000]
    """
    return np.floor_divide(timestamp, length) * length


def pane_after(time: int, length: int) -> int:
    """Start of the first pane that lies wholly after a time; `NO_TIME` where there is none yet.

    Examples
    --------
    >>> pane_after(12_345, 10_000), pane_after(20_000, 10_000)
    (20000, 30000)
    """
    return NO_TIME if time == NO_TIME else (time // length + 1) * length
