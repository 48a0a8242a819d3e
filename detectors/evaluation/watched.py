"""What a detector did on streams, whatever detector it is: when it alarmed, and how long it looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detectors.evaluation.labelled_streams import LabelledStreams
from detectors.event_batch import Bool, Float64, Int64


@dataclass(frozen=True)
class Watched:
    """Alarms on ``m`` streams.

    Attributes
    ----------
    stream, seen : (a,) each alarm's stream, and the number of its events that had been seen when it was raised; ordered by stream, then by time.
    events : events in each stream.
    streams : m.
    learning : (m,) events until the detector could have alarmed.
    restarts : whether the detector was begun anew after each alarm; one that was not is looked at until its first.
    """

    stream: Int64
    seen: Int64
    events: int
    streams: int
    learning: Int64
    restarts: bool

    @staticmethod
    def of_first_alarms(alarmed: Bool, *, pane: int, learning: Int64) -> Watched:
        """Of a detector that is not restarted, which looks when a pane is full.

        Parameters
        ----------
        alarmed : (panes, m) whether it says so after each pane.
        pane : events in a pane.
        learning : (m,) events until it could have.

        Examples
        --------
        >>> alarmed = np.array([[False, False], [False, True], [False, True]])
        >>> Watched.of_first_alarms(alarmed, pane=10, learning=np.zeros(2, int)).seen.tolist()
        [20]
        """
        stream = np.flatnonzero(alarmed.any(axis=0))
        seen = (alarmed[:, stream].argmax(axis=0) + 1) * pane
        return Watched(stream, seen.astype(np.int64), len(alarmed) * pane, alarmed.shape[1], learning, restarts=False)

    def first_after(self, begin: Int64) -> Float64:
        """(m,) events that had been seen at the first alarm behind each stream's place; inf without one."""
        first = np.full(self.streams, np.inf)
        late = self.seen > begin[self.stream]
        np.minimum.at(first, self.stream[late], self.seen[late].astype(np.float64))
        return first

    def together(self, group: int) -> Watched:
        """Streams in groups that raise one alarm: the monitors of one model.

        Parameters
        ----------
        group : neighbouring streams in a group; the monitor is watched until the first alarm of any of them.
        """
        if self.restarts or self.streams % group:
            raise ValueError(f"groups are made of whole groups of detectors that are not restarted, got {self.streams} streams in groups of {group}, restarts {self.restarts}")
        first = self.first_after(np.zeros(self.streams, np.int64)).reshape(-1, group).min(axis=1)
        alarmed = np.flatnonzero(np.isfinite(first))
        return Watched(alarmed, first[alarmed].astype(np.int64), self.events, len(first), self.learning.reshape(-1, group).max(axis=1), restarts=False)


class Watcher(Protocol):
    """A detector as it is evaluated, with all its settings."""

    def watch(self, streams: LabelledStreams) -> Watched:
        """Go through the streams; the labels are not to be looked at."""
