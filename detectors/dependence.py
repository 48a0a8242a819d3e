"""How much larger the variance of a sum is than independent events would make it.

Blocks of 1, 2, 4 ... panes are completed by the merges of the history. Where panes follow each other independently, the variance of a block's
sum, per event, is the same at every length; where they are correlated it grows with the length, towards the long-run variance. The estimate
extrapolates the growth from one to two panes as a first-order autoregression does, and takes a longer block's variance where that is
significantly larger. It never deflates, and comes with the degrees of freedom it rests on, for a Student correction of the scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.event_batch import Bool, Float64

_FEWEST_LEVELS = 2  # an estimate compares blocks of two panes with single ones
MIN_BLOCKS = 10
MIN_FREEDOM = 8.0
_COUNT = 0


@dataclass(frozen=True)
class Dependence:
    """Sums over completed blocks.

    Attributes
    ----------
    blocks : (l, 4, c) by level, as many as have been completed and two at least, and channel: blocks with events, their events n, totals S, and the sum of S^2 / n.
    squares : (c,) sum of the squared values of single events.
    inflation : (c,) latest estimate of the long-run variance over the variance of single events, at least 1; nan until armed.
    freedom : (c,) its degrees of freedom.
    """

    blocks: Float64
    squares: Float64
    inflation: Float64
    freedom: Float64

    @staticmethod
    def empty(channels: int) -> Dependence:
        """Nothing seen."""
        return Dependence(np.zeros((_FEWEST_LEVELS, 4, channels)), np.zeros(channels), np.full(channels, np.nan), np.zeros(channels))

    @staticmethod
    def of_state(state: dict[str, Any]) -> Dependence:
        """What is in a detector's state."""
        return Dependence(state["blocks"], state["squares"], state["inflation"], state["freedom"])

    def as_state(self) -> dict[str, Float64]:
        """Arrays by name."""
        return {"blocks": self.blocks, "squares": self.squares, "inflation": self.inflation, "freedom": self.freedom}

    def observe(self, levels: Sequence[int], events: Float64, totals: Float64, squares: Float64, counted: Bool) -> Dependence:
        """With more blocks.

        Parameters
        ----------
        levels : of each of ``b`` blocks, a block of level l spans 2 ** l panes.
        events, totals : (b, c) of each.
        squares : (p, c) sums of squares of each of the single panes among them.
        counted : (b, c) or (1, c) the channels in which each block counts.
        """
        seen = counted & (events > 0)
        totals_seen = totals * seen
        added = np.empty((len(events), 4, events.shape[1]))
        for place, part in enumerate((seen, events * seen, totals_seen, totals_seen * totals / np.maximum(events, 1))):
            added[:, place] = part
        known = len(self.blocks)
        sums = np.zeros((max(known, 1 + max(levels)), *self.blocks.shape[1:]))
        sums[:known] = self.blocks
        for level, block in zip(levels, added, strict=True):
            sums[level] += block
        # One after another, so that the same panes give the same bits however many come at once.
        return Dependence(sums, np.add.accumulate((self.squares, *squares))[-1], self.inflation, self.freedom)

    def estimated(self) -> Dependence:
        """With a fresh estimate in the channels that have enough blocks; the others keep their last one."""
        used = max(_FEWEST_LEVELS, int(self.blocks[:, _COUNT].any(axis=1).sum()))  # a level has blocks only if the one below has
        count, events, totals, square = np.moveaxis(self.blocks[:used], 1, 0)
        with np.errstate(all="ignore"):
            variances = (square - totals * totals / events) / (count - 1)
            of_event = self.squares / events[0] - (totals[0] / events[0]) ** 2
            correlation = np.clip(variances[1] / variances[0] - 1 + 1 / np.sqrt(count[1]), 0, 0.98)
            shrink = (1 - correlation) / (1 + correlation)
            current = np.maximum(variances[0], 0) / shrink
            freedom = (count[0] - 1) * shrink
            beyond = np.where(count >= MIN_BLOCKS, 1 + 2 * np.sqrt(2 / (count - 1)), np.nan)
            for channel in np.flatnonzero((variances[1:] > current * beyond[1:]).any(axis=0)).tolist():  # few
                for level in range(1, used):
                    if variances[level, channel] > current[channel] * beyond[level, channel]:
                        current[channel], freedom[channel] = variances[level, channel], count[level, channel] - 1
            inflation = np.where(of_event > 1e-12, np.maximum(current / of_event, 1), 1.0)
            freedom = np.where(of_event > 1e-12, freedom, count[0] - 1)
        armed = (count[1] >= MIN_BLOCKS) & (freedom >= MIN_FREEDOM)
        return Dependence(self.blocks, self.squares, np.where(armed, inflation, self.inflation), np.where(armed, freedom, self.freedom))

    def without(self, channels: Bool) -> Dependence:
        """Without the blocks of some channels; their last estimate stands until there is a new one."""
        blocks = np.where(channels, 0.0, self.blocks)
        return Dependence(blocks, np.where(channels, 0.0, self.squares), self.inflation, self.freedom)
