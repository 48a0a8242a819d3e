"""Counts by one revision of a specification as a later one would have them, as far as they mean the same.

What a later revision judges of events that an earlier one holds are labels of its predictions, and its repeated and late events. Of none of them are inputs or outputs counted
again, so bins need not fit.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64
from detectors.panes.layout import Layout

_SERVICE = ("traffic", "latency", "delay")  # the same for every specification
_OUTCOMES = ("performance", "probability", "score", "labelled_outputs")


class CarriedCounts:
    """Brings summary vectors from one layout into another.

    Outcomes are carried all together or not at all: where task and classes are the same, and the earlier revision has counted all that the later one counts of a label. Slices are
    carried where they are the same, too. Of events that weigh, sums of weights are carried to where each stands for itself, without their outcomes.

    Parameters
    ----------
    before, after : the layouts.

    Examples
    --------
    >>> from detectors.specification import MonitorSpecification
    >>> before, after = (Layout(MonitorSpecification(model="churn", task=task)) for task in ("classification", "regression"))
    >>> counts = np.zeros(before.size)
    >>> counts[before.blocks["traffic"]] = np.arange(9)
    >>> counts[before.blocks["performance"]] = 4  # labels, of a classifier
    >>> carried = CarriedCounts(before, after).of(counts)
    >>> after.traffic(carried, "labels"), carried[after.blocks["performance"]].sum().item()
    (4.0, 0.0)
    """

    def __init__(self, before: Layout, after: Layout) -> None:
        self._before, self._after = before, after
        self.outcomes = _same_outcomes(before, after)
        names = list(_SERVICE)
        if self.outcomes:
            names += [name for name in _OUTCOMES if name in after.blocks]
            names += ["slices"] if _same_slices(before, after) else []
        self._from, self._to = (np.concatenate([np.arange(layout.blocks[name].start, layout.blocks[name].stop) for name in names]) for layout in (before, after))

    def of(self, counts: Float64) -> Float64:
        """(size of the later layout,) from (size of the earlier one,)."""
        carried = np.zeros(self._after.size)
        carried[self._to] = counts[self._from]
        if self._after.weighs:
            carried[self._after.cells + self._to] = self._before.squares(counts)[self._from]
        return carried


def _same_outcomes(before: Layout, after: Layout) -> bool:
    """Whether a label adds the same to both."""
    asked = [(layout.specification.task, layout.specification.classes, layout.specification.positive_class, layout.weighs) for layout in (before, after)]
    return asked[0] == asked[1] and all(name in before.blocks for name in _OUTCOMES if name in after.blocks)


def _same_slices(before: Layout, after: Layout) -> bool:
    """Whether both count the errors of the same slices."""
    asked = [(layout.specification.slices, {name: layout.columns.get(name) for name in layout.specification.slices.columns}) for layout in (before, after)]
    return "slices" in after.blocks and asked[0] == asked[1]
