"""Banks that have seen the same panes walk through further ones together.

What a pane costs is the number of numpy's calls, not their work: a hundred columns take hardly longer than one. So what banks share is done once, on their
columns side by side: the history, the windows scanned, the dependence of events, and the verdicts. Only the scores are each bank's own. Every column is
computed as it would be alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.detector import State
from detectors.event_batch import NO_TIME, Bool, Float64, Int64
from detectors.scans.calibration import paid
from detectors.scans.history import GrowingHistogram, HistoryWindows
from detectors.scans.scored_windows import Scored, Windows
from detectors.statistics.dependence import Dependence, Pairs, Panes
from detectors.statistics.lattice import FEWEST
from detectors.verdict import Status, Verdicts

if TYPE_CHECKING:
    from detectors.scans.window_bank import WindowBank

MIN_EVENTS = FEWEST  # a window with fewer says nothing
PANES_AT_ONCE = 64  # many more would not fit the processor's caches
_NEVER = np.iinfo(np.int64).max
_OK, _LEARNING, _INSUFFICIENT, _WARNING, _DRIFT = (np.uint8(status) for status in (Status.OK, Status.LEARNING, Status.INSUFFICIENT_DATA, Status.WARNING, Status.DRIFT))


@dataclass(frozen=True)
class Way:
    """What a bank walks with.

    Attributes
    ----------
    state : before the first pane.
    counts : (k, size) of the panes.
    sums : (k, q) what they contribute, see `WindowBank.sums_of`.
    starts : (k,) of the panes, epoch milliseconds.
    gone : whether to say of each pane what `WindowBank.gone` says after it.
    """

    state: State
    counts: Float64
    sums: Float64
    starts: Sequence[int]
    gone: bool


@dataclass(frozen=True)
class _Grown:
    """What the panes of a chunk left behind.

    Attributes
    ----------
    histogram, dependence : after the last pane.
    labels : (r, 2 c) inflation and freedom as they were known, in the order in which they became known.
    latest : (k,) the row that was known on each pane.
    windows : of each pane.
    """

    histogram: GrowingHistogram
    dependence: Dependence
    labels: Float64
    latest: list[int]
    windows: HistoryWindows


class Panel:
    """Banks side by side.

    Parameters
    ----------
    banks : one at least, of one model or of many; their panes and ``resolve_after`` are of one length.
    """

    def __init__(self, banks: Sequence[WindowBank]) -> None:
        self._banks = tuple(banks)
        self._sums = _slices([bank.width for bank in banks])
        self._channels = _slices([len(bank.channel_monitor) for bank in banks])
        self._monitors = _slices([len(bank.names) for bank in banks])
        self._events, self._totals, self._squares = np.concatenate([bank.channel_sums + mine.start for bank, mine in zip(banks, self._sums, strict=True)], axis=1)
        self._channel_monitor = np.concatenate([bank.channel_monitor + mine.start for bank, mine in zip(banks, self._monitors, strict=True)])
        self._channel_of_events = np.concatenate([bank.channel_of_events + mine.start for bank, mine in zip(banks, self._channels, strict=True)])
        self._alarm, self._warning = (np.concatenate(levels) for levels in zip(*(bank.thresholds for bank in banks), strict=True))
        self._own = [place for place, bank in enumerate(banks) if bank.has_own_statistic]
        self._one_sided = np.concatenate([np.full(len(bank.names), bank.one_sided) for bank in banks])
        self._pane, self._resolve_after = banks[0].bank.pane, banks[0].bank.resolve_after

    def walk(self, ways: Sequence[Way]) -> list[tuple[State, Verdicts]]:
        """Take closed panes in their order; one without events is no look, but time passes for the recent effect.

        Parameters
        ----------
        ways : of the banks through the same panes, whose states have the same buckets, and in whose counts the same panes have events; a bank that learns its
            reference walks alone.
        """
        starts = ways[0].starts
        sums = _beside([way.sums for way in ways])
        verdicts: list[list[Verdicts]] = [[] for _ in ways]
        done = 0
        while done < len(starts):
            learning = any(bank.learning(way.state) for bank, way in zip(self._banks, ways, strict=True))
            some = slice(done, done + (1 if learning else PANES_AT_ONCE))
            states, found = self._take([replace(way, counts=way.counts[some]) for way in ways], sums[some], starts[some])
            ways = [replace(way, state=state) for way, state in zip(ways, states, strict=True)]
            for mine, one in zip(verdicts, found, strict=True):
                mine.append(one)
            done = some.stop
        return [(way.state, Verdicts.concatenate(mine)) for way, mine in zip(ways, verdicts, strict=True)]

    def _take(self, ways: Sequence[Way], sums: Float64, starts: Sequence[int]) -> tuple[list[State], list[Verdicts]]:
        """Panes are added one after another, then the windows of all of them are scored at once."""
        states = [way.state for way in ways]
        seen: Bool = np.asarray(sums[:, self._events].any(axis=1))
        grown = self._grown(states, sums, starts, seen)
        if seen.any():
            of_buckets, noted = {"sizes": grown.histogram.sizes, "starts": grown.histogram.starts}, grown.histogram.noted
            states = [way.state | of_buckets | self._after(place, grown, noted, way.state, way.counts[seen]) for place, way in enumerate(ways)]
            states = [bank.learn(state, sums[0, mine], starts[0]) if bank.learning(state) else state for bank, state, mine in zip(self._banks, states, self._sums, strict=True)]
        own: dict[int, Float64] = {}
        for place in self._own:  # what was known of the dependence before each pane: a bet on it is made before it is seen
            known = grown.labels[[len(ways[0].state["sizes"]), *grown.latest[:-1]], : grown.labels.shape[1] // 2]
            states[place], own[place] = self._banks[place].own_statistic(states[place], sums[:, self._sums[place]], known[:, self._channels[place]])
        channels, ends = grown.labels.shape[1] // 2, np.array(starts) + self._pane
        scored = []
        with np.errstate(all="ignore"):
            for bank, state, of_sums, of_channels in zip(self._banks, states, self._sums, self._channels, strict=True):
                inflation, freedom = grown.labels[:, :channels][:, of_channels], grown.labels[:, channels:][:, of_channels]
                scored.append(bank.score(Windows(grown.windows.sums[..., of_sums], grown.windows.noted, inflation, freedom, grown.windows.begins, ends), state))
            verdicts = self._verdicts(states, scored, own, grown, np.array(starts))
        states, alarmed, inflation = self._note_alarms(states, verdicts, scored, grown, starts)
        found = []
        for bank, way, state, one, monitors, of_channels in zip(self._banks, ways, states, scored, self._monitors, self._channels, strict=True):
            mine = verdicts.of_monitors(monitors)
            gone = way.gone and bank.gone_of(one, grown.windows.begins, grown.windows.prices, alarmed[..., monitors], inflation[..., of_channels], state)
            found.append(replace(mine, gone=gone) if way.gone else mine)
        return states, found

    def _grown(self, states: Sequence[State], sums: Float64, starts: Sequence[int], seen: Bool) -> _Grown:
        before = [Dependence.of_state(state) for state in states]
        dependence = Dependence(*(_beside([getattr(one, name) for one in before]) for name in ("contrasts", "within", "inflation", "freedom")))
        sizes = states[0]["sizes"]
        histogram = GrowingHistogram(sizes, states[0]["starts"], _beside([state["sums"] for state in states]), room=len(starts))
        noted_before = [(state["labels"], mine.stop - mine.start) for state, mine in zip(states, self._channels, strict=True)]
        halves = [labels[:, :width] for labels, width in noted_before] + [labels[:, width:] for labels, width in noted_before]
        label, since = len(sizes), _beside([state["measured_since"] for state in states])[self._channel_monitor]
        buckets: list[list[int]] = []
        latest: list[int] = []
        ends: list[int] = []  # last time at which measuring may have begun, of each pane
        merged: list[tuple[int, int, Float64]] = []  # level, the same time, and sums of pairs of buckets
        asked: list[tuple[int, int]] = []  # after how many of both the dependence is estimated
        for place, start in enumerate(starts):
            if seen[place]:
                pairs = histogram.append(start, sums[place], label)
                ends.append(start + self._pane - 1)
                merged += pairs
                if any(level >= 2 for level, _, _ in pairs):  # every eight panes is often enough, and the first time is when there is enough
                    asked.append((len(ends), len(merged)))
                    label += 1
            buckets.append(histogram.buckets)
            latest.append(label)
        known = np.empty((0, 2 * len(since)))
        first = np.concatenate((dependence.inflation, dependence.freedom))
        if ends:
            of_panes = sums[seen]
            panes = Panes(of_panes[:, self._events], of_panes[:, self._totals], of_panes[:, self._squares], since <= np.array(ends)[:, None])
            both = np.stack([pair for _, _, pair in merged], axis=1) if merged else np.empty((2, 0, sums.shape[1]))
            counted = since <= np.array([began for _, began, _ in merged], np.int64)[:, None]
            pairs_of = Pairs([level for level, _, _ in merged], both[..., self._events], both[..., self._totals], counted)
            dependence, known = dependence.grown(panes, pairs_of, asked, self._channel_of_events)
        return _Grown(histogram, dependence, np.concatenate((_beside(halves), first[None], known)), latest, histogram.windows(buckets))

    def _after(self, place: int, grown: _Grown, noted: list[int], state: State, counts: Float64) -> State:
        """What one bank's state is after the panes beside what all have in common; ``counts`` are of those that had events."""
        channels, histogram, half = self._channels[place], grown.histogram, grown.labels.shape[1] // 2
        return {
            "sums": histogram.sums(self._sums[place]),
            "labels": np.concatenate((grown.labels[:, :half][:, channels], grown.labels[:, half:][:, channels]), axis=1)[noted],
            "cells": histogram.cells(state["cells"], self._banks[place].cells_of(counts)),
            **{name: np.ascontiguousarray(values[..., channels]) for name, values in grown.dependence.as_state().items()},
        }

    def _armed(self, grown: _Grown) -> Bool:
        """(k, m) whether the dependence of all channels of a monitor had been measured on each pane."""
        unarmed = np.isnan(grown.labels[:, : len(self._channel_monitor)])
        armed = {row: np.bincount(self._channel_monitor, unarmed[row], len(self._one_sided)) == 0 for row in set(grown.latest)}
        return np.array([armed[row] for row in grown.latest])

    def _verdicts(self, states: Sequence[State], scored: Sequence[Scored], own: Mapping[int, Float64], grown: _Grown, starts: Int64) -> Verdicts:
        begins, armed = grown.windows.begins, self._armed(grown)
        since, ready = _beside([state["since"] for state in states]), _beside([bank.ready(state) for bank, state in zip(self._banks, states, strict=True)])
        events, effects = _beside([one.events for one in scored]), _beside([one.effect for one in scored])
        values = np.maximum(_beside([one.statistic for one in scored]), 0)  # keeps nan; ties at 0 go to the longest window
        inside, learnt = begins[..., None] >= since, ready & armed
        enough = events >= MIN_EVENTS
        statistics = np.where(enough & inside & (values >= 0) & learnt[:, None], paid(values, grown.windows.prices[..., None]), -1.0)
        best = statistics.argmax(axis=1)
        panes, monitors = np.arange(len(starts))[:, None], np.arange(len(since))
        largest = statistics[panes, best, monitors]
        known = largest >= 0
        largest = np.sqrt(np.maximum(largest, 0))
        for place, values in own.items():
            mine = self._monitors[place]
            largest[:, mine] = np.where(learnt[:, mine], values, 0)
        if own:  # which may alarm before any window holds enough
            best = np.where(known, best, _first_since(begins, since))
        status = np.where(learnt, _INSUFFICIENT, _LEARNING)
        status[known] = _OK
        status[largest > self._warning] = _WARNING
        status[largest > self._alarm] = _DRIFT
        statistic, effect = np.where(known | (status >= _WARNING), largest, np.nan), np.where(known, effects[panes, best, monitors], np.nan)
        recent = np.where(ready, self._recent(effects, events, enough, inside, begins, starts), np.nan)
        change_at = np.where(status == _DRIFT, begins[panes, best], NO_TIME)
        return Verdicts(status, statistic, effect, recent, change_at, np.zeros(status.shape, np.bool_))

    def _recent(self, effects: Float64, events: Float64, enough: Bool, inside: Bool, begins: Int64, starts: Int64) -> Float64:
        """(k, m) effect over the windows of the last ``resolve_after``, reaching further back where they hold too few events; nan without any."""
        panes, monitors = np.arange(len(starts)), np.arange(effects.shape[-1])
        first = (begins < np.minimum(starts, starts + self._pane - self._resolve_after)[:, None]).sum(axis=1)
        any_window = first < (begins < _NEVER).sum(axis=1)
        row = np.minimum(enough.sum(axis=1) - 1, first[:, None])
        first, place = np.minimum(first, begins.shape[1] - 1), (panes[:, None], np.maximum(row, 0), monitors)
        known = any_window[:, None] & (row >= 0) & (events[panes, first] > 0) & inside[place]
        recent = effects[place]
        return np.where(known, np.where(self._one_sided, np.maximum(recent, 0), recent), np.nan)

    def _note_alarms(self, states: list[State], verdicts: Verdicts, scored: Sequence[Scored], grown: _Grown, starts: Sequence[int]) -> tuple[list[State], Int64, Float64]:
        """The states with the monitors that alarmed first on one of these panes, and what they held of alarms after each of them: (k, m) and (k, c), or the same after all.

        The dependence, (k, c) on each pane, is noted before a lasting change is taken for one: the level before against the level after looks like a
        long correlation. And what was found is noted, by which is known when it is gone.
        """
        alarmed, noted = (_beside([state[name] for state in states]) for name in ("alarmed", "inflation_at_alarm"))
        drifting = (verdicts.status == _DRIFT) & (alarmed == NO_TIME)
        if not drifting.any():
            return states, alarmed, noted
        inflation = grown.labels[grown.latest, : grown.labels.shape[1] // 2]
        first, since_then = drifting.argmax(axis=0), np.logical_or.accumulate(drifting)
        window = (grown.windows.begins[first] == verdicts.change_at[first, np.arange(len(first))][:, None]).argmax(axis=1)
        alarmed = np.where(since_then, np.array(starts)[first] + self._pane, alarmed)
        noted = np.where(since_then[:, self._channel_monitor], inflation[first[self._channel_monitor], np.arange(inflation.shape[1])], noted)
        after = []
        for bank, state, one, mine, channels in zip(self._banks, states, scored, self._monitors, self._channels, strict=True):
            told = {"alarmed": alarmed[-1, mine], "inflation_at_alarm": noted[-1, channels]}
            if drifting[:, mine].any():
                fresh = drifting[:, mine].any(axis=0)
                told["found"] = np.where(fresh, bank.found(one, first[mine], window[mine], state), state["found"])
                told["changed"] = np.where(fresh, verdicts.change_at[first[mine], np.arange(len(alarmed[-1]))[mine]], state["changed"])
            after.append(state | told)
        return after, alarmed, noted


def _first_since(begins: Int64, since: Int64) -> Int64:
    """(k, m) the first window of each pane that begins at a monitor's time (m,) or later; the last one, where none does."""
    last = np.maximum((begins < _NEVER).sum(axis=1) - 1, 0)
    first: Int64 = np.minimum((begins[..., None] < since).sum(axis=1), last[:, None])
    return first


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _beside(parts: Sequence[Any]) -> Any:
    """Columns of all parts."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
