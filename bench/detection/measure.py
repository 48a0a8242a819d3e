"""Runs rows: delays on streams with a change, false alarms on streams without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import numpy as np

from bench.detection.rivals import RIVALS, Rival
from bench.detection.row import BUDGET, LENGTH, DetectionRow, Size
from bench.installation import BenchError
from detectors.evaluation import (
    BeyondFloor,
    Delays,
    FalseAlarms,
    LabelledStreams,
    Law,
    at_rate,
    changed_streams,
    delays_of,
    false_alarms_on,
    null_batches,
    oracle_at,
)

Part = Literal["ours", "floors", "oracle", "floors-oracle", "rivals"]
PARTS: tuple[Part, ...] = ("ours", "floors", "oracle", "floors-oracle", "rivals")
BEFORE = 10_000
ORACLE_EVENTS = 20_000_000
_CHANGED, _NULL, _LOOKED_FOR, _CONFIRMED, _ORACLE = range(101, 106)  # seeds
_GROUPS, _FLOORS = 20, 10  # so much fewer null events of a model with many monitors, and with floors, where false alarms are rare


class Bench:
    """Measures rows of one size; what rows have in common is measured once.

    Parameters
    ----------
    size : of every row.
    rivals : that the rows are measured with.
    """

    def __init__(self, size: Size, rivals: tuple[Rival, ...] = RIVALS) -> None:
        self._size = size
        self._rivals = rivals
        self._ours: dict[object, FalseAlarms] = {}
        self._settings: dict[object, tuple[float, FalseAlarms]] = {}

    def measured(self, row: DetectionRow, parts: tuple[Part, ...] = PARTS) -> dict[str, Any]:
        """What each part of a row found, by its name."""
        found: dict[str, Any] = {}
        for part in parts:
            if part == "ours":
                found[part] = self.ours(row)
            elif part == "floors" and not row.only_false_alarms:
                found[part] = self.ours(row, floors=True)
            elif part == "oracle" and not row.only_false_alarms:
                found[part] = self.oracle(row)
            elif part == "floors-oracle" and not row.only_false_alarms and (floor := row.within_floor()) < 1:
                found[part] = self.oracle(row, floor=floor)
            elif part == "rivals" and row.rivals:
                beside = (self.rival(rival, row) for rival in self._rivals if row.column in rival.columns)
                found[part] = [one for one in beside if one is not None]
        return found

    def ours(self, row: DetectionRow, *, floors: bool = False) -> dict[str, Any]:
        """Our monitor."""
        with _timed(f"{row.name}, ours{' with default floors' if floors else ''}"):
            null_events = self._size.null_events // (_GROUPS if row.group > 1 else _FLOORS if floors or row.floors else 1)
            key = (row.column, _null_law(row.law), row.reference, row.cycles, row.share, row.group, row.constant, floors or row.floors)
            if key not in self._ours:
                self._ours[key] = row.false_alarms(max(null_events, 1), _NULL, floors=floors)
            found = _rate(self._ours[key])
            if row.only_false_alarms:
                return found
            streams = changed(row, self._size.seeds)
            watched = row.monitor(floors=floors).watch(streams)
            return found | _delay(delays_of(watched, streams.change), row.limit) | {"learning": int(watched.learning.max())}

    def oracle(self, row: DetectionRow, *, floor: float = 0.0) -> dict[str, Any]:
        """The CUSUM that knows both laws, with the same share of the budget; it must not alarm for a part of the change that is within the floor."""
        with _timed(f"{row.name}, oracle{' with default floors' if floor else ''}"):
            events = min(ORACLE_EVENTS, 10 * self._size.null_events)
            streams = changed(row, self._size.seeds)
            oracle = oracle_at(BeyondFloor(row.law, floor) if floor else row.law, budget=BUDGET / row.share, events=events, seed=_ORACLE)
            return _delay(delays_of(oracle.watch(streams), streams.change), row.limit) | {"height": oracle.height}

    def rival(self, rival: Rival, row: DetectionRow) -> dict[str, Any] | None:
        """Another detector, on the same streams (the first ones, if it needs much longer); None where it does not run here, which says nothing of us."""
        with _timed(f"{row.name}, {rival.name}"), _told():
            key = (rival.name, _null_law(row.law))
            if key not in self._settings:
                self._settings[key] = self._setting(rival, row.law)
            setting, false_alarms = self._settings[key]
            streams = _first(changed(row, self._size.seeds), max(round(self._size.seeds * rival.part), 1))
            delays = delays_of(rival.make(setting).watch(streams), streams.change)
            return {"name": rival.name, "setting": setting if rival.is_tuned else None} | _rate(false_alarms) | _delay(delays, row.limit)
        return None

    def _setting(self, rival: Rival, law: Law) -> tuple[float, FalseAlarms]:
        """The strictness, and false alarms with it on null streams of their own."""
        events = max(round(self._size.rival_events * rival.part), 1)
        streams, length = max(events // LENGTH, 1), min(LENGTH, events)
        setting = rival.strict
        if rival.is_tuned:
            looked_for = list(null_batches(law, events=events, length=length, seed=_LOOKED_FOR, streams=streams))
            with suppress(ValueError):  # one that is never strict enough is shown at its strictest, with the false alarms that it has
                setting = at_rate(rival.make, lambda: looked_for, lenient=rival.lenient, strict=rival.strict, steps=9).setting
        return setting, false_alarms_on(rival.make(setting), null_batches(law, events=events, length=length, seed=_CONFIRMED, streams=streams))


def changed(row: DetectionRow, seeds: int) -> LabelledStreams:
    """The streams of a row with a change, of so many seeds."""
    return changed_streams(row.law, streams=seeds * row.sets, before=BEFORE, after=2 * row.limit, seed=_CHANGED, ramp=row.ramp, reference=row.reference)


def _first(streams: LabelledStreams, count: int) -> LabelledStreams:
    return LabelledStreams(streams.values[:, :count], streams.change[:count], streams.reference[:, :count])


def _null_law(law: Law) -> bytes:
    """The same for laws that are the same before their change."""
    return law.draw(np.random.default_rng(1), np.zeros((64, 200))).tobytes()


def _rate(found: FalseAlarms) -> dict[str, Any]:
    return {"false_alarms": found.alarms, "events": found.events, "rate": found.rate, "rate_interval": found.interval}


def _delay(delays: Delays, limit: int) -> dict[str, Any]:
    return {
        "median": delays.median,
        "median_interval": delays.interval,
        "found": delays.found(limit),
        "found_interval": delays.found_interval(limit),
        "streams": len(delays.delays),
        "left_out": delays.left_out,
        "delays": [float(delay) for delay in np.quantile(delays.delays, np.linspace(0, 1, 41), method="inverted_cdf")],
    }


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        print(f"  {error}", file=sys.stderr, flush=True)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.process_time()
    yield
    print(f"{what}: {time.process_time() - began:.0f} CPU s", file=sys.stderr, flush=True)
