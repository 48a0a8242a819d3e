"""A service that became slow: the share of predictions that take longer than 95 % of them did.

How long a prediction takes is nobody's to declare, so the limit is learnt: the smallest edge of the latency histogram that at most `SLOW` of the first
`LEARN_EVENTS` latencies lie above. What is above it from then on is a rate like any other, with a reference that is learnt after the limit (or the choice
of it would be in the reference). Latencies of one request after another, or of a burst, depend on each other; that is measured as for every rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.rate_change import Rate, RateChange
from detectors.panes.layout import LATENCY_EDGES
from detectors.references.learnt_reference import LEARN_EVENTS
from detectors.scans.panel import Way
from detectors.scans.scored_windows import Bank, Scored, Told

SLOW = 0.05  # share of latencies above the limit: few enough for a tail that grows, enough of them to be found soon
_UNKNOWN = -1


class SlowRate(RateChange):
    """One monitor; `Verdicts.effect` is the difference of the shares of slow predictions.

    Parameters
    ----------
    bank : name, budget and times.
    block : of the latency histogram in a summary vector.
    reference : slow predictions and all of them, where somebody acknowledged what they are now; else they are learnt.
    floor : smallest material rise of the share, absolute.
    """

    def __init__(self, bank: Bank, *, block: slice, reference: tuple[float, float] | None, floor: float) -> None:
        super().__init__(bank, rates=[Rate(hits=[block.start], events=[block.start], reference=reference)], floor=floor)
        self._block = block

    def initial(self) -> State:
        """State before the first pane: no limit."""
        return super().initial() | {"latencies": np.zeros(self._block.stop - self._block.start), "edge": _UNKNOWN}

    @override
    def way(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> Way:
        """Panes up to the one in which the limit becomes known are taken for it, and are no look."""
        state, first = self.with_limit(state, counts)
        return Way(state, counts, self.of_limit(state, counts, first), starts, gone)

    def with_limit(self, state: State, counts: Float64) -> tuple[State, int]:
        """The state with what panes (k, size) say of the limit, and the first of them that is looked at."""
        if state["edge"] != _UNKNOWN:
            return state, 0
        seen = state["latencies"] + np.cumsum(counts[:, self._block], axis=0)
        known = np.flatnonzero(seen.sum(axis=1) >= LEARN_EVENTS)
        if not len(known):
            return state | {"latencies": seen[-1]}, len(counts)
        return state | {"latencies": np.zeros(0), "edge": edge_of(seen[known[0]])}, int(known[0]) + 1

    def of_limit(self, state: State, counts: Float64, first: int) -> Float64:
        """(k, 2) latencies of panes (k, size), and those above the limit; none before the ``first``."""
        histograms, sums = counts[:, self._block], np.zeros((len(counts), 2))
        if first < len(counts):
            sums[first:, 0], sums[first:, 1] = histograms[first:].sum(axis=1), histograms[first:, state["edge"] + 1 :].sum(axis=1)
        return sums

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Slow predictions and all of both, and the limit in milliseconds."""
        told = super().tell(state, monitor, bucket, scored)
        return replace(told, basis=told.basis | {"slower_than": LATENCY_EDGES[state["edge"]]})


def edge_of(histogram: Float64) -> int:
    """The smallest edge of the latency histogram that at most `SLOW` of the latencies lie above.

    Examples
    --------
    >>> histogram = np.zeros(len(LATENCY_EDGES) + 1)
    >>> histogram[[20, 25, 30]] = 900, 60, 40
    >>> edge_of(histogram), round(LATENCY_EDGES[25], 1)
    (25, 118.4)
    """
    above = histogram.sum() - np.cumsum(histogram)[:-1]
    enough = np.flatnonzero(above <= SLOW * histogram.sum())
    return int(enough[0]) if len(enough) else len(above) - 1
