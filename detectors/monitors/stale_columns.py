"""A column whose values no longer change while events come: a feed that stopped, a cache that is never filled again, a column that is not sent any more.

Time is counted in panes with events, so that a model without traffic makes nothing stale. A column changes in a pane that has another value than the one before,
or several. How long it may go without a change follows from the longest times so far, as that of a silence does (`detectors.monitors.silence.longest_pause`); a
column that is new in every event and one that changes once in a day are both judged by what they did. Not for values that are stale one by one, each of a
customer of its own, while others come: there every pane has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.acknowledgement import ENOUGH, Present
from detectors.detector import State
from detectors.event_batch import NO_TIME, Bool, Float64
from detectors.monitors.silence import FEWEST, LONGER, TAIL, Heard, longest_pause
from detectors.panes.value_codes import CELLS, one_value
from detectors.rfc3339 import format_time, parse_time
from detectors.scans.scored_windows import Bank, OfBank
from detectors.verdict import Effect, Evidence, Status, Verdicts

STALE = "stale"
"""What such a monitor's evidence calls its detector."""

_MINUTE = 60_000


class StaleColumns(OfBank):
    """A monitor for each column; `Verdicts.effect` is how long it has been without a change, in minutes of panes with events.

    Parameters
    ----------
    bank : names, budget and times.
    block : of the codes of values in a summary vector.
    columns : (m,) places of the columns in it, of how many ``all_columns``.
    predictions : cell of the number of predictions.
    floor : shortest time without a change that matters, milliseconds.
    stated : (m,) told after this long, milliseconds; None to learn it.
    """

    def __init__(self, bank: Bank, *, block: slice, columns: Sequence[int], all_columns: int, predictions: int, floor: int, stated: Sequence[int | None]) -> None:
        self.bank = bank
        self._values = np.array([block.start + part * all_columns + place for part in range(CELLS) for place in columns], np.int64)
        self._predictions = predictions
        self._stated = tuple(stated)
        self._floors = np.array([floor if one is None else min(floor, one) for one in stated], np.float64)
        self._limits = np.array([np.nan if one is None else one for one in stated], np.float64)

    @property
    def floors(self) -> Float64:
        """(m,) minutes."""
        return self._floors / _MINUTE

    def initial(self) -> State:
        """State before the first pane; times are counted in panes with events."""
        m = len(self.names)
        counters = {name: np.zeros(m, np.int64) for name in ("since_change", "pauses", "usual")}
        return counters | {
            "seen": 0,
            "value": np.full(m, np.nan),
            "changed_at": np.full(m, NO_TIME, np.int64),
            "longest": np.zeros((m, TAIL), np.int64),
            "told": np.zeros(m, np.bool_),
        }

    def step(self, state: State, counts: Float64, start: int) -> tuple[State, Verdicts]:
        """Take one closed pane; in one without events no time passes."""
        state, verdicts = self.walk(state, counts[None], (start,))
        return state, verdicts.of_pane(0)

    def walk(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> tuple[State, Verdicts]:
        """Take closed panes in their order."""
        values, value = one_value(counts[:, self._values])
        seen = values.any(axis=1) | (counts[:, self._predictions] > 0)
        found = []
        for place, start in enumerate(starts):
            if seen[place]:
                state = self._after(state, values[place], value[place], start)
            found.append(self._verdict(state, gone=gone))
        return state, Verdicts(*(np.stack(part) for part in zip(*found, strict=True)))

    def _after(self, state: State, values: Float64, value: Float64, start: int) -> State:
        changed: Bool = (values > 0) & (value != state["value"])
        ended = np.where(changed, state["since_change"], 0)
        longest, usual = state["longest"], state["usual"]
        longer = np.flatnonzero(ended > longest[:, -1])
        if len(longer):
            longest = longest.copy()
            longest[longer, -1] = ended[longer]
            longest[longer] = -np.sort(-longest[longer], axis=1)
        if ended.any():
            usual = np.where(state["told"], usual, np.maximum(usual, ended))
        known = state["changed_at"] != NO_TIME
        state = {
            "seen": state["seen"] + 1,
            "since_change": np.where(changed, 0, state["since_change"] + known),
            "pauses": state["pauses"] + (changed & known),
            "usual": usual,
            "value": np.where(values > 0, value, state["value"]),
            "changed_at": np.where(changed, start + self.bank.pane, state["changed_at"]),
            "longest": longest,
            "told": state["told"] & ~changed,
        }
        due = self._due(state)
        return state | {"told": state["told"] | due} if due.any() else state

    def _due(self, state: State) -> Bool:
        """(m,) columns that have been without a change for too long, and were not told before."""
        lasting = state["since_change"] * self.bank.pane
        waited = lasting >= np.maximum(self._floors, np.nan_to_num(self._limits))
        usual = LONGER * np.maximum(state["usual"], state["longest"][:, 1]) * self.bank.pane
        likely: Bool = waited & ~state["told"] & (~np.isnan(self._limits) | ((state["pauses"] >= FEWEST) & (lasting >= usual)))
        for monitor in np.flatnonzero(likely).tolist():  # as nearly never
            likely[monitor] = lasting[monitor] >= self._threshold(state, monitor)
        return likely

    def _threshold(self, state: State, monitor: int) -> float:
        """Milliseconds without a change after which that is told; nan as long as it is learnt."""
        return longest_pause(self._heard(state, monitor), self.bank, floor=int(self._floors[monitor]), stated=self._stated[monitor])

    def _heard(self, state: State, monitor: int) -> Heard:
        pane = self.bank.pane
        before = int(state["seen"] - state["since_change"][monitor])
        return Heard(0, before * pane, int(state["pauses"][monitor]), tuple((state["longest"][monitor] * pane).tolist()), int(state["usual"][monitor]) * pane)

    def _verdict(self, state: State, *, gone: bool) -> tuple[Any, ...]:
        told, minutes = state["told"], state["since_change"] * self.bank.pane / _MINUTE
        known = state["changed_at"] != NO_TIME
        learning = np.isnan(self._limits) & (state["pauses"] < FEWEST)
        status = np.where(told, Status.DRIFT, np.where(learning | ~known, Status.LEARNING, Status.OK)).astype(np.uint8)
        minutes = np.where(known, minutes, np.nan)
        return status, minutes, minutes, minutes, np.where(told, state["changed_at"], NO_TIME), ~told & known & gone

    def evidence(self, state: State, monitor: int) -> Evidence:
        """Evidence for a monitor's last verdict."""
        return stale_evidence(
            self.bank,
            monitor,
            self._heard(state, monitor),
            panes=int(state["since_change"][monitor]),
            since=int(state["changed_at"][monitor]),
            floor=int(self._floors[monitor]),
            stated=self._stated[monitor],
        )

    def evidences(self, state: State, monitors: Sequence[int]) -> list[Evidence]:
        """The same for some monitors."""
        return [self.evidence(state, monitor) for monitor in monitors]

    def gone(self, state: State) -> Bool:
        """(m,) whether a column has changed since it was told."""
        changed: Bool = ~state["told"]
        return changed

    def present(self, state: State, monitor: int, since: int) -> Present:
        """Enough at once: what is acknowledged is that it may last as long as it does, see `restart`."""
        del state, monitor, since
        return Present(float(ENOUGH))

    def restart(self, state: State, monitor: int, at: int) -> State:
        """The state in which the time without a change up to now is usual, and was not told."""
        del at
        usual, told = state["usual"].copy(), state["told"].copy()
        usual[monitor] = max(usual[monitor], state["since_change"][monitor])
        told[monitor] = False
        return state | {"usual": usual, "told": told}


def stale_evidence(bank: Bank, monitor: int, heard: Heard, *, panes: int, since: int, floor: int, stated: int | None) -> Evidence:
    """Why a column is told to be stale after so many panes without a change, the last of which came before ``since``, epoch milliseconds."""
    minutes, began = panes * bank.pane / _MINUTE, format_time(since)
    return Evidence(
        name=bank.names[monitor],
        statistic="minutes of panes with events without a change",
        value=minutes,
        threshold=longest_pause(heard, bank, floor=floor, stated=stated) / _MINUTE,
        effect=Effect(name="minutes without a change", value=minutes, interval=(minutes, minutes + bank.pane / _MINUTE), floor=floor / _MINUTE),
        n_reference=float(heard.pauses),
        n_current=float(panes),
        reference={
            "changes": heard.pauses,
            "span_minutes": heard.last / _MINUTE,
            "longest_minutes": [length / _MINUTE for length in heard.longest],
            "usual_minutes": heard.usual / _MINUTE,
        },
        current={"panes": panes},
        basis={"detector": STALE, "since": began, "earliest": began, "stated_minutes": None if stated is None else stated / _MINUTE} | bank.settings(),
    )


def stale_recomputed(evidence: Evidence, bank: Bank) -> Evidence:
    """The same evidence from what it carries."""
    reference: dict[str, Any] = evidence.reference
    current: dict[str, Any] = evidence.current
    stated: Any = evidence.basis["stated_minutes"]
    longest = tuple(round(float(length) * _MINUTE) for length in reference["longest_minutes"])
    heard = Heard(0, round(float(reference["span_minutes"]) * _MINUTE), int(reference["changes"]), longest, round(float(reference["usual_minutes"]) * _MINUTE))
    floor, limit = round(evidence.effect.floor * _MINUTE), None if stated is None else round(float(stated) * _MINUTE)
    return stale_evidence(bank, 0, heard, panes=int(current["panes"]), since=parse_time(evidence.basis["since"]), floor=floor, stated=limit)


def stale_in_words(evidence: Evidence) -> str:
    """How long there was no change, and how long there was none before."""
    reference: dict[str, Any] = evidence.reference
    said = f"its values have not changed in {evidence.value:.4g} minutes in which events came"
    if evidence.basis["stated_minutes"] is not None:
        return f"{said}; the monitor states that this is told after {evidence.threshold:.4g}"
    longest = max(reference["longest_minutes"], default=0.0)
    return f"{said}; of {reference['changes']:,.0f} times between changes in {reference['span_minutes']:,.0f} minutes before the longest took {longest:.4g}"
