"""Whether this process was away for so long that the group may have given its partitions to others.

A process that was stopped (SIGSTOP, a machine that slept) goes on where it was and knows nothing of it. What it wrote in the epoch that it was
stopped in does no harm, another epoch could (docs/adr/0004): before it begins one, it asks the group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Absence:
    """Watches the time between two signs of life.

    Parameters
    ----------
    longest : seconds without a sign of life after which the group may have forgotten this member.
    clock : seconds; never set back.

    Examples
    --------
    >>> times = iter([0.0, 1.0, 40.0, 41.0, 41.0])
    >>> absence = Absence(longest=30.0, clock=lambda: next(times))
    >>> absence.too_long, absence.too_long
    (False, True)
    >>> absence.end()
    >>> absence.too_long
    False
    """

    longest: float
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._since = self.clock()

    @property
    def seconds(self) -> float:
        """Since the last sign of life."""
        return self.clock() - self._since

    @property
    def too_long(self) -> bool:
        """Whether to ask the group first."""
        return self.seconds > self.longest

    def end(self) -> None:
        """A sign of life: a turn that came in time, or the group's word."""
        self._since = self.clock()
