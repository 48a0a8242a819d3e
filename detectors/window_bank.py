"""What all banks share: the history, the windows scanned, the dependence of events, statuses and evidence.

Every window of the history (from a bucket's start until now) is compared with the reference; the statistic of a monitor is the largest
``(|effect| - floor) / standard error`` over windows, clipped at 0, and the start of that window is the estimated time of the change. A subclass
says which sums a pane contributes and how a window is scored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from detectors.dependence import Dependence
from detectors.detector import State
from detectors.event_batch import NO_TIME, Bool, Float64, Int64
from detectors.history import Cells, GrowingHistogram, Histogram
from detectors.verdict import AlertKind, Effect, Evidence, Group, Status, Verdicts

MIN_REFERENCE = 100  # values
MIN_EVENTS = 30  # a window with fewer says nothing
WARNING_RATE = 10  # times the budget's rate
REFERENCE_ERRORS = 5  # half of them, within which an effect must be to be gone, hold 99 of 100 references
PANES_AT_ONCE = 32  # more would not fit the processor's caches
_NEVER = np.iinfo(np.int64).max
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
    """Recent windows, the longest first: ``w`` of them, for one pane or for each of several.

    Attributes
    ----------
    sums : (..., w, q) sums over each window; 0 where a pane has fewer windows than another.
    noted : (..., w) row of what was known when the window began.
    known_inflation, known_freedom : (r, c) what was known of the dependence; nan before it was.
    """

    sums: Float64
    noted: Int64
    known_inflation: Float64
    known_freedom: Float64

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
    effect : (k, ..., w, m) in each effect's own unit; where only a rise is harm, a fall is negative.
    error : (k, ..., w, m) standard error that the window's own events give it; it shrinks with the window's length, so that every alert can resolve.
    tolerance : (k, ..., w, m) largest effect that is none, see `tolerance`.
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
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, q) what each of ``k`` panes contributes."""

    @abstractmethod
    def score(self, windows: Windows, state: State) -> Scored:
        """Score every window against the reference."""

    @abstractmethod
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Evidence for a monitor from the window that begins with a bucket."""

    @abstractmethod
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """What is left of a change in every window, by an inflation (..., w, c) that may be another than the one it was scored by."""

    def ready(self, state: State) -> Bool:
        """(m,) whether the reference is large enough."""
        del state  # a declared reference is known from the start
        enough: Bool = self._n_reference >= MIN_REFERENCE
        return enough

    def learning(self, state: State) -> bool:
        """Whether a reference is still being learnt."""
        del state  # a declared reference is complete
        return False

    def learn(self, state: State, sums: Float64, start: int) -> State:
        """Take a pane into a reference that is still being learnt."""
        del sums, start
        return state

    def cells_of(self, counts: Float64) -> list[Cells]:
        """Bin counts of each of ``k`` panes to keep for the evidence; none where the sums hold them."""
        del counts
        return []

    def initial(self) -> State:
        """State before the first pane."""
        channels = self._channels.shape[1]
        histogram = Histogram.empty(sums=self._width, labels=2 * channels)
        never = np.full(len(self.names), NO_TIME, np.int64)
        noted = {"since": never, "measured_since": never, "alarmed": never, "inflation_at_alarm": np.full(channels, np.nan)}
        return histogram.as_state() | _dependence_state(Dependence.empty(channels)) | noted

    def step(self, state: State, counts: Float64, start: int) -> tuple[State, Verdicts]:
        """Take one closed pane; one without events is no look, but time passes for the recent effect."""
        state, verdicts = self._taken(state, counts[None], (start,), gone=False)
        return state, verdicts.of_pane(0)

    def walk(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> tuple[State, Verdicts]:
        """Take closed panes in their order."""
        verdicts, done = [], 0
        while done < len(starts):
            taken = 1 if self.learning(state) else PANES_AT_ONCE
            state, found = self._taken(state, counts[done : done + taken], starts[done : done + taken], gone=gone)
            verdicts.append(found)
            done += taken
        return state, Verdicts.concatenate(verdicts)

    def _taken(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool) -> tuple[State, Verdicts]:
        """Panes are added one after another, then the windows of all of them are scored at once."""
        sums = self.sums_of(counts, starts)
        events, totals, squares = self._channels
        seen: Bool = np.asarray(sums[:, events].any(axis=1))
        histogram, dependence = Histogram.of_state(state), _dependence_of(state)
        growing = GrowingHistogram(histogram, room=len(starts))
        fresh = [np.concatenate((dependence.inflation, dependence.freedom))]  # labels of the panes that are added
        armed_now = self._armed(dependence)
        since = state["measured_since"][self._channel_monitor]
        suffixes, noted, begins_of, armed, latest = [], [], [], [], []
        waiting: list[tuple[int, int, Float64]] = []  # blocks not yet in the dependence: level, last time at which measuring may have begun, sums
        squared: list[Float64] = []

        def observed() -> Dependence:
            blocks = np.array([block for _, _, block in waiting])
            counted = since <= np.array([[began] for _, began, _ in waiting])
            return dependence.observe([level for level, _, _ in waiting], blocks[:, events], blocks[:, totals], np.array(squared)[:, squares], counted)

        for place, start in enumerate(starts):
            if seen[place]:
                completed = growing.append(start, sums[place], len(histogram.sizes) + len(fresh) - 1)
                waiting += [(0, start + self.bank.pane - 1, sums[place]), *completed]
                squared.append(sums[place])
                if any(level >= 3 for level, _, _ in completed):  # every eight panes is often enough, and the first time is when there is enough
                    dependence, waiting, squared = observed().estimated(), [], []
                    fresh.append(np.concatenate((dependence.inflation, dependence.freedom)))
                    armed_now = self._armed(dependence)
            window = np.empty((len(growing.sizes), self._width))
            growing.suffixes(window)
            suffixes.append(window)
            noted.append(growing.noted.copy())
            begins_of.append(growing.starts.copy())
            armed.append(armed_now)
            latest.append(len(histogram.sizes) + len(fresh) - 1)
        if waiting:
            dependence = observed()
        labels = np.concatenate((histogram.labels, fresh))
        if seen.any():
            state = state | growing.histogram(labels, self.cells_of(counts[seen])).as_state() | _dependence_state(dependence)
            if self.learning(state):
                state = self.learn(state, sums[0], starts[0])
        windows = self._side_by_side(suffixes, noted, labels)
        begins = np.full(windows.noted.shape, _NEVER)
        for place, begin in enumerate(begins_of):
            begins[place, : len(begin)] = begin
        scored, usable = self._scored(windows, begins, state)
        verdicts = self._verdicts(state, scored, usable, begins, np.array(armed), starts)
        state, alarmed, inflation = self._note_alarms(state, verdicts, windows.known_inflation[latest], starts)
        return state, replace(verdicts, gone=self._gone(scored, begins, alarmed, inflation, state)) if gone else verdicts

    def _note_alarms(self, state: State, verdicts: Verdicts, inflation: Float64, starts: Sequence[int]) -> tuple[State, Int64, Float64]:
        """The state with the monitors that alarmed first on one of these panes, and what it held of alarms after each of them: (k, m) and (k, c), or the same after all.

        The dependence, (k, c) on each pane, is noted before a lasting change is taken for one: the level before against the level after looks like a
        long correlation.
        """
        alarmed, noted = state["alarmed"], state["inflation_at_alarm"]
        drifting = (verdicts.status == _DRIFT) & (alarmed == NO_TIME)
        if not drifting.any():
            return state, alarmed, noted
        first, since_then = drifting.argmax(axis=0), np.logical_or.accumulate(drifting)
        alarmed = np.where(since_then, np.array(starts)[first] + self.bank.pane, alarmed)
        noted = np.where(since_then[:, self._channel_monitor], inflation[first[self._channel_monitor], np.arange(inflation.shape[1])], noted)
        return state | {"alarmed": alarmed[-1], "inflation_at_alarm": noted[-1]}, alarmed, noted

    def gone(self, state: State) -> Bool:
        """(m,) whether the change that a monitor alarmed for is surely gone by the last pane.

        It is when there is a window from some time after the alarm until now in which every effect is below half its tolerance and the upper end of the
        effect's 95 % interval is below the whole; so a window too short to know is no proof, and after a true return some window is long enough.
        """
        histogram = Histogram.of_state(state)
        scored, _ = self._scored(self._windows(histogram.suffixes(), np.arange(len(histogram.sizes)), histogram.labels), histogram.starts, state)
        return self._gone(scored, histogram.starts, state["alarmed"], state["inflation_at_alarm"], state)

    def _gone(self, scored: Scored, begins: Int64, alarmed: Int64, inflation_at_alarm: Float64, state: State) -> Bool:
        """(..., m) the same for monitors that alarmed at times (..., m), when the inflation was (..., c)."""
        noted = inflation_at_alarm[..., None, :]
        with np.errstate(all="ignore"):
            left = self.remains(scored, np.where(np.isnan(noted), scored.windows.inflation, noted), state)
            small = (left.effect < left.tolerance / 2) & (left.effect + 1.96 * left.error < left.tolerance)
        proof = small.all(axis=0) & (scored.events >= MIN_EVENTS) & (begins[..., None] >= np.maximum(state["since"], alarmed)[..., None, :])
        gone: Bool = proof.any(axis=-2) & self.ready(state)
        return gone

    def _side_by_side(self, suffixes: Sequence[Float64], noted: Sequence[Sequence[int]], labels: Float64) -> Windows:
        """Windows of several panes in one rectangle; where a pane has fewer, there are no events."""
        longest = max(1, *(len(window) for window in suffixes))
        sums, rows = np.zeros((len(suffixes), longest, self._width)), np.zeros((len(suffixes), longest), np.int64)
        for place, (window, note) in enumerate(zip(suffixes, noted, strict=True)):
            sums[place, : len(window)] = window
            rows[place, : len(note)] = note
        return self._windows(sums, rows, labels)

    def _windows(self, sums: Float64, noted: Int64, labels: Float64) -> Windows:
        inflation, freedom = np.split(labels, 2, axis=1)
        return Windows(sums, noted, inflation, freedom)

    def evidence(self, state: State, monitor: int) -> Evidence:
        """Evidence for a monitor's last verdict."""
        histogram = Histogram.of_state(state)
        scored, usable = self._scored(self._windows(histogram.suffixes(), np.arange(len(histogram.sizes)), histogram.labels), histogram.starts, state)
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

    def _scored(self, windows: Windows, begins: Int64, state: State) -> tuple[Scored, Bool]:
        """Scores, and which of them count; ``begins`` (..., w) is the start of each window."""
        with np.errstate(all="ignore"):
            scored = self.score(windows, state)
        np.maximum(scored.statistic, 0, out=scored.statistic)  # keeps nan; ties at 0 go to the longest window
        usable = (scored.events >= MIN_EVENTS) & (scored.statistic >= 0) & (begins[..., None] >= state["since"])
        return scored, usable

    def _verdicts(self, state: State, scored: Scored, usable: Bool, begins: Int64, armed: Bool, starts: Sequence[int]) -> Verdicts:
        ready = self.ready(state)
        learnt = ready & armed
        statistics = np.where(usable & learnt[:, None], scored.statistic, -1.0)
        best = np.argmax(statistics, axis=1)
        panes, monitors = np.arange(len(starts))[:, None], self._monitors
        largest = statistics[panes, best, monitors]
        known = largest >= 0
        alarm, warning = self.thresholds
        status = np.where(learnt, _INSUFFICIENT, _LEARNING)
        status[known] = _OK
        status[largest > warning] = _WARNING
        status[largest > alarm] = _DRIFT
        statistic, effect = np.where(known, largest, np.nan), np.where(known, scored.effect[panes, best, monitors], np.nan)
        recent = np.where(ready, self._recent(state, scored, begins, np.array(starts)), np.nan)
        change_at = np.where(status == _DRIFT, begins[panes, best], NO_TIME)
        return Verdicts(status, statistic, effect, recent, change_at, np.zeros(status.shape, np.bool_))

    def _recent(self, state: State, scored: Scored, begins: Int64, starts: Int64) -> Float64:
        """(k, m) effect over the windows of the last ``resolve_after``, reaching further back where they hold too few events; nan without any."""
        panes, monitors = np.arange(len(starts)), self._monitors
        first = (begins < np.minimum(starts, starts + self.bank.pane - self.bank.resolve_after)[:, None]).sum(axis=1)
        any_window = first < (begins < _NEVER).sum(axis=1)
        row = np.minimum((scored.events >= MIN_EVENTS).sum(axis=1) - 1, first[:, None])
        first, place = np.minimum(first, begins.shape[1] - 1), (panes[:, None], np.maximum(row, 0))
        known = any_window[:, None] & (row >= 0) & (scored.events[panes, first] > 0) & (begins[place] >= state["since"])
        return np.where(known, scored.effect[*place, monitors], np.nan)

    def _armed(self, dependence: Dependence) -> Bool:
        """(m,) whether the dependence of all channels of a monitor has been measured."""
        unarmed = np.isnan(dependence.inflation)
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
