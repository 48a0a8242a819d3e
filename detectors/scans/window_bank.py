"""What all banks share: how windows are scored and what is told of them; `detectors.scans.panel` walks banks through panes.

Every window of the history (from a bucket's start until now) is compared with the reference; the statistic of a monitor is the largest
``(|effect| - floor) / standard error`` over windows, clipped at 0, of which short windows pay a price (`detectors.scans.calibration.price`), and the start
of that window is the estimated time of the change. A subclass says which sums a pane contributes and how a window is scored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from detectors.acknowledgement import Present
from detectors.columns.shared_arrays import shared
from detectors.detector import State
from detectors.event_batch import NO_TIME, Bool, Float64, Int64
from detectors.rfc3339 import format_time
from detectors.scans.calibration import paid, price, threshold
from detectors.scans.history import Cells, Histogram
from detectors.scans.panel import MIN_EVENTS, Panel, Way
from detectors.scans.scored_windows import Bank, OfBank, Remains, Scored, Told, Windows
from detectors.statistics.dependence import Dependence
from detectors.verdict import Effect, Evidence, Verdicts

MIN_REFERENCE = 100  # values
REFERENCE_EVENTS = 10_000  # of an acknowledged reference: its mean is known to .01 sigma, a tenth of the default floor
WARNING_RATE = 10  # times the budget's rate
REFERENCE_ERRORS = 5  # half of them, within which an effect must be to be gone, hold 99 of 100 references


class WindowBank(OfBank, ABC):
    """A detector over the windows of a history; see the module."""

    _thresholds: tuple[Float64, ...]  # (m,) each: of DRIFT, and of WARNING
    _n_reference: Float64  # (m,) values in a declared reference; for `ready`
    one_sided = False
    """Whether only a rise is harm, so that a fall is a recent effect of 0."""
    has_own_statistic = False
    """Whether an alarm is not the scan's, which then tells only where the change began and how large it is, see `own_statistic`."""

    def __init__(self, bank: Bank, *, width: int, channel_sums: Int64, channel_monitor: Int64, channel_of_events: Int64 | None = None) -> None:
        """Say which sums are the channels of the dependence.

        Parameters
        ----------
        bank : the settings.
        width : sums a pane contributes, ``q``.
        channel_sums : (3, c) positions among them of each channel's events, total and sum of squares.
        channel_monitor : (c,) the monitor that each channel belongs to.
        channel_of_events : (c,) the channel by which the events of each are judged independent, besides itself; see `Dependence.estimated`.
        """
        self.bank = bank
        self.width = width
        self.channel_sums = channel_sums
        self.channel_monitor = channel_monitor
        self.channel_of_events: Int64 = np.arange(len(channel_monitor)) if channel_of_events is None else channel_of_events

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

    def own_statistic(self, state: State, sums: Float64, inflation: Float64) -> tuple[State, Float64]:
        """What takes the place of the scan's statistic after each of ``k`` panes, and the state after the last.

        Parameters
        ----------
        state : after the panes, but for what this keeps.
        sums : (k, q) what the panes contribute.
        inflation : (k, c) by the dependence of events, as it was known before each pane; nan where it was not.

        Returns
        -------
        The state, and (k, m) in the unit of the thresholds.
        """
        del inflation
        return state, np.full((len(sums), len(self.names)), np.nan)  # asked only where `has_own_statistic`

    def state_of(self, basis: Mapping[str, Any]) -> State:
        """What the own statistic of the only monitor rests on, from its evidence."""
        del basis
        return {}

    def cells_of(self, counts: Float64) -> list[Cells]:
        """Bin counts of each of ``k`` panes to keep for the evidence; none where the sums hold them."""
        del counts
        return []

    def initial(self) -> State:
        """State before the first pane."""
        channels = self.channel_sums.shape[1]
        histogram = Histogram.empty(sums=self.width, labels=2 * channels)
        never = np.full(len(self.names), NO_TIME, np.int64)
        noted = {
            "since": never,
            "measured_since": never,
            "alarmed": never,
            "changed": never,
            "inflation_at_alarm": np.full(channels, np.nan),
            "found": shared(np.full((1, len(self.names)), np.nan)),
        }
        return histogram.as_state() | Dependence.empty(channels).as_state() | noted

    def step(self, state: State, counts: Float64, start: int) -> tuple[State, Verdicts]:
        """Take one closed pane; one without events is no look, but time passes for the recent effect."""
        state, verdicts = self.walk(state, counts[None], (start,))
        return state, verdicts.of_pane(0)

    def walk(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> tuple[State, Verdicts]:
        """Take closed panes in their order."""
        ((state, verdicts),) = self._alone.walk([self.way(state, counts, starts, gone=gone)])
        return state, verdicts

    def way(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> Way:
        """What to walk with through closed panes, beside other banks."""
        return Way(state, counts, self.sums_of(counts, starts), starts, gone)

    def seen(self, sums: Float64) -> Bool:
        """(k,) which panes had an event."""
        return np.asarray(sums[:, self.channel_sums[0]].any(axis=1), np.bool_)

    @cached_property
    def _alone(self) -> Panel:
        return Panel([self])

    def gone(self, state: State) -> Bool:
        """(m,) whether the change that a monitor alarmed for is surely gone by the last pane.

        It is when there is a window from some time after the alarm until now in which every effect is below half its tolerance, and the upper end of the
        effect's 95 % interval below the whole; and in which what was found is surely less than half of what it was: by the lower ends of its 95 % intervals
        at the alarm, and in all that came since the change. As this is asked of every window at every pane, it has to be as sure as an alarm: a change that lasts is taken for
        gone as rarely as the model's budget allows false alarms. So a window too short to know is no proof, and after a true return some window is long enough.
        """
        histogram = Histogram.of_state(state)
        scored, _ = self._scored(self._windows(histogram), histogram.starts, state)
        prices = price(np.cumsum(histogram.sizes[::-1], dtype=np.int64)[::-1])
        return self.gone_of(scored, histogram.starts, prices, state["alarmed"], state["inflation_at_alarm"], state)

    def gone_of(self, scored: Scored, begins: Int64, prices: Float64, alarmed: Int64, inflation_at_alarm: Float64, state: State) -> Bool:
        """(..., m) the same for monitors that alarmed at times (..., m), when the inflation was (..., c); of windows with starts and prices (..., w)."""
        noted = inflation_at_alarm[..., None, :]
        with np.errstate(all="ignore"):
            left = self.remains(scored, np.where(np.isnan(noted), scored.windows.inflation, noted), state)
            small = (left.effect < left.tolerance / 2) & (left.effect + 1.96 * left.error < left.tolerance)
            found = state["found"].reshape(len(state["found"]), *[1] * begins.ndim, -1)  # (k, ..., w, m)
            least, since = left.effect - 1.96 * left.error, (begins[..., None] <= state["changed"]).sum(axis=-2, keepdims=True) - 1
            known = np.fmin(found, np.take_along_axis(least, np.broadcast_to(np.maximum(since, 0), (len(least), *since.shape)), axis=-2))
            lasts = (found > 0) & (alarmed != NO_TIME)[..., None, :]
            lasting = np.maximum(known / 2, left.tolerance)
            less = paid(np.maximum((lasting - left.effect) / left.error, 0), prices[..., None]) > self._surely**2
        proof = (small & (less | ~lasts)).all(axis=0) & (scored.events >= MIN_EVENTS) & (begins[..., None] >= np.maximum(state["since"], alarmed)[..., None, :])
        gone: Bool = proof.any(axis=-2) & self.ready(state)
        return gone

    @cached_property
    def _surely(self) -> float:
        """Standard errors by which what was found must have become less; of detectors outside of the budget, of which nothing is promised, those of the interval."""
        return threshold(self.bank.looks * self.bank.share, smallest=self.bank.smallest) if self.bank.share > 0 else 1.96

    def found(self, scored: Scored, pane: Int64, window: Int64, state: State) -> Float64:
        """(k, m) lower ends of the 95 % intervals of effects, as `remains` has them, of each monitor in a window of a pane (m,) each: what has to go before its alert resolves."""
        with np.errstate(all="ignore"):
            left = self.remains(scored, scored.windows.inflation, state)
            least = left.effect - 1.96 * left.error
        return np.asarray(least[:, pane, window, np.arange(len(self.names))])

    def _windows(self, histogram: Histogram) -> Windows:
        inflation, freedom = np.split(histogram.labels, 2, axis=1)
        ends = histogram.starts[-1:].max(initial=0) + self.bank.pane  # the newest pane is a bucket of its own
        return Windows(histogram.suffixes(), np.arange(len(histogram.sizes)), inflation, freedom, histogram.starts, ends)

    def evidence(self, state: State, monitor: int) -> Evidence:
        """Evidence for a monitor's last verdict."""
        (found,) = self.evidences(state, [monitor])
        return found

    def evidences(self, state: State, monitors: Sequence[int], since: int | None = None) -> list[Evidence]:
        """Evidence for the last verdicts of some monitors; or from the window that begins at a time, whatever it says."""
        histogram = Histogram.of_state(state)
        scored, usable = self._scored(self._windows(histogram), histogram.starts, state)
        return [self._evidence(state, monitor, histogram, scored, usable, since) for monitor in monitors]

    def _evidence(self, state: State, monitor: int, histogram: Histogram, scored: Scored, usable: Bool, since: int | None) -> Evidence:
        prices = price(np.cumsum(histogram.sizes[::-1], dtype=np.int64)[::-1])
        column = np.where(usable[:, monitor], paid(scored.statistic[:, monitor], prices), -1.0)
        nothing = not (column >= 0).any()
        bucket = 0 if nothing else int(np.argmax(column))
        if (nothing or since is not None) and len(column):
            bucket = min(int(np.searchsorted(histogram.starts, state["since"][monitor] if since is None else since)), len(column) - 1)
        threshold = float(self.thresholds[0][monitor])
        if not len(column):
            effect = Effect(name="none", value=np.nan, interval=(np.nan, np.nan), floor=float(self.floors[monitor]))
            return Evidence(name=self.names[monitor], statistic="none", value=np.nan, threshold=threshold, effect=effect, n_reference=np.nan, n_current=0.0)
        told = self.tell(state, monitor, bucket, scored)
        unknown = np.isnan(scored.statistic[:, monitor]) & (histogram.starts >= state["since"][monitor])
        squares = np.where(unknown, np.nan, np.where(usable[:, monitor], scored.statistic[:, monitor], 0) ** 2)
        squares[histogram.starts < state["since"][monitor]] = -np.inf  # what was before a restart is over
        return Evidence(
            name=self.names[monitor],
            statistic=told.statistic,
            value=np.nan if nothing else float(np.sqrt(max(column[bucket], 0.0))),
            threshold=threshold,
            effect=told.effect,
            n_reference=told.n_reference,
            n_current=told.n_current,
            reference=told.reference,
            current=told.current,
            basis=told.basis | {"earliest": format_time(earliest_start(squares, bucket, histogram.starts))} | self._basis(histogram, state, monitor, bucket),
        )

    def _basis(self, histogram: Histogram, state: State, monitor: int, bucket: int) -> dict[str, object]:
        """What a statistic rests on besides the reference: the window, its sums by channel, what was known of their dependence, and the share of the budget."""
        mine = self.channel_monitor == monitor
        events, totals, squares = self.channels_told(histogram.suffixes(), state)[bucket][:, mine].tolist()
        inflation, freedom = (part[mine].tolist() for part in np.split(histogram.labels[bucket], 2))
        window = {"since": format_time(int(histogram.starts[bucket])), "panes": sum(histogram.sizes[bucket:])}
        sums = {"events": events, "totals": totals, "squares": squares, "inflation": inflation, "freedom": freedom}
        return window | sums | self.bank.settings()

    def present(self, state: State, monitor: int, since: int) -> Present:
        """What a monitor saw of late: the newest window from a time on that holds `REFERENCE_EVENTS`, or all that came since."""
        histogram = Histogram.of_state(state)
        sums = self.channels_told(histogram.suffixes(), state)[:, :, self.channel_monitor == monitor]
        first = int(np.searchsorted(histogram.starts, since))
        if first == len(sums):
            return Present()
        enough = np.flatnonzero(sums[:, 0, 0] >= REFERENCE_EVENTS)
        bucket = max(first, int(enough[-1])) if len(enough) else first
        found: dict[str, list[float]] = dict(zip(("events", "totals", "squares"), sums[bucket].tolist(), strict=True))
        with np.errstate(all="ignore"):  # there may be no reference
            scored = self.score(self._windows(histogram), state)
            counts: Any = self.tell(state, monitor, bucket, scored).current.get("counts")
        return Present(float(sums[bucket, 0, 0]), found if counts is None else found | {"counts": counts})

    def seen_in(self, counts: Float64, start: int) -> list[Present]:
        """What every monitor saw in panes whose summary vectors add up to one (size,), as something to compare with."""
        sums = self.channels_told(self.sums_of(counts[None], (start,))[0])
        found = []
        for monitor in range(len(self.names)):
            mine: dict[str, list[float]] = dict(zip(("events", "totals", "squares"), sums[:, self.channel_monitor == monitor].tolist(), strict=True))
            bins = self.bins_of(counts, monitor)
            found.append(Present(mine["events"][0], mine if bins is None else mine | {"counts": bins}))
        return found

    def channels_told(self, sums: Float64, state: State | None = None) -> Float64:
        """(..., 3, c) events, totals and squares of each channel, of windows (..., w, q), the longest first, of a history; or of some stretch of time (q,)."""
        del state
        told: Float64 = sums[..., self.channel_sums]
        return told

    def events_in(self, sums: Float64) -> Float64:
        """(..., c) events of the traffic in windows (..., q), by channel."""
        events: Float64 = sums[..., self.channel_sums[0]]
        return events

    def expected(self, state: State) -> Float64:
        """(c,) mean of one event's value in each channel while nothing has changed; nan where that is not known."""
        del state
        return np.full(len(self.channel_monitor), np.nan)

    def bins_of(self, counts: Float64, monitor: int) -> list[float] | None:
        """Bins of a column in a summary vector; None where the sums hold what there is."""
        del counts, monitor
        return None

    def statistics_since(self, state: State, since: int) -> Float64:
        """(m,) statistic of every monitor in the one window that begins at a time; nan where it holds too little."""
        histogram = Histogram.of_state(state)
        bucket = int(np.searchsorted(histogram.starts, since))
        if bucket == len(histogram.sizes):
            return np.full(len(self.names), np.nan)
        scored, usable = self._scored(self._windows(histogram), histogram.starts, state)
        found: Float64 = np.where(usable[bucket] & self.ready(state), scored.statistic[bucket], np.nan)
        return found

    def restart(self, state: State, monitor: int, at: int) -> State:
        """The state in which only windows that begin at a time or later are looked at for a monitor, and its dependence is measured anew."""
        since, measured, alarmed, changed = (state[name].copy() for name in ("since", "measured_since", "alarmed", "changed"))
        since[monitor] = measured[monitor] = at
        alarmed[monitor] = changed[monitor] = NO_TIME
        dependence = Dependence.of_state(state).without(self.channel_monitor == monitor)
        noted = np.where(self.channel_monitor == monitor, np.nan, state["inflation_at_alarm"])
        found = state["found"].copy()
        found[:, monitor] = np.nan
        return state | dependence.as_state() | {"since": since, "measured_since": measured, "alarmed": alarmed, "changed": changed, "inflation_at_alarm": noted, "found": found}

    def _scored(self, windows: Windows, begins: Int64, state: State) -> tuple[Scored, Bool]:
        """Scores, and which of them count; ``begins`` (..., w) is the start of each window."""
        with np.errstate(all="ignore"):
            scored = self.score(windows, state)
        np.maximum(scored.statistic, 0, out=scored.statistic)  # keeps nan; ties at 0 go to the longest window
        usable = (scored.events >= MIN_EVENTS) & (scored.statistic >= 0) & (begins[..., None] >= state["since"])
        return scored, usable


def earliest_start(squares: Float64, bucket: int, starts: Int64) -> int:
    """Earliest time at which a change may have begun, with a confidence of 99.9 %: two alerts for one change are worse than one for two.

    A start is as likely as its window's statistic is large: where the squares of two differ by more than 2 c the smaller one is out, and of all such sets
    ``(1 - exp(-c)) ** 2`` hold the true start (Siegmund 1988). Those just before, of which nothing is known yet, are not out.

    Parameters
    ----------
    squares : (b,) of the statistics of the windows, the longest first; nan where they are not known, minus infinity where no change can have begun.
    bucket : of the window that the change is told of.
    starts : (b,) of the windows, epoch milliseconds.

    Examples
    --------
    >>> earliest_start(np.array([np.nan, 5.0, 12.0, 24.0, 9.0]), 3, np.array([0, 10, 20, 30, 40]))
    20
    """
    likely = squares >= squares[bucket] + 2 * np.log(1 - np.sqrt(0.999))
    likely[bucket] = True  # even where its own is not known
    first = min(bucket, int(np.argmax(likely)))
    while first > 0 and np.isnan(squares[first - 1]):
        first -= 1
    return int(starts[first])


def interval_of(value: float, error: float) -> tuple[float, float]:
    """95 % interval of a normal estimate."""
    return (float(value - 1.96 * error), float(value + 1.96 * error))  # python's own, as they come back from saved state


def tolerance(floor: float, reference_error: Float64) -> Float64:
    """Largest effect that counts as none: the floor, but at least `REFERENCE_ERRORS` standard errors of the reference.

    After a true return to the reference's law the effect is the reference's own error, not 0; what raised the alarm was larger.
    """
    return np.maximum(floor, REFERENCE_ERRORS * reference_error)
