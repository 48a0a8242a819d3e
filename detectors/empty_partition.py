"""The time of a source partition that never held a record.

It has no record to tell the time by, and whoever reads it may simply be slow: a history that is published at once comes to the other partitions
before it comes to this one. So what the others have reached counts for it only when its reader says once more that it is empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.bundle import Bundle
from detectors.event_batch import NO_TIME


@dataclass(frozen=True)
class EmptyPartition:
    """What is known of one; nothing, before its reader has said anything.

    Attributes
    ----------
    generation, epoch : of the bundle that said so last.
    idle : for how long its reader had found it empty then, milliseconds of wall time.
    others : event time that the partitions with records had reached then.
    time : event time that panes may close by, as far as this partition is concerned.

    Examples
    --------
    >>> def empty(idle: int) -> Bundle:
    ...     return Bundle(partition=1, partitions=2, generation=1, epoch=1 + idle // 30_000, idle=idle)
    >>> partition = EmptyPartition().said_by(empty(0), others=NO_TIME)
    >>> partition = partition.said_by(empty(30_000), others=3_600_000)  # meanwhile the other one has read an hour
    >>> partition.time == NO_TIME
    True
    >>> partition.said_by(empty(60_000), others=7_200_000).time
    3600000
    """

    generation: int = 0
    epoch: int = 0
    idle: int = 0
    others: int = NO_TIME
    time: int = NO_TIME

    def said_by(self, bundle: Bundle, others: int) -> EmptyPartition:
        """After a bundle that says that it is empty.

        Parameters
        ----------
        bundle : one that was taken before changes nothing.
        others : smallest event time that the partitions with records have reached, `NO_TIME` if there is none.
        """
        if (bundle.generation, bundle.epoch) <= (self.generation, self.epoch):
            return self
        waited = bundle.generation == self.generation and bundle.idle > self.idle
        return EmptyPartition(bundle.generation, bundle.epoch, bundle.idle, others, self.others if waited else self.time)
