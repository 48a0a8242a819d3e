"""A column that shows one value only: a sensor that hangs, a default in the place of what was not found, a join that returns its first row for ever.

A value counts as a repetition where its whole pane holds one value, and it is not the first of them, or the pane before held that value alone, too. The share
of repetitions is a rate, which the reference bounds: independent values repeat for as long as a pane no more often than the most frequent one comes, and
what sticks to its value by its nature shows as rows that repeat the row before (`detectors.references.repetitions`). Where the events of a pane belong together,
so that some panes have one value though nothing hangs, that is the dependence of events, which is measured as for every rate. Not for a column that has
one value in nearly all rows: for that to be seen it takes as many rows as make the others unlikely not to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from typing_extensions import override

from detectors.acknowledgement import Present
from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.rate_change import Rate, RateChange
from detectors.panes.value_codes import CELLS, one_value
from detectors.profile import ColumnProfile
from detectors.scans.panel import Way
from detectors.scans.scored_windows import Bank, Scored, Told


class ConstantColumns(RateChange):
    """A monitor for each column; `Verdicts.effect` is the difference of the shares of repetitions.

    Parameters
    ----------
    bank : names, budget and times.
    block : of the codes of values in a summary vector.
    columns : (m,) places of the columns in it, of how many ``all_columns``.
    references : (m,) repetitions and values of the reference.
    floor : smallest material rise of the share, absolute.
    """

    def __init__(self, bank: Bank, *, block: slice, columns: Sequence[int], all_columns: int, references: Sequence[tuple[float, float] | None], floor: float) -> None:
        super().__init__(bank, rates=[Rate(hits=[block.start], events=[block.start], reference=reference) for reference in references], floor=floor)
        self._values = np.array([block.start + part * all_columns + place for part in range(CELLS) for place in columns], np.int64)

    def initial(self) -> State:
        """State before the first pane: no value."""
        return super().initial() | {"value": np.full(len(self.names), np.nan)}

    @override
    def way(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> Way:
        """Repetitions and values of each pane, by the value of the pane before."""
        values, value = one_value(counts[:, self._values])
        panes, columns = np.arange(len(counts))[:, None], np.arange(len(self.names))
        last = np.maximum.accumulate(np.where(values > 0, panes, -1), axis=0)  # the pane with values up to this one
        before = np.concatenate((np.full((1, len(columns)), -1), last[:-1]))
        with_first = np.concatenate((value, state["value"][None]))  # the last row, -1, is what was before these panes
        again = with_first[before, columns] == value
        repeated = np.where(np.isnan(value), 0.0, values - ~again)
        return Way(state | {"value": with_first[last[-1], columns]}, counts, np.concatenate((values, repeated), axis=1), starts, gone)

    @override
    def seen_in(self, counts: Float64, start: int) -> list[Present]:
        """Nothing: in the sum of several panes it does not show what each of them held, so the reference of the period before is not known."""
        del counts, start
        return [Present()] * len(self.names)

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Repetitions and values of both."""
        told = super().tell(state, monitor, bucket, scored)
        return replace(told, basis=told.basis | {"counted": "repetitions"})


def repetitions_of(profile: ColumnProfile) -> tuple[float, float] | None:
    """Repetitions and values of a reference; None where it holds one value alone, or none.

    Examples
    --------
    >>> from detectors.profile import CategoricalProfile
    >>> repetitions_of(CategoricalProfile(levels=("a", "b"), counts=(60, 40)))
    (60.0, 100.0)
    >>> repetitions_of(CategoricalProfile(levels=("a", "b"), counts=(60, 40), repeats=90))  # one follows the other after ten rows
    (90.0, 100.0)
    """
    counts = (*profile.counts, profile.unseen) if profile.kind == "categorical" else profile.counts
    values, most = float(sum(counts)), float(max(counts, default=0))
    return None if most >= values else (max(most, float(profile.repeats)), values)
