"""When a partition's next epoch is due: at every turn while it keeps up with its log, seldom while it is behind.

An epoch costs the same whether it holds a second's records or ten: a piece of every model that changed, a bundle for every partition, provisional
points. Somebody who waits for them is told of the past anyway as long as the partition is behind, so they had better be written less often.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EpochPace:
    """The turns of one partition, at each of which it has an epoch or waits.

    Parameters
    ----------
    longest : seconds that an epoch may last while the partition is behind.
    began : when the first epoch began, seconds by the caller's clock.
    position : offset from which on the partition was read.

    Examples
    --------
    >>> pace = EpochPace(longest=5.0, began=0.0, position=0)
    >>> [pace.is_due(now=float(turn), position=1_000 * turn, log_end=8_000) for turn in range(1, 9)]
    [False, False, False, False, True, False, True, True]
    """

    longest: float
    began: float
    position: int

    def is_due(self, *, now: float, position: int, log_end: int, full: bool = False) -> bool:
        """Whether an epoch begins at this turn.

        A partition is behind when its log goes on for more than was read of it since the last turn: it would take longer than a turn to the end.

        Parameters
        ----------
        now : seconds by the caller's clock.
        position : offset up to which the partition was read.
        log_end : offset after its last record.
        full : whether so much was read that the epoch must not wait.
        """
        read, self.position = position - self.position, position
        if log_end - position > read and not full and now - self.began < self.longest:
            return False
        self.began = now
        return True
