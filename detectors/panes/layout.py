"""Where each count of a pane summary stands in its vector.

A pane summary is one vector of float64, laid out by the specification. Merging two summaries is adding their vectors, which makes the
merge associative and commutative by construction; everything that a monitor needs must therefore be a sum over events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from detectors.columns.binning import ColumnBins
from detectors.columns.slice_cells import SliceCells
from detectors.event_batch import Float64
from detectors.panes.correlation_sums import block_size
from detectors.panes.expected_values import CELLS as EXPECTED_CELLS
from detectors.panes.irregular_counts import block_size as irregular_size
from detectors.panes.output_cells import number_of_cells
from detectors.panes.quantile_sketch import SIZE as SKETCH_SIZE
from detectors.panes.score_bins import SIZE as SCORE_SIZE
from detectors.panes.value_codes import CELLS as CODE_CELLS
from detectors.profile import ColumnProfile, OutcomeProfile
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification

LATENCY_EDGES: tuple[float, ...] = tuple(float(edge) for edge in np.geomspace(0.1, 60_000, 48))
"""Inner edges of the latency histogram in milliseconds; 32 % wide; quantiles are interpolated, see `detectors.metric.histogram_quantile`."""

DELAY_EDGES: tuple[float, ...] = tuple(float(edge) for edge in np.geomspace(1_000, 90 * 86_400_000, 40))
"""Inner edges of the label delay histogram in milliseconds, from a second to ninety days."""

TRAFFIC = ("predictions", "failed", "duplicates", "late", "labels", "corrections", "late_labels", "label_duplicates", "given_up")
"""Counters of the block ``traffic``, in their order; ``given_up`` are waiting rows and ids that a full store has let go."""

REGRESSION = ("rows", "label", "label_squared", "error", "absolute_error", "squared_error", "quartic_error", "signed_squared_error")
"""Sums of the block ``performance`` of a regression, in their order; ``error`` is prediction - label, ``quartic_error`` its fourth power, the last its square with its sign."""

PROBABILITY = ("rows", "log_loss", "log_loss_squared", "brier", "brier_squared")
"""Sums of the block ``probability`` of a classifier with a score, in their order."""


@dataclass(frozen=True)
class Layout:
    """Blocks of a summary vector.

    Block names, in order:

    ``traffic``            the counters `TRAFFIC`
    ``latency``            histogram over `LATENCY_EDGES`
    ``delay``              histogram of label delays over `DELAY_EDGES`
    ``feature:NAME``       numeric: a count for each bin, then ``missing``, ``out_of_range`` (which is also binned);
                           categorical: a count for each level, then ``unseen``, ``missing``
    ``sketches``           `detectors.panes.quantile_sketch.SIZE` cells for each of the columns `sketched`, where there are any
    ``expected``           `detectors.panes.expected_values.CELLS` cells for each of the columns `expected`, where there are any
    ``prediction``         as ``feature:NAME``, of the model's output
    ``performance``        classification: confusion counts, ``(K + 1) x (K + 1)`` row-major, row = label, column = prediction, last = classes unknown to the reference;
                           regression: the sums `REGRESSION`
    ``probability``        classification: the sums `PROBABILITY`
    ``score``              classification with a positive class: counts of its probability, see `detectors.panes.score_bins`
    ``outputs``            where performance is estimated from scores: a count for each output cell, see `detectors.panes.output_cells`
    ``labelled_outputs``   the same of predictions whose label has come, in the pane of their outcome
    ``codes``              where constant or stale columns are watched: sums of codes of the columns `Layout.coded`, see `detectors.panes.value_codes`
    ``slices``             where slices are asked for: labelled rows of each slice, what they lose (wrong answers, or absolute errors), and of a regression its squares
    ``irregular``          where types or the schema are watched: see `detectors.panes.irregular_counts`, of the features as they are declared
    ``anomalies``          where single events are judged: those with features, and those whose score is above the reference's threshold
    ``saturation``         where it is watched: values of its feature, and those above the limit
    ``correlation``        where correlations are watched: rows, sums of normal scores and of their products, see `detectors.panes.correlation_sums`

    Where events are weighed (``sampling: weighted``) all of this stands there twice: sums of weights first, and behind them, cell by cell, sums of their squares, see
    `detectors.statistics.sampling`. The blocks are places in either half.
    """

    specification: MonitorSpecification
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict, compare=False)  # of the metrics of a user's own

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Name to slice."""
        sizes = {"traffic": len(TRAFFIC), "latency": len(LATENCY_EDGES) + 1, "delay": len(DELAY_EDGES) + 1}
        sizes |= {f"feature:{name}": column_size(profile) for name, profile in self.columns.items()}
        without_bins = {"sketches": SKETCH_SIZE * len(self.sketched), "expected": EXPECTED_CELLS * len(self.expected)}
        sizes |= {name: size for name, size in without_bins.items() if size}
        if self.prediction is not None:
            sizes["prediction"] = column_size(self.prediction)
        if self.specification.task == "regression":
            sizes["performance"] = len(REGRESSION)
        else:
            sizes["performance"] = (len(self.specification.classes) + 1) ** 2
            sizes["probability"] = len(PROBABILITY)
            if self.specification.positive_class is not None:
                sizes["score"] = SCORE_SIZE
            if self.outcomes is not None and self.outcomes.scored:
                sizes["outputs"] = sizes["labelled_outputs"] = number_of_cells(len(self.specification.classes), scored=True)
        if self.coded:
            sizes["codes"] = CODE_CELLS * len(self.coded)
        if self.slices is not None:
            sizes["slices"] = self.slices.size * (3 if self.specification.task == "regression" else 2)
        if self.specification.quality.forgives:
            sizes["irregular"] = irregular_size(len(self.specification.features), names="schema" in self.specification.quality.monitors)
        if "anomalies" in self.specification.quality.monitors:
            sizes["anomalies"] = 2
        if self.specification.service.saturation is not None:
            sizes["saturation"] = 2
        if self.specification.correlation:
            sizes["correlation"] = block_size(len(self.specification.correlation))
        return _one_after_another(tuple(sizes.items()))

    @cached_property
    def columns(self) -> dict[str, ColumnProfile]:
        """Profiles of the declared columns that have one; one without a profile is not watched for drift, but for what is `expected` of it."""
        profile = self.specification.reference.profile
        return {} if profile is None else {name: profile.features[name] for name in self.features if name in profile.features}

    @cached_property
    def features(self) -> dict[str, Feature]:
        """What is declared of each column, see `MonitorSpecification.columns`."""
        return self.specification.columns

    @cached_property
    def expected(self) -> dict[str, Feature]:
        """Columns without a profile of which something may be expected: a share of missing values, a range; and all with declared categories."""
        bare = {name for name, feature in self.features.items() if name not in self.columns and (feature.max_missing != 1 or feature.has_range)}
        return {name: feature for name, feature in self.features.items() if name in bare or feature.categories is not None}

    @cached_property
    def sketched(self) -> tuple[str, ...]:
        """Numeric columns without a profile, where their quantiles are asked for; that of a service's saturation always."""
        asked, saturation = self.specification.detectors.quantiles, self.specification.service.saturation
        always = None if saturation is None else saturation.feature
        return tuple(name for name, feature in self.features.items() if (asked or name == always) and feature.type == "numeric" and name not in self.columns)

    @cached_property
    def coded(self) -> tuple[str, ...]:
        """Columns with a reference, the numeric ones first, where it is asked for that they vary."""
        if not {"constant", "stale"}.intersection(self.specification.quality.monitors):
            return ()
        return tuple(sorted(self.columns, key=lambda name: self.columns[name].kind != "numeric"))

    @cached_property
    def slices(self) -> SliceCells | None:
        """In which errors are counted, where that is asked for."""
        asked = self.specification.slices
        return SliceCells({name: self.columns[name] for name in asked.columns}, asked.paired) if asked.columns else None

    @cached_property
    def prediction(self) -> ColumnProfile | None:
        """Profile of the model's output."""
        profile = self.specification.reference.profile
        return None if profile is None else profile.prediction

    @cached_property
    def outcomes(self) -> OutcomeProfile | None:
        """What performance is estimated by, where that is asked for."""
        profile = self.specification.reference.profile
        return profile.outcomes if profile is not None and self.specification.estimate_performance else None

    @cached_property
    def bins(self) -> dict[str, ColumnBins]:
        """Bins of the watched features, and of the model's output under ``""``."""
        bins = {name: ColumnBins(profile) for name, profile in self.columns.items()}
        return bins if self.prediction is None else bins | {"": ColumnBins(self.prediction)}

    @cached_property
    def size(self) -> int:
        """Length of a summary vector."""
        return self.cells * (2 if self.weighs else 1)

    @cached_property
    def cells(self) -> int:
        """Length of what is in its blocks."""
        return max(int(block.stop) for block in self.blocks.values())

    @property
    def weighs(self) -> bool:
        """Whether events count by what they stand for."""
        return self.specification.sampling == "weighted"

    def squares(self, vector: Float64) -> Float64:
        """(cells,) sums of squared weights, in the places of the blocks; where nothing is weighed, the counts."""
        return vector[self.cells :] if self.weighs else vector

    def traffic(self, vector: Float64, counter: str) -> float:
        """One counter of the traffic block."""
        return float(vector[self.blocks["traffic"].start + TRAFFIC.index(counter)])


def column_size(profile: ColumnProfile) -> int:
    """Cells that a column takes in a summary vector."""
    return (len(profile.scores) if profile.kind == "numeric" else len(profile.levels)) + 2


@lru_cache(maxsize=256)
def _one_after_another(sizes: tuple[tuple[str, int], ...]) -> dict[str, slice]:
    """Blocks of these sizes; one object for all models that are alike, who only look into it."""
    ends = np.cumsum([size for _, size in sizes]).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(sizes, ends, strict=True)}
