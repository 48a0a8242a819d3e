"""The last whole period as the reference: a day is compared with the day before, a week with the week before.

Counts of the present period add up pane by pane; where it ends they become the reference of every monitor that counted enough in it, and its windows begin anew.
So a change alarms while the period lasts in which it came, which is a mixture and the reference of the next one; from the one behind that on it is the standard.
What is slow in comparison with a period is never seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors.acknowledgement import Present
from detectors.detector import Detector
from detectors.event_batch import NO_TIME, Float64
from detectors.scans.window_bank import MIN_REFERENCE, WindowBank


class PeriodReferences:
    """Counts of the period that lasts.

    Parameters
    ----------
    period : milliseconds; periods begin at multiples of it since 1970.
    """

    def __init__(self, period: int) -> None:
        self._period = period
        self._start = NO_TIME
        self._counts: list[Float64 | None] = [None, None]  # of all versions, and of the one that serves
        self._whole = [False, False]  # whether they were counted from its first pane on

    def end(self, pane: int) -> int:
        """End of the period that a pane at a time belongs to."""
        return (pane // self._period + 1) * self._period

    def turn(self, pane: int, inputs: Iterable[Detector], outputs: Iterable[Detector]) -> dict[str, Present]:
        """Go on to the period of a pane.

        Parameters
        ----------
        pane : start of the next pane, epoch milliseconds.
        inputs, outputs : detectors of what goes into the model, and of what it makes of it.

        Returns
        -------
        By monitor, what the period that has ended holds of it; nothing of those with fewer than 100 events in it, nor while it lasts, nor of one that was
        not watched as a whole, by the version that served at its end.
        """
        start = pane // self._period * self._period
        if start == self._start:
            return {}
        found: dict[str, Present] = {}
        for counts, whole, detectors in zip(self._counts, self._whole, (inputs, outputs), strict=True):
            if counts is None or not whole:
                continue
            for detector in detectors:
                if isinstance(detector, WindowBank) and detector.group != "service":  # which is learnt from the stream, and latencies by a limit of their own
                    seen = detector.seen_in(counts, self._start)
                    found |= {name: present for name, present in zip(detector.names, seen, strict=True) if present.events >= MIN_REFERENCE}
        # The first period counts where the first pane of it is the first that was watched.
        self._whole = [self._start != NO_TIME or pane == start] * 2
        self._start, self._counts = start, [None, None]
        return found

    def add(self, totals: Float64, serving: Float64) -> None:
        """Take closed panes of the period that lasts; (k, size) each."""
        for place, counts in enumerate((totals, serving)):
            for one in counts:  # one after another, so that the same panes give the same bits however many come at once
                before = self._counts[place]
                self._counts[place] = one.copy() if before is None else before + one

    def begin_outputs(self) -> None:
        """Another version serves: what the one before made is no reference for it, nor is the rest of this period, which is not a whole one."""
        self._counts[1], self._whole[1] = None, False

    def state(self) -> dict[str, Any]:
        """What to save."""
        return {"start": self._start, "whole": list(self._whole), "counts": list(self._counts)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._start, self._whole, self._counts = state["start"], list(state["whole"]), list(state["counts"])
