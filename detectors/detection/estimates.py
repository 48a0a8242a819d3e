"""What is told of windows where labels are missing: estimated performance, whether it can be trusted, and how it did where labels have come."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.event_batch import Float64
from detectors.metrics.column_distances import reference_counts
from detectors.metrics.metric_points import fields_of
from detectors.monitors.output_counts import OutputCounts
from detectors.monitors.prior_drift import numeric_cells
from detectors.monitors.rate_change import RESOLUTION
from detectors.panes.layout import Layout
from detectors.point import Point
from detectors.profile import NumericProfile, OutcomeProfile
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.window_bank import MIN_REFERENCE
from detectors.statistics.intervals import metrics_of
from detectors.unlabelled.class_shares import Priors
from detectors.unlabelled.estimated_performance import ESTIMATED
from detectors.unlabelled.label_shift import Explanation, Moved
from detectors.unlabelled.support import Support, Supporting, needed

OK, LEARNING, INSUFFICIENT_DATA, NOT_TRUSTWORTHY, LABEL_SHIFT = "ok", "learning", "insufficient data", "not trustworthy", "label shift"

MOVED = 0.01
"""Share of the windows of unmoved predictions that are taken for moved."""


class Estimates:
    """Estimates of the windows of one model.

    Parameters
    ----------
    layout : of the model's summaries, whose specification asks for estimates.
    outcomes : of its reference.
    """

    def __init__(self, layout: Layout, outcomes: OutcomeProfile) -> None:
        specification = layout.specification
        self._model, self._classes = specification.model, specification.classes
        self._outputs = OutputCounts(layout, outcomes)
        self._material = specification.alerts.floors.rate or RESOLUTION
        # A column's missing values stand behind the others: one that is no longer there has moved, too.
        columns = [(np.append(reference_counts(profile), profile.missing), layout.blocks[f"feature:{name}"]) for name, profile in layout.columns.items()]
        said = self._outputs.calibration.rows
        references = [*(counts for counts, _ in columns), said]
        cells = [*(np.arange(block.start, block.start + len(counts)) for counts, block in columns), self._outputs.outputs]
        self._support = Support(references, cells)
        numeric = {name: profile for name, profile in layout.columns.items() if isinstance(profile, NumericProfile) and name in outcomes.means}
        self._columns = numeric_cells(layout, numeric)
        self._explanation = Explanation(outcomes, self._outputs.confusion, tuple(numeric), specification.alerts.floors.shift)
        self._priors = Priors(outcomes, self._outputs.calibration, len(self._classes))

    def supporting(self, vector: Float64) -> Supporting | None:
        """Rows of the reference that speak of a window (size,); None where there is too little to say so."""
        counts, calibration = vector[self._outputs.outputs], self._outputs.calibration
        n = float(counts.sum())
        if calibration.reference_rows < MIN_REFERENCE or n < MIN_EVENTS:
            return None
        # Far from the reference a model may be sure of itself, and wrong: it is no surer than it was.
        usual = float(calibration.rows @ calibration.spread) / calibration.reference_rows
        rows, low, high = self._support.rows(vector[None], calibration.reference_rows)[0].tolist()
        return Supporting(rows=rows, interval=(low, high), needed=needed(max(float(counts @ calibration.spread) / n, usual), self._material))

    def point(self, at: int, window: str, vector: Float64, supporting: Supporting | None, supported: bool | None = None, *, measured: bool) -> Point:
        """Of one window.

        Parameters
        ----------
        at : its end, epoch milliseconds.
        window : its name.
        vector : (size,) counts.
        supporting : rows of the reference that speak of it.
        supported : whether these suffice; None where no window came before it, by which that is told, too.
        measured : whether its outputs are of the version that the reference was measured on.
        """
        outputs, calibration = self._outputs, self._outputs.calibration
        counts = vector[None, outputs.outputs]
        found = calibration.performance(counts)[0]
        fields: dict[str, float | int | bool | str] = {}
        if supporting is None:
            state = LEARNING if calibration.reference_rows < MIN_REFERENCE else INSUFFICIENT_DATA
        else:
            state = OK if measured and (supporting.suffices(None) if supported is None else supported) else NOT_TRUSTWORTHY
            fields |= {"supporting_rows": supporting.rows, "needed_rows": supporting.needed}
            fields["supporting_rows_low"], fields["supporting_rows_high"] = supporting.interval
        if supporting is not None:
            shares = self._priors.usual(counts[0])
            if measured and self._is_label_shift(counts, vector[None]):
                shares, accuracy = self._priors.estimate(counts[0])
                state, found = LABEL_SHIFT, np.concatenate([accuracy[None], np.full((3, 4), np.nan)])
            told = len(ESTIMATED) if len(self._classes) == 2 else 1
            fields |= fields_of(metrics_of(ESTIMATED[:told], found[:told]))
            fields |= fields_of(metrics_of(tuple(f"prior.{name}" for name in self._classes), shares))
        fields |= {"state": state, "reference_rows": calibration.reference_rows}
        labelled, right = outputs.labelled(vector[None]), outputs.right(vector[None])
        if labelled.sum() >= MIN_EVENTS:
            fields |= fields_of(metrics_of(("calibration_error",), calibration.error(labelled, right)))
        return Point(measurement="estimate", tags={"model": self._model, "window": window}, fields=fields, time=at)

    def _is_label_shift(self, counts: Float64, vector: Float64) -> bool:
        """Whether predictions moved, and shares of classes explain how."""
        predicted, confusion = self._outputs.predicted(counts), self._outputs.confusion
        before, n = confusion.sum(axis=0), float(predicted.sum())
        if n <= 0:
            return False
        used = before > 0
        share = (before + predicted[0])[used] / (before.sum() + n)
        moved = np.square(predicted[0][used] / n - before[used] / before.sum()) / share / (1 / n + 1 / before.sum()) / self._outputs.outcomes.dispersion
        if used.sum() < 2 or moved.sum() < special.chdtri(used.sum() - 1, MOVED):
            return False
        events, totals = np.split(self._columns.sums(vector), 2, axis=1)
        return bool(self._explanation.weigh(Moved(predicted, events, totals)).confirmed[0])
