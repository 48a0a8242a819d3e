"""Errors of late labels, judged class by class: which labels come first is not chance.

Where positives are labelled ten times faster than others, or traffic doubles, the labels that have just come are of other classes than the events; if classes differ in how
often the model is wrong, so does the error rate of these labels, though nothing has changed. So where labels are late, what has risen must have risen given their classes, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from typing_extensions import override

from detectors.event_batch import Bool, Float64, Int64
from detectors.monitors.rate_change import RateChange
from detectors.monitors.residual_rise import ResidualRise
from detectors.panes.layout import Layout
from detectors.scans.scored_windows import Scored, Windows
from detectors.scans.window_bank import WindowBank

LATE = 0.05
"""Share of labels that came a second or more after their prediction, from which on labels are late."""


@dataclass(frozen=True)
class Composition:
    """What a quantity was in each class of the label.

    Attributes
    ----------
    cells : (K, c) places in a summary vector of the labelled rows of each class.
    delays : (d,) places of the label delays, those without one first.
    means, variances, rows : (K,) of the quantity in the reference; without any rows it is not known, and every rise is one.
    """

    cells: Int64
    delays: Int64
    means: Float64
    variances: Float64
    rows: Float64

    @property
    def width(self) -> int:
        """Sums a pane contributes."""
        return len(self.means) + 2

    def forgotten(self) -> Composition:
        """The same sums where nothing is known of classes, as in a reference that was acknowledged: so a detector keeps its state when that takes the declared one's place."""
        return replace(self, rows=np.zeros_like(self.rows))

    def sums(self, counts: Float64) -> Float64:
        """(k, K + 2) labels of each class, labels that were late, and all whose delay is known."""
        delays = counts[:, self.delays]
        return np.concatenate([counts[:, self.cells].sum(axis=2), delays[:, 1:].sum(axis=1, keepdims=True), delays.sum(axis=1, keepdims=True)], axis=1)

    def confirms(self, sums: Float64, total: Float64, floor: float, inflation: Float64, height: float) -> Bool:
        """(m,) whether a rise is one given the classes, too; or labels were not late, so that it need not be.

        Parameters
        ----------
        sums : (m, K + 2) of windows.
        total : (m,) sum of the quantity over them.
        floor : smallest material rise.
        inflation : (m,) by which the variance is larger than that of independent events.
        height : standard errors by which it has to be beyond the floor.
        """
        labels, late, known = sums[:, :-2], sums[:, -2], sums[:, -1]
        share = self.rows > 0
        if not share.any():
            return np.ones(len(sums), np.bool_)
        of_class = labels[:, share]
        expected = of_class @ self.means[share]
        variance = of_class @ self.variances[share] + of_class**2 @ (self.variances[share] / self.rows[share])
        rise = total - expected - floor * labels.sum(axis=1)
        return np.asarray((late <= LATE * known) | (rise > height * np.sqrt(inflation * variance)))


def error_composition(layout: Layout, confusion: Float64) -> Composition:
    """Of the error rate; from the reference's (K, K) rows by label and prediction."""
    rows = confusion.sum(axis=1)
    wrong = 1 - np.diagonal(confusion) / np.maximum(rows, 1)
    smooth = (wrong * rows + 1) / (rows + 2)
    return Composition(*_places(layout), wrong, smooth * (1 - smooth), rows)


def residual_composition(layout: Layout, table: Float64, residual: Float64) -> Composition:
    """Of errors less what was estimated of them; from the reference's (K, J) rows by label and output, and the residual of each."""
    rows = table.sum(axis=1)
    mean, square = ((table * residual**power).sum(axis=1) / np.maximum(rows, 1) for power in (1, 2))
    return Composition(*_places(layout), mean, np.maximum(square - mean**2, 0) + 1 / (rows + 2), rows)


def _places(layout: Layout) -> tuple[Int64, Int64]:
    performance, delay, classes = layout.blocks["performance"], layout.blocks["delay"], len(layout.specification.classes)
    cells = np.arange(performance.start, performance.stop).reshape(classes + 1, classes + 1)
    return cells[:-1], np.arange(delay.start, delay.stop)


class _ByClass(WindowBank):
    """What goes before a bank of one monitor: where labels are late, what has risen counts if it has risen given their classes."""

    _floor: float

    def __init__(self, *others: Any, composition: Composition, **more: Any) -> None:
        super().__init__(*others, **more)
        self._composition, self._own = composition, self.width
        self.width += composition.width

    @override
    def sums_of(self, counts: Float64, starts: Any) -> Float64:
        """(k, q) those of the bank, then of the classes."""
        own = super().sums_of(counts, starts)  # type: ignore[safe-super]  # the bank behind this has one
        return np.concatenate((own, self._composition.sums(counts)), axis=1)

    @override
    def score(self, windows: Windows, state: Any) -> Scored:
        """A rise that is none given the classes of late labels scores 0; only windows that may alarm are asked."""
        scored = super().score(replace(windows, sums=windows.sums[..., : self._own]), state)  # type: ignore[safe-super]  # the bank behind this has one
        statistic = scored.statistic[..., 0]
        asked = statistic > self.thresholds[1][0]
        if not asked.any():
            return scored
        sums, inflation = windows.sums[asked], np.fmax(windows.inflation[asked][:, 0], 1.0)
        kept = scored.statistic.copy()
        with np.errstate(all="ignore"):
            confirmed = self._composition.confirms(sums[:, self._own :], sums[:, 1], self._floor, inflation, float(self.thresholds[0][0]))
        kept[asked, 0] = np.where(confirmed, statistic[asked], 0.0)
        return replace(scored, statistic=kept)


class ErrorsByClass(_ByClass, RateChange):
    """The error rate, where late labels count if it has risen given their classes.

    Parameters
    ----------
    composition : of the reference.
    others : of `RateChange`; one rate with a declared reference.
    """


class ResidualsByClass(_ByClass, ResidualRise):
    """What errors exceed their estimate by, where late labels count if that has risen given their classes.

    Parameters
    ----------
    composition : of the reference.
    others : of `ResidualRise`.
    """
