"""Where a summary vector has the counts that performance is estimated by: outputs by cell, and those whose label has come."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.monitors.label_composition import Composition, residual_composition
from detectors.panes.layout import Layout
from detectors.panes.output_cells import cells_of_class, number_of_cells
from detectors.profile import OutcomeProfile
from detectors.unlabelled.estimated_performance import Calibration


def confusion_of(outcomes: OutcomeProfile, classes: int) -> Float64:
    """(K, K) rows of a reference by label and prediction; predictions of unknown classes are left out."""
    table = np.zeros((classes, classes + 1))
    np.add.at(table, (np.array(outcomes.labels), np.array(outcomes.cells) // cells_of_class(scored=outcomes.scored)), outcomes.counts)
    return table[:, :-1]


class OutputCounts:
    """Output cells of a layout whose specification asks for estimates.

    Attributes
    ----------
    outcomes : of the reference.
    classes : number of known classes.
    size : number of output cells, ``J``.
    outputs : (J,) places of all outputs.
    """

    def __init__(self, layout: Layout, outcomes: OutcomeProfile) -> None:
        specification = layout.specification
        self.outcomes, self.classes = outcomes, len(specification.classes)
        self.positive = specification.classes.index(specification.positive_class) if specification.positive_class in specification.classes else None
        self.size = number_of_cells(self.classes, scored=outcomes.scored)
        block = layout.blocks["outputs" if outcomes.scored else "prediction"]
        self.outputs: Int64 = np.arange(block.start, block.start + self.size)
        performance = layout.blocks["performance"]
        self._confusion = np.arange(performance.start, performance.stop).reshape(self.classes + 1, self.classes + 1)
        self._labelled = layout.blocks.get("labelled_outputs")
        self._layout, self._width = layout, layout.cells

    @cached_property
    def calibration(self) -> Calibration:
        """How often each output is right."""
        return Calibration(self.outcomes, self.classes, self.positive)

    @cached_property
    def confusion(self) -> Float64:
        """(K, K) rows of the reference by label and prediction."""
        return confusion_of(self.outcomes, self.classes)

    @cached_property
    def unexpected_by_label(self) -> Composition:
        """What errors exceed their estimate by in the reference, class by class."""
        table = np.zeros((self.classes, self.size))
        np.add.at(table, (np.array(self.outcomes.labels), np.array(self.outcomes.cells)), self.outcomes.counts)
        right = self.calibration.predicted == np.arange(self.classes)[:, None]
        return residual_composition(self._layout, table, self.calibration.right - right)

    def predicted(self, counts: Float64) -> Float64:
        """(m, K) predictions of each known class, from (m, J) outputs."""
        return np.add.reduceat(counts[:, :-1], np.arange(self.classes) * (self.size // self.classes), axis=1)

    def labelled(self, vectors: Float64) -> Float64:
        """(m, J) outputs whose label has come."""
        if self._labelled is not None:
            return np.asarray(vectors[:, self._labelled])
        return np.asarray(vectors[:, self._confusion].sum(axis=1))

    def right(self, vectors: Float64) -> Float64:
        """(m,) how many of them were right."""
        return np.asarray(vectors[:, np.diagonal(self._confusion)[:-1]].sum(axis=1))

    def expected_errors(self) -> Float64:
        """(3, size of a vector) what each output adds to the events, the estimated errors and their squares."""
        weights = np.zeros((3, self._width))
        wrong = 1 - self.calibration.right
        weights[:, self.outputs] = np.ones(self.size), wrong, wrong**2
        return weights

    def unexpected_errors(self) -> Float64:
        """(3, size of a vector) what each labelled output, and each right one, adds to the labelled events, their errors less the estimated ones, and the variance of these."""
        weights = np.zeros((3, self._width))
        right, spread = self.calibration.right, self.calibration.spread
        if self._labelled is not None:
            weights[:, self._labelled] = np.ones(self.size), right, spread
        else:
            weights[:, self._confusion] = np.stack([np.ones(self.size), right, spread])[:, None]
        weights[1, np.diagonal(self._confusion)[:-1]] -= 1
        return weights
