"""Windows of a history, their scores, and what is told of them: what banks and those who walk them exchange."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.verdict import AlertKind, Effect, Group


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Settings that every bank has.

    Attributes
    ----------
    names : of the monitors.
    group, kind : see `Detector`.
    looks : closed panes between two false alarms of one monitor.
    pane, resolve_after : milliseconds.
    share : of the model's false-alarm budget, that one monitor lives on.
    smallest : panes of the smallest window that has enough events to say something; 1 where that is not known.
    """

    names: tuple[str, ...]
    group: Group
    kind: AlertKind
    looks: float
    pane: int
    resolve_after: int
    share: float = 1.0
    smallest: float = 1.0

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("a bank needs at least one monitor, got none; leave the bank out instead")
        if not self.looks > 0 or self.pane <= 0 or self.resolve_after <= 0:
            raise ValueError(f"looks, pane and resolve_after must be > 0, got {self.looks}, {self.pane} ms and {self.resolve_after} ms")

    def settings(self) -> dict[str, object]:
        """All but the names, which a bank of one of its monitors has in common with it."""
        return {setting.name: getattr(self, setting.name) for setting in fields(self) if setting.name != "names"}


class OfBank:
    """What a detector says of itself by its bank."""

    bank: Bank

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the monitors."""
        return self.bank.names

    @property
    def group(self) -> Group:
        """Share of the budget that the monitors live on."""
        return self.bank.group

    @property
    def kind(self) -> AlertKind:
        """Kind of the alerts."""
        return self.bank.kind


@dataclass(frozen=True)
class Windows:
    """Recent windows, the longest first: ``w`` of them, for one pane or for each of several.

    Attributes
    ----------
    sums : (..., w, q) sums over each window; 0 where a pane has fewer windows than another.
    noted : (..., w) row of what was known when the window began.
    known_inflation, known_freedom : (r, c) what was known of the dependence; nan before it was.
    begins, ends : (..., w) and (...,) epoch milliseconds.
    """

    sums: Float64
    noted: Int64
    known_inflation: Float64
    known_freedom: Float64
    begins: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    ends: Int64 = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def inflation(self) -> Float64:
        """(..., w, c) of each window."""
        return self.known_inflation[self.noted]

    @property
    def freedom(self) -> Float64:
        """(..., w, c) of each window."""
        return self.known_freedom[self.noted]

    def of_known(self, values: Float64) -> Float64:
        """(..., w, c) of (r, c) values, nan where the dependence is not known."""
        return np.where(np.isnan(self.known_inflation), np.nan, values)[self.noted]

    def some(self, window: Int64) -> Windows:
        """Sums and what was known of windows at places (n,), counted through all panes; without their times."""
        return Windows(self.sums.reshape(-1, self.sums.shape[-1])[window], self.noted.ravel()[window], self.known_inflation, self.known_freedom)

    def known_at(self, window: Int64, channel: Int64) -> tuple[Float64, Float64]:
        """Inflation and freedom at places: the window's (counted through all panes) and the channel's."""
        row = self.noted.ravel()[window]
        return self.known_inflation[row, channel], self.known_freedom[row, channel]


@dataclass(frozen=True)
class Scored:
    """Scores of the windows.

    Attributes
    ----------
    windows : that were scored.
    events : (..., w, m) events in the window.
    statistic : (..., w, m) on the scale of a standard normal; nan where undefined.
    effect : (..., w, m) in the unit of `WindowBank.floors`.
    detail : what the evidence needs, each (..., w, m).
    """

    windows: Windows
    events: Float64
    statistic: Float64
    effect: Float64
    detail: dict[str, Float64] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a subclass adds to the evidence of one monitor; ``basis`` names the kind of detector, and holds what of its settings stands nowhere else."""

    statistic: str
    effect: Effect
    n_reference: float
    n_current: float
    reference: dict[str, object]
    current: dict[str, object]
    basis: dict[str, object]


@dataclass(frozen=True)
class Remains:
    """What is left of a change in every window, by which its alert resolves: ``k`` effects of each monitor, all of which must be gone.

    Attributes
    ----------
    effect : (k, ..., w, m) in each effect's own unit; where only a rise is harm, a fall is negative.
    error : (k, ..., w, m) standard error that the window's own events give it; it shrinks with the window's length, so that every alert can resolve.
    tolerance : (k, ..., w, m) largest effect that is none, see `tolerance`.
    """

    effect: Float64
    error: Float64
    tolerance: Float64
