"""Profiles by hand and pane vectors by simulation, for tests of the detectors."""

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.columns.binning import encode
from detectors.columns.normal_scores import normal_scores
from detectors.detector import Detector, State
from detectors.event_batch import Float64
from detectors.panes.correlation_sums import CorrelationSums
from detectors.panes.layout import REGRESSION, Layout
from detectors.profile import CategoricalProfile, ColumnProfile, CorrelationProfile, Cycle, NumericProfile, PerformanceProfile, Profile
from detectors.rows.row_groups import RowGroups
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from detectors.verdict import Verdicts

PANE = 10_000
CLASSES = ("no", "yes")


def numeric_profile(values: Float64, *, bins: int = 32, cycles: tuple[Cycle, ...] = (), low: float = -np.inf, high: float = np.inf) -> NumericProfile:
    present = values[np.isfinite(values)]
    edges = np.unique(np.quantile(present, np.arange(1, bins) / bins))
    bin_of = np.searchsorted(edges, present, side="right")
    counts = np.bincount(bin_of, minlength=len(edges) + 1)
    mean, deviation = float(present.mean()), float(present.std())
    means = np.bincount(bin_of, present, len(edges) + 1) / np.maximum(counts, 1)
    scores = (means - mean) / deviation if deviation else np.zeros_like(means)
    return NumericProfile(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        scores=tuple(scores.tolist()),
        missing=len(values) - len(present),
        out_of_range=int(((present < low) | (present > high)).sum()),
        mean=mean,
        deviation=deviation,
        minimum=float(present.min()),
        maximum=float(present.max()),
        cycles=cycles,
    )


def categorical_profile(shares: Mapping[str, float], rows: int = 10_000) -> CategoricalProfile:
    return CategoricalProfile(levels=tuple(shares), counts=tuple(round(rows * share) for share in shares.values()))


def specification_of(
    columns: Mapping[str, ColumnProfile],
    *,
    performance: PerformanceProfile | None = None,
    prediction: ColumnProfile | None = None,
    together: CorrelationProfile | None = None,
    **settings: object,
) -> MonitorSpecification:
    features = {name: Feature(type=profile.kind, minimum=-6.0 if profile.kind == "numeric" else None) for name, profile in columns.items()}
    label = CategoricalProfile(levels=CLASSES, counts=(5_000, 5_000)) if settings.get("task") != "regression" else None
    profile = Profile(rows=10_000, features=dict(columns), prediction=prediction, label=label, performance=performance, correlation=together)
    if together is not None:
        settings["correlation"] = together.features
    return MonitorSpecification(model="loans", pane=PANE, features=features, reference=Reference(profile=profile), **settings)  # type: ignore[arg-type]


def pane_vectors(
    layout: Layout,
    panes: int,
    columns: Mapping[str, Float64],
    *,
    errors: Float64 | None = None,
    absolute_errors: Float64 | None = None,
    low: float = -6.0,
) -> Float64:
    """(panes, size) vectors of events split evenly in order; numeric columns hold values, categorical ones level numbers (the last + 1 unseen); nan is missing."""
    vectors = np.zeros((panes, layout.size))
    profiles = {f"feature:{name}": profile for name, profile in layout.columns.items()} | ({} if layout.prediction is None else {"prediction": layout.prediction})
    for name, values in columns.items():
        block, profile = layout.blocks[name], profiles[name]
        pane_of = np.arange(len(values)) * panes // len(values)
        present = np.isfinite(values)
        if profile.kind == "numeric":
            cell = np.where(present, np.searchsorted(np.array(profile.edges), values, side="right"), len(profile.scores))
            np.add.at(vectors, (pane_of[present & (values < low)], block.stop - 1), 1)
        else:
            cell = np.where(present, np.nan_to_num(values), len(profile.levels) + 1).astype(int)
        np.add.at(vectors, (pane_of, block.start + cell), 1)
    if layout.specification.correlation:
        _add_correlations(vectors[:, layout.blocks["correlation"]], layout, columns)
    block = layout.blocks["performance"]
    if errors is not None:
        pane_of = np.arange(len(errors)) * panes // len(errors)
        np.add.at(vectors, (pane_of, block.start + errors.astype(int)), 1)  # label "no", predicted "no" or "yes"
    if absolute_errors is not None:
        pane_of = np.arange(len(absolute_errors)) * panes // len(absolute_errors)
        for power, sum_of in enumerate(("rows", "absolute_error", "squared_error")):
            np.add.at(vectors, (pane_of, block.start + REGRESSION.index(sum_of)), absolute_errors**power)
    return vectors


def _add_correlations(block: Float64, layout: Layout, columns: Mapping[str, Float64]) -> None:
    names = layout.specification.correlation
    scores = np.stack([np.append(normal_scores(layout.columns[name]), np.nan)[encode(columns[f"feature:{name}"], layout.columns[name])] for name in names], axis=1)
    groups = RowGroups([(0, "", "")] * len(block), np.arange(len(scores)) * len(block) // len(scores), len(scores))
    CorrelationSums([], starts=[], places=range(len(names)), size=0).add(block, groups, scores)


def replay(detector: Detector, vectors: Float64, *, state: State | None = None, start: int = 0) -> tuple[State, list[Verdicts]]:
    state = detector.initial() if state is None else state
    verdicts = []
    for index, counts in enumerate(vectors):
        state, verdict = detector.step(state, counts, start + index * PANE)
        verdicts.append(verdict)
    return state, verdicts


def first_drift(verdicts: Sequence[Verdicts], monitor: int = 0) -> int | None:
    return next((index for index, verdict in enumerate(verdicts) if verdict.status[monitor] == 4), None)
