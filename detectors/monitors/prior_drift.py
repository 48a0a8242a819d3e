"""Drift of a classifier's predictions, told apart by whether shares of classes explain it: of the two halves of one monitor each looks at the other's leavings.

What is explained is label shift, an alert of its own kind: the relation of inputs and classes holds, and the model may be corrected by the classes' shares alone.
Both halves have the statistic, the threshold and the one share of the budget of the monitor that they are of, as no window counts in both. What can be explained either
way, by shares of classes or by inputs that moved by themselves, is waited for a little, and then told as drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64, Int64
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.mean_rise import dyadic
from detectors.panes.layout import Layout
from detectors.profile import CategoricalProfile, NumericProfile
from detectors.scans.scored_windows import Bank, Scored, Told, Windows
from detectors.unlabelled.label_shift import Explanation, Moved

PATIENCE = 1.5
"""Of what two explanations fit is waited for until the statistic is so many times its threshold: about twice the events that it took to alarm."""


@dataclass(frozen=True)
class NumericCells:
    """Where numeric columns are counted in a summary vector.

    Attributes
    ----------
    cells : places of all bins, column after column.
    first : (F,) where each column begins among them.
    scores : standard score of each bin.
    """

    cells: Int64
    first: Int64
    scores: Float64

    def sums(self, counts: Float64) -> Float64:
        """(k, 2 F) values of each column, then their sums of scores."""
        if not len(self.first):
            return np.zeros((len(counts), 0))
        binned = counts[:, self.cells]
        return np.concatenate([np.add.reduceat(part, self.first, axis=1) for part in (binned, binned * self.scores)], axis=1)


def numeric_cells(layout: Layout, profiles: Mapping[str, NumericProfile]) -> NumericCells:
    """Of some numeric columns of a layout, by name."""
    sizes = np.array([len(profile.scores) for profile in profiles.values()], np.int64)
    places = [np.arange(size) + layout.blocks[f"feature:{name}"].start for name, size in zip(profiles, sizes.tolist(), strict=True)]
    scores = [np.asarray(profile.scores) for profile in profiles.values()]
    return NumericCells(np.concatenate([np.empty(0, np.int64), *places]), np.cumsum(sizes) - sizes, dyadic(np.concatenate([np.empty(0), *scores])))


class PriorDrift(CategoricalDrift):
    """One monitor of predictions that counts windows which shares of classes explain, or those which they do not.

    Parameters
    ----------
    bank : name, budget and times.
    profile, block : of the predictions, see `CategoricalDrift`.
    floor : of the total variation.
    explanation : of what moved.
    columns : whose means have to follow.
    explained : which windows count.
    """

    def __init__(self, bank: Bank, *, profile: CategoricalProfile, block: slice, floor: float, explanation: Explanation, columns: NumericCells, explained: bool) -> None:
        super().__init__(bank, profiles=[profile], blocks=[block], floor=floor)
        self._explanation, self._columns, self._explained = explanation, columns, explained
        self._of_predictions = self.width
        self.width += 2 * len(columns.first)

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, q) those of the predictions, then of the columns."""
        return np.concatenate((super().sums_of(counts, starts), self._columns.sums(counts)), axis=1)

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """Windows that are of the other half score 0; only those that may alarm are asked."""
        own = self._of_predictions
        scored = super().score(replace(windows, sums=windows.sums[..., :own]), state)
        statistic = scored.statistic[..., 0]
        asked = statistic > self.thresholds[1][0]
        if not asked.any():
            return scored
        weighed = self._explanation.weigh(self._moved(windows.sums[asked], np.nanmax(windows.inflation[asked], axis=-1, initial=1.0)))
        confirmed, contradicted = np.zeros((2, *asked.shape), np.bool_)
        confirmed[asked], contradicted[asked] = weighed.confirmed, weighed.contradicted
        # All windows end now, so what is known of one holds for those within it, which are too short to tell, and those around it, which are mixed with what was before.
        explained = confirmed.any(axis=-1, keepdims=True) & ~contradicted.any(axis=-1, keepdims=True)
        undecided = ~explained & ~contradicted & (statistic <= PATIENCE * self.thresholds[0][0])
        counts = explained if self._explained else ~explained & ~undecided
        kept = scored.statistic.copy()
        kept[..., 0] = np.where(asked & ~counts, 0.0, statistic)
        return replace(scored, statistic=kept)

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Counts of the predicted classes; of label shift the shares of the classes that explain them, else whether such shares would explain them as well."""
        told = super().tell(state, monitor, bucket, scored)
        sums = state["sums"][bucket:].sum(axis=0)[None]
        moved = self._moved(sums, np.nanmax(state["labels"][bucket, : state["labels"].shape[1] // 2], initial=1.0))
        if self._explained:
            return replace(told, basis={"detector": "label shift"} | self._explanation.told(moved))
        if not self._explanation.can_tell:
            return told
        contradicted = self._explanation.weigh(moved).contradicted[0]
        return replace(told, basis=told.basis | {"label_shift": "contradicted" if contradicted else "possible"})

    def _moved(self, sums: Float64, inflation: Float64 | float) -> Moved:
        values, totals = np.split(sums[:, self._of_predictions :], 2, axis=1)
        return Moved(sums[:, 1 : self._of_predictions - 1], values, totals, inflation)
