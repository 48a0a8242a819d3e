"""The contract of a detector: a bank of monitors of one kind that steps through closed panes.

A detector is configuration and is never changed; its state is a value that can be saved between any two steps. A bank holds all monitors
of its kind (every numeric feature, say), so that a step is a few numpy calls however many features there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from detectors.acknowledgement import Present
from detectors.event_batch import Bool, Float64
from detectors.verdict import AlertKind, Evidence, Group, Verdicts

State = dict[str, Any]
"""Arrays and plain values by name: what a detector remembers. Never changed in place by a step."""


class Detector(Protocol):
    """What the detect stage asks of every detector."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the ``m`` monitors, in the order of the verdicts: ``feature:salary``, ``error_rate``."""

    @property
    def group(self) -> Group:
        """Which share of the false-alarm budget the monitors live on."""

    @property
    def kind(self) -> AlertKind:
        """Kind of the alert that an alarm becomes."""

    @property
    def floors(self) -> Float64:
        """(m,) smallest material effect of each monitor."""

    def initial(self) -> State:
        """State before the first pane."""

    def step(self, state: State, counts: Float64, start: int) -> tuple[State, Verdicts]:
        """Take one closed pane.

        Parameters
        ----------
        state : from `initial` or the step before.
        counts : (size,) summary vector of the pane, see `Layout`.
        start : the pane's start, epoch milliseconds.
        """

    def walk(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> tuple[State, Verdicts]:
        """Take closed panes in their order: the same as so many steps, at less cost.

        Parameters
        ----------
        state : from `initial` or the step before.
        counts : (k, size) summary vectors.
        starts : (k,) the panes' starts, epoch milliseconds.
        gone : whether to say of each pane what `gone` says after it.

        Returns
        -------
        The state after the last pane, and the verdicts on all of them, (k, m) each.
        """

    def evidence(self, state: State, monitor: int) -> Evidence:
        """Evidence for a monitor's last verdict, from the state after that step."""

    def evidences(self, state: State, monitors: Sequence[int]) -> list[Evidence]:
        """The same for some monitors, at little more than the cost of one."""

    def gone(self, state: State) -> Bool:
        """(m,) whether the change that a monitor alarmed for is surely gone by the last pane; asked of monitors in open alerts only."""

    def present(self, state: State, monitor: int, since: int) -> Present:
        """What a monitor saw of late, from a time on: enough of it to be compared with, where there is so much."""

    def restart(self, state: State, monitor: int, at: int) -> State:
        """The state with the running history of a monitor begun anew at a time: after an alert was resolved. A learnt reference stays."""
