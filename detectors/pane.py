"""Panes: short tumbling windows of event time (Li et al. 2005, "No pane, no gain")."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Int64


def pane_start(timestamp: Int64, length: int) -> Int64:
    """Start of the pane that each time falls into; panes are aligned to epoch 0.

    Examples
    --------
    >>> pane_start(np.array([0, 9_999, 10_000, -1]), 10_000).tolist()
    [0, 0, 10000, -10000]
    """
    return np.floor_divide(timestamp, length) * length
