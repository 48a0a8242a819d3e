"""What every peer does with the stream: a histogram for each feature, and how many predictions were right in each pane.

The work is as cheap as it gets in Python, so that what is compared is what moves the records: typed decoding, and numpy over a thousand events
at a time, also where the peer hands over one record after another. The environments of the peers hold numpy and msgspec; nothing else of this
project is imported here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]

TOGETHER = 1_000
"""Events that are counted together where the peer hands over less; the bench publishes multiples of it."""

PANES = 64
"""Panes of event time that there is room for."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer is told, in a file whose path is its only argument.

    Attributes
    ----------
    bootstrap, topic, group : where the records are, and who reads them.
    folder : for what the peer itself wants to keep; it is empty, and its own.
    counts : file of int64 that the peer writes its counts to.
    edges : edges of the bins of each feature, by its name.
    start, pane : when the first pane begins, and how long each is, in epoch milliseconds.
    """

    bootstrap: str
    topic: str
    group: str
    folder: str
    counts: str
    edges: dict[str, list[float]]
    start: int
    pane: int

    @property
    def places(self) -> int:
        """Length of the vector of counts: events, events and right predictions of each pane, bins of each feature."""
        return 1 + 2 * PANES + sum(len(edges) + 1 for edges in self.edges.values())


def told() -> Task:
    """The task of this process."""
    return msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Task)


class Counting:
    """From the bytes of records to counts.

    Examples
    --------
    >>> task = Task(bootstrap="", topic="", group="", folder="", counts="", edges={"age": [30.0, 60.0]}, start=0, pane=10_000)
    >>> counting = Counting(task)
    >>> counts = counting.count([b'{"timestamp":12000,"prediction":"no","label":"no","features":{"age":%d}}' % age for age in (20, 30, 70)])
    >>> counts[0], counts[-3:]
    (np.int64(3), array([1, 1, 1]))
    """

    def __init__(self, task: Task) -> None:
        features = msgspec.defstruct("Features", [(name, float) for name in task.edges], gc=False)
        event = msgspec.defstruct("Event", [("timestamp", int), ("prediction", str), ("label", str), ("features", features)], gc=False)
        self._decode = msgspec.json.Decoder(event).decode
        self._edges = [np.array(edges) for edges in task.edges.values()]
        self._start, self._pane = task.start, task.pane

    def count(self, values: list[bytes]) -> Counts:
        """Counts of records."""
        events: list[Any] = [self._decode(value) for value in values]
        matrix = np.array([astuple(event.features) for event in events])
        right = np.array([event.prediction == event.label for event in events])
        pane = (np.array([event.timestamp for event in events]) - self._start) // self._pane
        parts = [np.bincount(pane, minlength=PANES), np.bincount(pane[right], minlength=PANES)]
        for column, edges in zip(matrix.T, self._edges, strict=True):
            parts.append(np.bincount(edges.searchsorted(column, "right"), minlength=len(edges) + 1))
        return np.concatenate(([len(events)], *parts))


class Report:
    """Counts where the bench sees them."""

    def __init__(self, task: Task) -> None:
        self._file = np.memmap(task.counts, np.int64, "r+", shape=(task.places,))

    def write(self, counts: Counts) -> None:
        """Replace them; the number of events last, which the bench waits for."""
        self._file[1:] = counts[1:]
        self._file[0] = counts[0]


class Tally:
    """Counts of everything so far, for a peer without state of its own."""

    def __init__(self, task: Task) -> None:
        self._counting, self._report = Counting(task), Report(task)
        self._counts = np.zeros(task.places, np.int64)

    def add(self, values: list[bytes]) -> None:
        """Records more."""
        self._counts += self._counting.count(values)
        self._report.write(self._counts)
