"""A service that is full more often: the share of events whose utilisation, queue or whatever says so lies above a limit that its operator knows.

How full is too full nobody can learn from a stream: a processor at .95 may be bought to be so. So the limit is stated, and what is usual is learnt: the share of events above it.
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from detectors.detector import State
from detectors.monitors.rate_change import Rate, RateChange
from detectors.scans.scored_windows import Bank, Scored, Told
from detectors.settings.watching import Saturation

SATURATION = "saturation"
"""Name of the monitor."""


class SaturatedRate(RateChange):
    """One monitor; `Verdicts.effect` is the difference of the shares above the limit.

    Parameters
    ----------
    bank, floor : see `RateChange`.
    rate : its cells, and its reference where somebody acknowledged what it is now.
    asked : the feature and its limit.
    """

    def __init__(self, bank: Bank, *, rate: Rate, floor: float, asked: Saturation) -> None:
        super().__init__(bank, rates=[rate], floor=floor)
        self._asked = asked

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Events above the limit and all of both, and which limit that is."""
        told = super().tell(state, monitor, bucket, scored)
        return replace(told, basis=told.basis | {"feature": self._asked.feature, "above": self._asked.limit})
