"""What a model's retraining remembers besides its rows: small, a value, and enough to go on from at any point."""

from __future__ import annotations

import msgspec

from retrainer.gate import GateState
from retrainer.stage import State

FORMAT = 3
"""Goes up where a saved state would be read wrongly; another format is not read."""

Stretches = tuple[tuple[int, int], ...]
"""Labelled rows, as half-open intervals of their count."""


class SavedTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger's test; its model is in the registry."""

    version: str
    cut: int
    challengers: int
    scale: float
    state: GateState
    served: bool = False
    before: int = 0
    after: int | None = None  # an earlier release did not say it


class SavedLoop(msgspec.Struct, frozen=True, kw_only=True):
    """State of a `RetrainLoop` between two inputs.

    Attributes
    ----------
    state : of the decisions.
    trials : challengers that are being judged.
    sequences : last record seen of each alert; the latest ``retrain.remembered.alerts``.
    clock : event time, epoch milliseconds.
    idle, counted : labelled rows since the last cause, and those that the current one can train on.
    labels : labelled rows so far.
    learnt : rows that adaptive versions have learnt from since they were announced last, by version.
    """

    state: State
    trials: tuple[SavedTrial, ...]
    sequences: dict[str, int]
    clock: int
    idle: int
    counted: int
    labels: int = 0  # an earlier release did not say it
    learnt: dict[str, Stretches] | None = None  # an earlier release did not say it
    format: int = FORMAT
