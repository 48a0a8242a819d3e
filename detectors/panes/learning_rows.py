"""Rows of models whose reference is learnt from the stream, as one source partition tells them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from detectors.event_batch import EventBatch
from detectors.rows.earliest_rows import Earliest, EarliestRows


class LearningRows:
    """The rows of some models that may be among each one's first, between two flushes.

    Each row is told once, unless the worker begins anew; `detectors.detection.learning` puts together what source partitions tell.

    Parameters
    ----------
    partition : the source partition.
    most : rows that a reference is learnt from.
    """

    def __init__(self, partition: int, most: int) -> None:
        self._partition = partition
        self._most = most
        self._earliest: dict[int, Earliest] = {}
        self._waiting: dict[int, list[EarliestRows]] = {}

    def take(self, events: EventBatch | None) -> None:
        """Take predictions or features events that are counted in panes, those of each model together."""
        if events is None or events.models is None:
            return
        owner = events.models.codes
        bounds = [0, *(np.flatnonzero(owner[1:] != owner[:-1]) + 1).tolist(), len(owner)]
        for first, end in pairwise(bounds):
            place, rows = int(owner[first]), slice(first, end)
            earliest = self._earliest.setdefault(place, Earliest(self._most))
            admitted = np.flatnonzero(earliest.admit(events.timestamp[rows], events.event_id[rows]))
            if len(admitted):
                self._waiting.setdefault(place, []).append(EarliestRows.of(events.take(first + admitted), self._partition))

    def flush(self, open_since: int) -> dict[int, EarliestRows]:
        """Rows since the last flush, by the place of their model; those that come are not earlier than ``open_since``."""
        told = {place: EarliestRows.concatenate(parts) for place, parts in self._waiting.items()}
        self._waiting = {}
        for earliest in self._earliest.values():
            earliest.pass_time(open_since)
        return told
