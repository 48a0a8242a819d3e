"""Make the reference of a model's correlations: of the normal scores of its columns, on the rows that lack none of them.

How surely a correlation is known depends on more than itself: on the fourth moments of the columns together. So the table says by itself how each
correlation varies from one sample to another (by its influence function, Devlin, Gnanadesikan & Kettenring 1975), and how those of different pairs vary
together: correlations of 190 pairs are 190 independent numbers only where the columns are independent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import special

from detectors.columns.binning import encode
from detectors.columns.normal_scores import normal_scores
from detectors.errors import SettingsError
from detectors.event_batch import Float64, Int64
from detectors.profile import CorrelationProfile, NumericProfile

MIN_ROWS = 500
"""Rows without a missing value; of fewer, two hundred correlations would be known to no better than .05 each."""

LARGEST = 0.999
"""Correlations count as at most this: those of a column and its copy would have no error."""

_POINTS = 64  # of the law of the sum, evenly spaced on the scale of a normal, so that its tails are told in detail
_ROWS_OF_POINT = 4  # at least; `detectors.statistics.large_deviation` counts each point once more, in case that it was seen too seldom
_ROWS_AT_ONCE = 4_096


def pairs_of(features: int) -> tuple[Int64, Int64]:
    """(P,) both places of each pair of features, in the order of `CorrelationProfile`.

    Examples
    --------
    >>> [places.tolist() for places in pairs_of(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    first, second = np.triu_indices(features, 1)
    return first, second


def correlation_profile(columns: Mapping[str, Float64], profiles: Mapping[str, NumericProfile]) -> CorrelationProfile:
    """Correlations of a table.

    Parameters
    ----------
    columns : (n,) of each feature, nan is missing; two at least.
    profiles : of the same features.

    Raises
    ------
    SettingsError
        If fewer than `MIN_ROWS` rows lack no value.

    Examples
    --------
    >>> from detectors.references.reference import numeric_profile
    >>> generator = np.random.default_rng(1)
    >>> age = generator.normal(size=5_000)
    >>> columns = {"age": age, "income": np.exp(0.6 * age + 0.8 * generator.normal(size=5_000))}
    >>> found = correlation_profile(columns, {name: numeric_profile(values) for name, values in columns.items()})
    >>> found.rows, [round(value, 1) for value in found.correlations]
    (5000, [0.6])
    """
    names = tuple(columns)
    scores = np.stack([np.append(normal_scores(profiles[name]), np.nan)[encode(columns[name], profiles[name])] for name in names], axis=1)
    scores = scores[~np.isnan(scores).any(axis=1)]
    rows = len(scores)
    if rows < MIN_ROWS:
        raise SettingsError(f"correlations need {MIN_ROWS} rows in which no column misses a value, got {rows}; leave out columns that miss many")
    scores = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    first, second = pairs_of(len(names))
    correlations = np.clip((scores.T @ scores / rows)[first, second], -LARGEST, LARGEST).round(5)
    gram = np.zeros((len(first), len(first)))
    for some in _portions(scores):
        influence = _influence(some, correlations, first, second)
        gram += influence.T @ influence
    # A copy of a column has no error at all; half of a normal pair's is the least that is believed.
    deviations = np.maximum(np.sqrt(np.diag(gram) / rows), (1 - correlations**2) / 2).round(5)
    together = gram / rows / np.outer(deviations, deviations)
    sums = np.concatenate([(_influence(some, correlations, first, second) / deviations).sum(axis=1) for some in _portions(scores)])
    values, counts = _points(sums)
    squared, pairs = together @ together, len(first)
    # Less what the errors of so many estimates add; at least what a matrix has whose diagonal is 1.
    square = max(float(np.trace(squared)) - pairs**2 / rows, float(pairs))
    cube = max(float(np.sum(squared * together)) - 3 * square * pairs / rows - pairs**3 / rows**2, square**2 / pairs)
    return CorrelationProfile(
        features=names,
        rows=rows,
        correlations=tuple(correlations.tolist()),
        deviations=tuple(deviations.tolist()),
        traces=(round(square, 4), round(cube, 4)),
        largest=round(float(np.linalg.eigvalsh(together)[-1]), 4),
        sum_values=tuple(values.round(5).tolist()),
        sum_counts=tuple(counts.tolist()),
    )


def _portions(scores: Float64) -> list[Float64]:
    return [scores[begin : begin + _ROWS_AT_ONCE] for begin in range(0, len(scores), _ROWS_AT_ONCE)]


def _influence(scores: Float64, correlations: Float64, first: Int64, second: Int64) -> Float64:
    """(n, P) what each row adds to each correlation."""
    squares = scores**2
    influence: Float64 = scores[:, first] * scores[:, second] - correlations * (squares[:, first] + squares[:, second]) / 2
    return influence


def _points(values: Float64) -> tuple[Float64, Int64]:
    """A law as its means between quantiles that are even on the scale of a normal, and how many rows each stands for."""
    ordered = np.sort(values)
    reach = float(special.ndtri(1 - _ROWS_OF_POINT / len(ordered)))
    cuts = np.rint(special.ndtr(np.linspace(-reach, reach, _POINTS - 1)) * len(ordered)).astype(np.int64).tolist()
    begins = [0]
    for cut in cuts:
        if min(cut - begins[-1], len(ordered) - cut) >= _ROWS_OF_POINT:
            begins.append(cut)
    counts = np.diff(np.append(begins, len(ordered)))
    return np.add.reduceat(ordered, begins) / counts, counts
