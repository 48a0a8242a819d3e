"""What all banks share: the history, the windows scanned, the dependence of events, statuses and evidence.

Every window of the history (from a bucket's start until now) is compared with the reference; the statistic of a monitor is the largest
``(|effect| - floor) / standard error`` over windows, clipped at 0, and the start of that window is the estimated time of the change. A subclass
says which sums a pane contributes and how a window is scored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.dependence import Dependence
from detectors.detector import State
from detectors.event_batch import NO_TIME, Bool, Float64, Int64
from detectors.history import Cells, Histogram
from detectors.verdict import AlertKind, Effect, Evidence, Group, Status, Verdicts

MIN_REFERENCE = 100  # values
MIN_EVENTS = 30  # a window with fewer says nothing
WARNING_RATE = 10  # times the budget's rate
REFERENCE_ERRORS = 5  # half of them, within which an effect must be to be gone, hold 99 of 100 references
_OK, _LEARNING, _INSUFFICIENT, _WARNING, _DRIFT = (np.uint8(status) for status in (Status.OK, Status.LEARNING, Status.INSUFFICIENT_DATA, Status.WARNING, Status.DRIFT))


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Settings that every bank has.

    Attributes
    ----------
    names : of the monitors.
    group, kind : see `Detector`.
    looks : closed panes between two false alarms of one monitor.
    pane, resolve_after : milliseconds.
    """

    names: tuple[str, ...]
    group: Group
    kind: AlertKind
    looks: float
    pane: int
    resolve_after: int

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("a bank needs at least one monitor, got none; leave the bank out instead")
        if not self.looks > 0 or self.pane <= 0 or self.resolve_after <= 0:
            raise ValueError(f"looks, pane and resolve_after must be > 0, got {self.looks}, {self.pane} ms and {self.resolve_after} ms")


@dataclass(frozen=True)
class Windows:
    """The recent windows, the longest first: ``w`` of them.

    Attributes
    ----------
    sums : (w, q) sums over each window.
    inflation, freedom : (w, c) what was known of the dependence when the window began; nan before it was.
    """

    sums: Float64
    inflation: Float64
    freedom: Float64


@dataclass(frozen=True)
class Scored:
    """Scores of the windows.

    Attributes
    ----------
    events : (w, m) events in the window.
    statistic : (w, m) on the scale of a standard normal; nan where undefined.
    effect : (w, m) in the unit of `WindowBank.floors`.
    detail : what the evidence needs, each (w, m).
    """

    events: Float64
    statistic: Float64
    effect: Float64
    detail: dict[str, Float64] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a subclass adds to the evidence of one monitor."""

    statistic: str
    effect: Effect
    n_reference: float
    n_current: float
    reference: dict[str, object]
    current: dict[str, object]


@dataclass(frozen=True)
class Remains:
    """What is left of a change in every window, by which its alert resolves: ``k`` effects of each monitor, all of which must be gone.

    Attributes
    ----------
    effect : (k, w, m) in each effect's own unit; where only a rise is harm, a fall is negative.
    error : (k, w, m) standard error that the window's own events give it; it shrinks with the window's length, so that every alert can resolve.
    tolerance : (k, w, m) largest effect that is none, see `tolerance`.
    """

    effect: Float64
    error: Float64
    tolerance: Float64


class WindowBank(ABC):
    """A detector over the windows of a history; see the module."""

    _thresholds: tuple[Float64, ...]  # (m,) each: of DRIFT, and of WARNING
    _n_reference: Float64  # (m,) values in a declared reference; for `ready`

    def __init__(self, bank: Bank, *, width: int, channel_sums: Int64, channel_monitor: Int64) -> None:
        """Say which sums are the channels of the dependence.

        Parameters
        ----------
        bank : the settings.
        width : sums a pane contributes, ``q``.
        channel_sums : (3, c) positions among them of each channel's events, total and sum of squares.
        channel_monitor : (c,) the monitor that each channel belongs to.
        """
        self.bank = bank
        self._width = width
        self._channels = channel_sums
        self._channel_monitor = channel_monitor
        self._monitors = np.arange(len(bank.names))

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

    @property
    @abstractmethod
    def floors(self) -> Float64:
        """(m,) smallest material effects, in the unit of `Verdicts.effect`; where the floor is 0 a small resolution, so that an alert can resolve."""

    @property
    def thresholds(self) -> tuple[Float64, Float64]:
        """(m,) each: of DRIFT, and of WARNING."""
        return self._thresholds[0], self._thresholds[1]

    @abstractmethod
    def sums_of(self, counts: Float64, start: int) -> Float64:
        """(q,) what a pane contributes."""

    @abstractmethod
    def score(self, windows: Windows, state: State) -> Scored:
        """Score every window against the reference."""

    @abstractmethod
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Evidence for a monitor from the window that begins with a bucket."""

    @abstractmethod
    def remains(self, windows: Windows, scored: Scored, state: State) -> Remains:
        """What is left of a change in every window."""

    def ready(self, state: State) -> Bool:
        """(m,) whether the reference is large enough."""
        del state  # a declared reference is known from the start
        enough: Bool = self._n_reference >= MIN_REFERENCE
        return enough

    def learn(self, state: State, sums: Float64, start: int) -> State:
        """Take a pane into a reference that is still being learnt."""
        del sums, start  # a declared reference is complete
        return state

    def cells_of(self, counts: Float64) -> Cells:
        """Bin counts to keep for the evidence."""
        return counts[:0].astype(np.float32)  # none

    def initial(self) -> State:
        """State before the first pane."""
        channels = self._channels.shape[1]
        histogram = Histogram.empty(sums=self._width, labels=2 * channels)
        never = np.full(len(self.names), NO_TIME, np.int64)
        noted = {"since": never, "measured_since": never, "alarmed": never, "inflation_at_alarm": np.full(channels, np.nan)}
        return histogram.as_state() | _dependence_state(Dependence.empty(channels)) | noted

    def step(self, state: State, counts: Float64, start: int) -> tuple[State, Verdicts]:
        """Take one closed pane; one without events is no look, but time passes for the recent effect."""
        sums = self.sums_of(counts, start)
        events, totals, squares = self._channels
        if sums[events].any():
            dependence = _dependence_of(state)
            labels = np.concatenate((dependence.inflation, dependence.freedom))
            histogram, completed = Histogram.of_state(state).append(start=start, sums=sums, labels=labels, cells=self.cells_of(counts))
            since = state["measured_since"][self._channel_monitor]
            blocks = [(0, sums[events], sums[totals]), *((level, block[events], block[totals]) for level, _, block in completed)]
            dependence = dependence.observe(blocks, sums[squares], [since < start + self.bank.pane, *(since <= began for _, began, _ in completed)])
            if any(level >= 3 for level, _, _ in completed):  # every eight panes is often enough, and the first time is when there is enough
                dependence = dependence.estimated()
            state = state | histogram.as_state() | _dependence_state(dependence)
            state = self.learn(state, sums, start)
        verdicts = self._verdicts(state, start)
        first = (verdicts.status == _DRIFT) & (state["alarmed"] == NO_TIME)
        if first.any():
            # The dependence is noted before a lasting change is taken for one: the level before against the level after looks like a long correlation.
            noted = np.where(first[self._channel_monitor], state["inflation"], state["inflation_at_alarm"])
            state = state | {"alarmed": np.where(first, start + self.bank.pane, state["alarmed"]), "inflation_at_alarm": noted}
        return state, verdicts

    def gone(self, state: State) -> Bool:
        """(m,) whether the change that a monitor alarmed for is surely gone by the last pane.

        It is when there is a window from some time after the alarm until now in which every effect is below half its tolerance and the upper end of the
        effect's 95 % interval is below the whole; so a window too short to know is no proof, and after a true return some window is long enough.
        """
        if not state["sizes"]:
            return np.zeros(len(self.names), np.bool_)
        histogram = Histogram.of_state(state)
        channels = self._channels.shape[1]
        noted = state["inflation_at_alarm"]
        inflation = np.where(np.isnan(noted), histogram.labels[:, :channels], noted)
        windows = Windows(histogram.suffixes(), inflation, histogram.labels[:, channels:])
        with np.errstate(all="ignore"):
            scored = self.score(windows, state)
            left = self.remains(windows, scored, state)
            small = (left.effect < left.tolerance / 2) & (left.effect + 1.96 * left.error < left.tolerance)
        proof = small.all(axis=0) & (scored.events >= MIN_EVENTS) & (histogram.starts[:, None] >= np.maximum(state["since"], state["alarmed"]))
        gone: Bool = proof.any(axis=0) & self.ready(state)
        return gone

    def evidence(self, state: State, monitor: int) -> Evidence:
        """Evidence for a monitor's last verdict."""
        scored, usable = self._scored(state)
        column = np.where(usable[:, monitor], scored.statistic[:, monitor], -1.0)
        nothing = not (column >= 0).any()
        bucket = 0 if nothing else int(np.argmax(column))
        threshold = float(self.thresholds[0][monitor])
        if not len(column):
            effect = Effect(name="none", value=np.nan, interval=(np.nan, np.nan), floor=float(self.floors[monitor]))
            return Evidence(name=self.names[monitor], statistic="none", value=np.nan, threshold=threshold, effect=effect, n_reference=np.nan, n_current=0.0)
        told = self.tell(state, monitor, bucket, scored)
        return Evidence(
            name=self.names[monitor],
            statistic=told.statistic,
            value=np.nan if nothing else float(column[bucket]),
            threshold=threshold,
            effect=told.effect,
            n_reference=told.n_reference,
            n_current=told.n_current,
            reference=told.reference,
            current=told.current,
        )

    def restart(self, state: State, monitor: int, at: int) -> State:
        """The state in which only windows that begin at a time or later are looked at for a monitor, and its dependence is measured anew."""
        since, measured, alarmed = state["since"].copy(), state["measured_since"].copy(), state["alarmed"].copy()
        since[monitor] = measured[monitor] = at
        alarmed[monitor] = NO_TIME
        dependence = _dependence_of(state).without(self._channel_monitor == monitor)
        noted = np.where(self._channel_monitor == monitor, np.nan, state["inflation_at_alarm"])
        return state | _dependence_state(dependence) | {"since": since, "measured_since": measured, "alarmed": alarmed, "inflation_at_alarm": noted}

    def _scored(self, state: State) -> tuple[Scored, Bool]:
        histogram = Histogram.of_state(state)
        channels = self._channels.shape[1]
        inflation, freedom = histogram.labels[:, :channels], histogram.labels[:, channels:]
        with np.errstate(all="ignore"):
            scored = self.score(Windows(histogram.suffixes(), inflation, freedom), state)
        np.maximum(scored.statistic, 0, out=scored.statistic)  # keeps nan; ties at 0 go to the longest window
        usable = (scored.events >= MIN_EVENTS) & (scored.statistic >= 0) & (histogram.starts[:, None] >= state["since"])
        return scored, usable

    def _verdicts(self, state: State, start: int) -> Verdicts:
        ready, monitors = self.ready(state), self._monitors
        learnt = ready & self._armed(state)
        if not state["sizes"]:
            nothing = np.full(len(monitors), np.nan)
            return Verdicts(np.where(learnt, Status.INSUFFICIENT_DATA, Status.LEARNING).astype(np.uint8), nothing, nothing, nothing, np.full(len(monitors), NO_TIME))
        scored, usable = self._scored(state)
        statistics = np.where(usable & learnt, scored.statistic, -1.0)
        best = np.argmax(statistics, axis=0)
        largest = statistics[best, monitors]
        known = largest >= 0
        alarm, warning = self.thresholds
        status = np.where(learnt, _INSUFFICIENT, _LEARNING)
        status[known] = _OK
        status[largest > warning] = _WARNING
        status[largest > alarm] = _DRIFT
        return Verdicts(
            status=status,
            statistic=np.where(known, largest, np.nan),
            effect=np.where(known, scored.effect[best, monitors], np.nan),
            recent_effect=np.where(ready, self._recent(state, scored, start), np.nan),
            change_at=np.where(status == _DRIFT, state["starts"][best], NO_TIME),
        )

    def _recent(self, state: State, scored: Scored, start: int) -> Float64:
        """Effect over the windows of the last ``resolve_after``, reaching further back where they hold too few events; nan without any."""
        starts: Int64 = state["starts"]
        first = int(np.searchsorted(starts, min(start, start + self.bank.pane - self.bank.resolve_after)))
        if first >= len(starts):
            return np.full(len(self.names), np.nan)
        row = np.minimum((scored.events >= MIN_EVENTS).sum(axis=0) - 1, first)
        monitors = self._monitors
        known = (row >= 0) & (scored.events[first] > 0) & (starts[np.maximum(row, 0)] >= state["since"])
        return np.where(known, scored.effect[np.maximum(row, 0), monitors], np.nan)

    def _armed(self, state: State) -> Bool:
        """(m,) whether the dependence of all channels of a monitor has been measured."""
        unarmed = np.isnan(state["inflation"])
        armed: Bool = np.bincount(self._channel_monitor, unarmed, len(self.names)) == 0
        return armed


def interval_of(value: float, error: float) -> tuple[float, float]:
    """95 % interval of a normal estimate."""
    return (value - 1.96 * error, value + 1.96 * error)


def tolerance(floor: float, reference_error: Float64) -> Float64:
    """Largest effect that counts as none: the floor, but at least `REFERENCE_ERRORS` standard errors of the reference.

    After a true return to the reference's law the effect is the reference's own error, not 0; what raised the alarm was larger.
    """
    return np.maximum(floor, REFERENCE_ERRORS * reference_error)


def _dependence_of(state: State) -> Dependence:
    return Dependence(state["blocks"], state["squares"], state["inflation"], state["freedom"])


def _dependence_state(dependence: Dependence) -> dict[str, Any]:
    return {"blocks": dependence.blocks, "squares": dependence.squares, "inflation": dependence.inflation, "freedom": dependence.freedom}
