"""What rows add to a summary vector.

Every method adds to ``sums``, an (groups, size) matrix with a summary vector for each group of rows. All are sums over rows, so their order
means nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.anomaly_scores import AnomalyScores
from detectors.columns.binning import ColumnBins
from detectors.columns.declared_ranges import DeclaredRanges
from detectors.columns.grid_bins import add_together, cells_together, grid_bins
from detectors.columns.shared_arrays import shared
from detectors.event_batch import Bool, Coded, EventBatch, Float64, Int64
from detectors.panes.correlation_sums import CorrelationSums, scores_of
from detectors.panes.expected_values import ExpectedValues
from detectors.panes.irregular_counts import IrregularCounts
from detectors.panes.layout import DELAY_EDGES, LATENCY_EDGES, PROBABILITY, TRAFFIC, Layout, column_size
from detectors.panes.output_cells import output_cells
from detectors.panes.quantile_sketch import add_sketches
from detectors.panes.score_bins import add_scores
from detectors.panes.slice_losses import add_losses
from detectors.panes.value_codes import add_codes
from detectors.profile import NumericProfile
from detectors.rows.labelled_rows import LabelledRows
from detectors.rows.row_groups import RowGroups

SMALLEST_PROBABILITY = 1e-15  # the logarithm of 0 would make one sure and wrong prediction infinite; scikit-learn clips, too


@dataclass(frozen=True)
class Members:
    """Whose rows are counted together: (n,) the place of each row's model in ``of``, in ascending order, and where each model's rows begin and end."""

    of: Sequence[Contributions]
    owner: Int64
    bounds: Sequence[int]


class Contributions:
    """Adds rows of one model to summary vectors; or of several that are ``alike``, who are then given as ``members``.

    Parameters
    ----------
    layout : of the vectors.

    Attributes
    ----------
    alike : the same for models that differ in nothing but the edges of their numeric bins and the limits of their features.
    weighs : whether rows are counted by what they stand for, and once more by its square, see `Layout`.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._blocks = layout.blocks
        self._traffic = layout.blocks["traffic"].start
        self._classes = {name: place for place, name in enumerate(layout.specification.classes)}
        numeric = {name: profile for name, profile in layout.columns.items() if profile.kind == "numeric"}
        self._numeric_names = tuple(numeric)
        features = [layout.blocks[f"feature:{name}"] for name in numeric]
        self._first = min((block.start for block in features), default=0)
        self._last = max((block.stop for block in features), default=0)
        self._numeric = grid_bins(tuple(profile.edges for profile in numeric.values()), tuple(block.start - self._first for block in features))
        self._correlation = _correlation(layout, numeric, [block.start - self._first for block in features], self._last - self._first)
        self._categorical = [(name, layout.bins[name], layout.blocks[f"feature:{name}"]) for name, profile in layout.columns.items() if profile.kind == "categorical"]
        self._ranges = DeclaredRanges(layout.features[name] for name in numeric)
        self._outside = shared(np.array([block.start + column_size(profile) - 1 for block, profile in zip(features, numeric.values(), strict=True)], np.int64))
        self._expected = ExpectedValues(layout.expected) if layout.expected else None
        self._sketched = layout.sketched
        self._coded = layout.coded
        quality, places = layout.specification.quality, {name: place for place, name in enumerate(layout.specification.features)}
        self._irregular = IrregularCounts(places, names="schema" in quality.monitors) if quality.forgives else None
        self._saturation = layout.specification.service.saturation
        self._regression = layout.specification.task == "regression"
        self._positive = None if self._regression else layout.specification.positive_class
        self._estimates = "outputs" in layout.blocks
        anomalies = None if "anomalies" not in quality.monitors or layout.specification.reference.profile is None else layout.specification.reference.profile.anomalies
        self._anomalies = None if anomalies is None else (anomalies, AnomalyScores(anomalies))
        self.weighs = layout.weighs
        self.alike = _alike(layout)

    def traffic(self, sums: Float64, groups: RowGroups, counter: str, rows: Int64 | None = None) -> None:
        """One more of a counter for each row, or for some of the rows."""
        sums[:, self._traffic + TRAFFIC.index(counter)] += groups.sizes(rows)

    def inputs(self, sums: Float64, groups: RowGroups, batch: EventBatch, members: Members | None = None) -> None:
        """Features: one cell each, and one more where a value is out of its expected range."""
        if self._numeric_names:
            matrix = self._numbers(batch)
            self._bins(sums, groups, matrix, members)
            self._out_of_range(sums, groups, matrix, members)
        for name, bins, block in self._categorical:
            _add_coded(sums[:, block], groups, batch.categorical[name], bins)
        if self._expected is not None:
            of = None if members is None else ([one._expected for one in members.of if one._expected is not None], members.owner)
            self._expected.add(sums[:, self._blocks["expected"]], groups, batch, of)
        if self._sketched:
            add_sketches(sums[:, self._blocks["sketches"]], groups, batch.numeric[:, [batch.numeric_names.index(name) for name in self._sketched]])
        if self._saturation is not None:
            self._saturated(sums[:, self._blocks["saturation"]], groups, batch.numeric[:, batch.numeric_names.index(self._saturation.feature)], self._saturation.limit)
        if self._coded:
            add_codes(sums[:, self._blocks["codes"]], groups, self._numbers(batch), [batch.categorical[name] for name, _, _ in self._categorical])
        if self._irregular is not None:
            self._irregular.add(sums[:, self._blocks["irregular"]], groups if groups.weights is None else replace(groups, weights=None), batch.irregular)  # names add up by rows
        if self._anomalies is not None:
            above = np.flatnonzero(self._strange(batch, members))
            sums[:, self._blocks["anomalies"]] += np.stack((groups.sizes(), groups.sizes(above)), axis=1)

    def _bins(self, sums: Float64, groups: RowGroups, matrix: Float64, members: Members | None) -> None:
        if groups.of is not None and groups.weights is None and self._correlation is None:
            bins, bounds = ([self._numeric], [0, groups.n]) if members is None else ([one._numeric for one in members.of], members.bounds)
            if add_together(bins, bounds, matrix, groups.of, sums, self._first):
                return
        block, size = sums[:, self._first : self._last], self._last - self._first
        if groups.is_plain and self._correlation is None:
            block += self._numeric.counts(matrix, size)
            return
        cells = self._numeric.cells(matrix) if members is None else cells_together([one._numeric for one in members.of], members.owner, members.bounds, matrix)
        block += groups.counts(cells, size)
        if self._correlation is not None:
            self._correlation.add(sums[:, self._blocks["correlation"]], groups, self._scores(cells, members))

    @staticmethod
    def _saturated(block: Float64, groups: RowGroups, values: Float64, limit: float) -> None:
        """Values, and those above the limit; rows without one add nothing."""
        block += np.stack((groups.sizes(np.flatnonzero(~np.isnan(values))), groups.sizes(np.flatnonzero(values > limit))), axis=1)

    def _strange(self, batch: EventBatch, members: Members | None) -> Bool:
        """(n,) events whose score is above the threshold of their model."""
        if members is None or len(members.of) == 1:
            one = self if members is None else members.of[0]
            return one._strange_of_mine(batch)
        parts = zip(members.of, members.bounds[:-1], members.bounds[1:], strict=True)
        return np.concatenate([one._strange_of_mine(batch.take(slice(first, end))) for one, first, end in parts])

    def _strange_of_mine(self, batch: EventBatch) -> Bool:
        assert self._anomalies is not None  # noqa: S101  models that are alike have the same blocks
        profile, scores = self._anomalies
        numbers = batch.numeric if batch.numeric_names == profile.numeric else batch.numeric[:, [batch.numeric_names.index(name) for name in profile.numeric]]
        cells = [self._layout.bins[name].cells(batch.categorical[name]) for name in profile.categorical]
        return np.asarray(scores.scores(numbers, cells) > scores.threshold)

    def _numbers(self, batch: EventBatch) -> Float64:
        """(n, F) numeric columns that have a reference."""
        return batch.numeric if batch.numeric_names == self._numeric_names else batch.numeric[:, [batch.numeric_names.index(name) for name in self._numeric_names]]

    def _scores(self, cells: Int64, members: Members | None) -> Float64:
        """(n, d) normal scores of the columns whose correlations are watched, by the bins of each row's model."""
        tables = [one._correlation for one in ((self,) if members is None else members.of) if one._correlation is not None]
        if members is None or all(one is tables[0] for one in tables):
            return scores_of(tables[0], cells)
        parts = zip(tables, members.bounds[:-1], members.bounds[1:], strict=True)
        return np.concatenate([scores_of(one, cells[first:end]) for one, first, end in parts])

    def _out_of_range(self, sums: Float64, groups: RowGroups, matrix: Float64, members: Members | None) -> None:
        rows, columns = self._ranges.broken(matrix, None if members is None else ([one._ranges for one in members.of], members.owner))
        if len(rows):
            sums[:, self._outside] += groups.counts(columns, len(self._outside), rows)

    def output(self, sums: Float64, groups: RowGroups, prediction: Coded, rows: Int64 | None = None, members: Members | None = None) -> None:
        """The model's output, by the bins of its reference; of some of the rows where a service failed to answer the others."""
        if self._layout.prediction is None:
            return
        block, bins = sums[:, self._blocks["prediction"]], self._layout.bins[""]
        if isinstance(prediction, CodedText) and rows is None:
            _add_coded(block, groups, prediction, bins)
        elif isinstance(prediction, CodedText) or members is None:
            block += groups.counts(bins.cells(prediction if rows is None else prediction[rows]), block.shape[1], rows)
        else:
            by_member = zip(members.of, members.bounds[:-1], members.bounds[1:], strict=True)
            cells = np.concatenate([one._layout.bins[""].cells(prediction[first:end]) for one, first, end in by_member])
            block += groups.counts(cells if rows is None else cells[rows], block.shape[1], rows)

    def scored_output(self, sums: Float64, groups: RowGroups, prediction: Coded, score: Float64, rows: Int64 | None = None, *, block: str = "outputs") -> None:
        """The model's output by class and score, where performance is estimated from it; of some of the rows where a service failed to answer the others."""
        if not self._estimates or not isinstance(prediction, CodedText):
            return
        if rows is not None:
            prediction, score = prediction[rows], score[rows]
        cells = output_cells(prediction, score, self._classes, scored=True)
        said = cells >= 0
        if not said.all():
            cells, rows = cells[said], np.flatnonzero(said) if rows is None else rows[said]
        place = self._blocks[block]
        sums[:, place] += groups.counts(cells, place.stop - place.start, rows)

    def latency(self, sums: Float64, groups: RowGroups, milliseconds: Float64) -> None:
        """Latency histogram; rows without a latency add nothing."""
        rows = np.flatnonzero(milliseconds == milliseconds)  # noqa: PLR0124  nan is the one value that differs from itself
        if len(rows):
            sums[:, self._blocks["latency"]] += groups.counts(np.searchsorted(LATENCY_EDGES, milliseconds[rows], side="right"), len(LATENCY_EDGES) + 1, rows)

    def delay(self, sums: Float64, groups: RowGroups, predicted_at: Int64, labelled_at: Int64) -> None:
        """Histogram of the time from a prediction to its label."""
        if predicted_at is labelled_at:
            sums[:, self._blocks["delay"].start] += groups.sizes()
        else:
            delays = (labelled_at - predicted_at).astype(np.float64)
            sums[:, self._blocks["delay"]] += groups.counts(np.searchsorted(DELAY_EDGES, delays, side="right"), len(DELAY_EDGES) + 1)

    def performance(self, sums: Float64, groups: RowGroups, prediction: Coded, label: Coded, score: Float64) -> None:
        """What labelled predictions add to the performance blocks."""
        sums[:, self._blocks["performance"]] += self.outcomes(groups, prediction, label)
        self.scored_output(sums, groups, prediction, score, block="labelled_outputs")
        if self._positive is not None and isinstance(label, CodedText):
            self._probabilities(sums, groups, label.matches(self._positive), score)

    def outcomes(self, groups: RowGroups, prediction: Coded, label: Coded) -> Float64:
        """The performance block alone: confusion counts, or sums of errors; (groups, size of the block)."""
        if not isinstance(prediction, CodedText) or not isinstance(label, CodedText):
            return _errors(groups, np.asarray(prediction), np.asarray(label))
        unknown = len(self._classes)
        cells = label.cells(self._classes, unknown, unknown)
        cells *= unknown + 1
        cells += prediction.cells(self._classes, unknown, unknown)
        return groups.counts(cells, (unknown + 1) ** 2)

    def slices(self, sums: Float64, groups: RowGroups, rows: EventBatch | LabelledRows, members: Members | None = None) -> None:
        """What labelled predictions lose, by the slices that they are in."""
        if self._layout.slices is None:
            return
        if isinstance(rows.prediction, CodedText) and isinstance(rows.label, CodedText):
            losses = np.where(rows.label.equals(rows.prediction), 0.0, 1.0)
        else:
            losses = np.abs(np.asarray(rows.prediction) - np.asarray(rows.label))
        cells = self._slices(rows, members)
        with np.errstate(over="ignore"):
            finite = np.isfinite(losses**2)
        if not finite.all():
            groups, cells, losses = replace(groups, of=None if groups.of is None else groups.of[finite], n=int(finite.sum())), cells[finite], losses[finite]
        add_losses(sums[:, self._blocks["slices"]], groups, cells, losses, squares=self._regression)

    def _slices(self, rows: EventBatch | LabelledRows, members: Members | None) -> Int64:
        """(n, S) by the parts of each row's model."""
        if members is None:
            assert self._layout.slices is not None  # noqa: S101  asked for where there are some
            return self._layout.slices.cells(rows.numeric, rows.numeric_names, rows.categorical)
        parts = zip(members.of, members.bounds[:-1], members.bounds[1:], strict=True)
        return np.concatenate([one._slices(rows.take(slice(first, end)), None) for one, first, end in parts])

    def _probabilities(self, sums: Float64, groups: RowGroups, positive: Bool, score: Float64) -> None:
        rows = None
        if not (score.min(initial=1) >= 0 and score.max(initial=0) <= 1):
            rows = np.flatnonzero((score >= 0) & (score <= 1))  # some have none, or a file has something else than a probability
            score, positive = score[rows], positive[rows]
        if not len(score):
            return
        probability = np.abs(score - ~positive)
        np.maximum(probability, SMALLEST_PROBABILITY, out=probability)
        gain, miss = np.log(probability), 1 - probability
        brier = miss * miss
        block = sums[:, self._blocks["probability"]]
        told = (groups.sizes(rows), -groups.sums(gain, rows), groups.squares(gain, rows), groups.sums(brier, rows), groups.squares(brier, rows))
        block += np.stack(told, axis=1)
        assert block.shape[1] == len(PROBABILITY)  # noqa: S101  the layout and the sums above name the same five
        add_scores(sums[:, self._blocks["score"]], groups, positive, score, rows)


def _alike(layout: Layout) -> str:
    specification = layout.specification
    features = [(name, feature.type) for name, feature in layout.features.items()]
    levels = {name: (profile.levels, profile.other) for name, profile in layout.columns.items() if profile.kind == "categorical"}
    predicted = None if layout.prediction is None else (layout.prediction.kind, layout.prediction.levels if layout.prediction.kind == "categorical" else ())
    expected = [(name, feature.categories) for name, feature in layout.expected.items()]
    told = (specification.task, specification.classes, specification.positive_class, features, list(layout.blocks.items()), levels, predicted, specification.correlation)
    return hashlib.blake2b(repr((*told, expected, specification.sampling, specification.service.saturation, specification.slices)).encode(), digest_size=16).hexdigest()


def _correlation(layout: Layout, numeric: Mapping[str, NumericProfile], starts: Sequence[int], size: int) -> CorrelationSums | None:
    names = layout.specification.correlation
    if not names:
        return None
    places = [list(numeric).index(name) for name in names]
    return CorrelationSums([numeric[name] for name in names], starts=[starts[place] for place in places], places=places, size=size)


def _errors(groups: RowGroups, prediction: Float64, label: Float64) -> Float64:
    error = prediction - label
    with np.errstate(over="ignore"):
        powers = (np.ones(groups.n), label, label**2, error, np.abs(error), error**2, error**4, error * np.abs(error))
    finite = np.isfinite(powers).all(axis=0)
    if finite.all():
        return np.stack([groups.sums(values) for values in powers], axis=1)
    rows = np.flatnonzero(finite)
    return np.stack([groups.sums(values[rows], rows) for values in powers], axis=1)


def _add_coded(block: Float64, groups: RowGroups, column: CodedText, bins: ColumnBins) -> None:
    """Count coded text: rows by level first, levels by cell then."""
    levels = len(column.levels) + 1
    if levels > groups.n:
        block += groups.counts(bins.cells(column.compact()), block.shape[1])
        return
    by_level = groups.counts(column.codes + np.int64(1), levels)
    cells = bins.cells(CodedText(column.levels, np.arange(-1, levels - 1, dtype=np.int32)))
    np.add.at(block.T, cells, by_level.T)
