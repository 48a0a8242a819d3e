"""A change beyond a floor: what an oracle can know that must not alarm for an effect as large as the floor, however long it lasts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.evaluation.correlated import Correlated
from detectors.evaluation.laws import Law, Levels, ManyZeros, Moved, Rate
from detectors.event_batch import Float64


@dataclass(frozen=True)
class BeyondFloor:
    """The change from an effect that is as large as the floor to the whole of it.

    With a floor nothing is to be told of streams that stay within it, and those at its edge, on the side of the change, are the hardest to tell from changed ones. So the CUSUM of
    these two laws is the limit for every detector that keeps its false-alarm rate there.

    Attributes
    ----------
    law : whose change it is.
    floor : share of the change that is as large as the floor, from 0 to less than 1.

    Examples
    --------
    A rate that goes from .1 to .2 with a floor of .02:

    >>> beyond, values = BeyondFloor(Rate(0.1, 0.2), floor=0.2), np.array([[0.0, 1.0]])
    >>> bool(np.allclose(beyond.log_ratio(values), Rate(0.12, 0.2).log_ratio(values)))
    True
    """

    law: Law
    floor: float

    def __post_init__(self) -> None:
        if not 0 <= self.floor < 1:
            raise ValueError(f"the floor is a share of the change from 0 to less than 1, got {self.floor}; what is within the floor has no limit, as it is never told")

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m) values; a weight of 0 is at the floor."""
        return self.law.draw(generator, self.floor + (1 - self.floor) * weight, first)

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """Of the whole change against a part of it that is as large as the floor."""
        ratio: Float64 = self.law.log_ratio(values, first) - partly(self.law, self.floor).log_ratio(values, first)
        return ratio


def partly(law: Law, share: float) -> Law:
    """The law that goes only a share of the way.

    Raises
    ------
    TypeError
        If the law is none of `detectors.evaluation`, so that it is not known what a part of its change is.

    Examples
    --------
    >>> partly(Moved(shift=0.5), 0.2)
    Moved(shift=0.1, scale=1.0, noise=Normal())
    """
    if isinstance(law, Rate | ManyZeros | Correlated):
        return replace(law, after=law.before + (law.after - law.before) * share)
    if isinstance(law, Moved):
        return replace(law, shift=law.shift * share, scale=1 + (law.scale - 1) * share)
    if isinstance(law, Levels):
        return replace(law, after=tuple(before + (after - before) * share for before, after in zip(law.before, law.after, strict=True)))
    raise TypeError(f"expected a law of detectors.evaluation, got {type(law).__name__}")
