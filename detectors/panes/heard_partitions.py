"""Whether a pane lacks a source partition that usually has predictions: then it says nothing of how many there were.

Events are spread over partitions by their ids, so that one is empty while the others are not is a matter of their transport: a broker that is away, or a reader that waits. Where a
partition is behind, panes wait for it; where it is idle for long, time goes on without it (ADR 0005), and what comes afterwards is late.
"""

from __future__ import annotations

from collections.abc import Mapping

MANY = 20.0  # predictions that the others have on average, where one without any is no chance
FORGOTTEN = 360  # panes after which a partition without predictions has moved elsewhere, and its share of the traffic is gone in truth


class HeardPartitions:
    """When each source partition had a prediction of a model last.

    Parameters
    ----------
    pane : milliseconds.
    """

    def __init__(self, pane: int) -> None:
        self._pane = pane
        self._last: dict[int, int] = {}

    def all_there(self, start: int, predictions: Mapping[int, float]) -> bool:
        """Whether no partition is missing from a pane; panes come in their order.

        Parameters
        ----------
        start : of the pane, epoch milliseconds.
        predictions : by source partition.

        Examples
        --------
        >>> heard = HeardPartitions(10_000)
        >>> heard.all_there(0, {0: 40, 1: 38}), heard.all_there(10_000, {0: 41}), heard.all_there(20_000, {0: 3})
        (True, False, True)
        >>> heard.all_there(4_000_000, {0: 41})
        True
        """
        present = {partition for partition, count in predictions.items() if count > 0}
        missing = [partition for partition, last in self._last.items() if partition not in present and start - last <= FORGOTTEN * self._pane]
        self._last |= dict.fromkeys(present, start)
        return not missing or sum(predictions.values()) < MANY * len(present)

    def state(self) -> list[list[int]]:
        """What to save."""
        return [[partition, last] for partition, last in sorted(self._last.items())]

    def restore(self, state: list[list[int]]) -> None:
        """Take saved state."""
        self._last = {int(partition): int(last) for partition, last in state}
