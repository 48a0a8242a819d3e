"""What single events of the reference look like, and how unlike the others the strangest hundredth of them is.

Every second row makes the histograms, and the rows between say where the threshold is: rows that were counted look more usual than new ones ever will.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.columns.anomaly_scores import AnomalyScores, squashed, views
from detectors.columns.binning import ColumnBins, encode
from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64, Int64, coded
from detectors.profile import AnomalyProfile, ColumnProfile

MIN_ROWS = 500
"""Of the reference: half of them show where its strangest hundredth begins."""

SHARE = 0.01
"""Events of the reference above the threshold."""

MOST_JOINT = 64
"""Numeric columns whose principal components are looked at; of more, only the columns themselves are, as the matrix would be larger than the rest of a monitor."""

_FEWEST_BINS, _MOST_BINS = 8, 64
_DIGITS = 6


def anomaly_profile(columns: Mapping[str, Column], profiles: Mapping[str, ColumnProfile]) -> AnomalyProfile:
    """The profile that `AnomalyScores` rests on.

    Parameters
    ----------
    columns : (n,) each; numbers with nan as missing, texts with None. `MIN_ROWS` rows at least.
    profiles : of the columns.

    Examples
    --------
    >>> from detectors.references.reference import numeric_profile
    >>> random = np.random.default_rng(1)
    >>> x = random.normal(size=10_000)
    >>> pair = {"a": x, "b": x + 0.1 * random.normal(size=10_000)}
    >>> profile = anomaly_profile(pair, {name: numeric_profile(values) for name, values in pair.items()})
    >>> usual, torn = AnomalyScores(profile).scores(np.array([[1.0, 1.0], [1.0, -1.0]]), [])  # neither value is strange by itself
    >>> bool(usual < profile.threshold < torn), profile.rows, profile.above
    (True, 5000, 49)
    """
    numeric = [name for name, one in profiles.items() if one.kind == "numeric"]
    categorical = [name for name, one in profiles.items() if one.kind == "categorical"]
    rows = len(next(iter(columns.values())))
    numbers = np.stack([np.asarray(columns[name], np.float64) for name in numeric], axis=1) if numeric else np.empty((rows, 0))
    cells = [encode(coded(class_names(columns[name])), profiles[name]) for name in categorical]
    seen, held_out = numbers[::2], numbers[1::2]
    bins = int(np.clip(2 * len(seen) ** (1 / 3), _FEWEST_BINS, _MOST_BINS))
    centres, scales = _usual(seen)
    known = squashed(seen, centres, scales)
    components = _components(known)
    of_views = views(known, components)
    lows, steps, counts = _histograms(of_views, bins)
    without = AnomalyProfile(
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        centres=tuple(centres.tolist()),
        scales=tuple(scales.tolist()),
        components=tuple(tuple(row) for row in components.tolist()),
        lows=lows,
        steps=steps,
        counts=counts,
        missing=tuple(np.isnan(seen).sum(axis=0).tolist()),
        levels=tuple(_levels(profiles[name], of_column[::2]) for name, of_column in zip(categorical, cells, strict=True)),
        threshold=np.inf,
        rows=len(held_out),
        above=0,
    )
    scores = AnomalyScores(without).scores(held_out, [of_column[1::2] for of_column in cells])
    threshold = float(np.quantile(scores, 1 - SHARE))
    return without.model_copy(update={"threshold": threshold, "above": int((scores > threshold).sum())})


def _usual(numbers: Float64) -> tuple[Float64, Float64]:
    """(d,) each: median, and how far the values usually are from each other; 1 for a constant."""
    centres, scales = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
    for place, column in enumerate(numbers.T):
        known = column[np.isfinite(column)]
        if len(known):
            low, centres[place], high = np.quantile(known, (0.25, 0.5, 0.75))
            spread = high - low or known.std()
            scales[place] = spread if spread > 0 else 1.0
    return np.array([_rounded(value) for value in centres]), np.array([_rounded(value) for value in scales])


def _components(known: Float64) -> Float64:
    """(d, d) directions of the principal components of standardised columns, of length 1 in these units; (d, 0) where there is none, or too many columns."""
    columns = known.shape[1]
    if not 2 <= columns <= MOST_JOINT:
        return np.empty((columns, 0))
    filled = np.nan_to_num(known)
    deviations = filled.std(axis=0)
    deviations[deviations == 0] = 1.0
    standard = (filled - filled.mean(axis=0)) / deviations
    _, directions = np.linalg.eigh(standard.T @ standard / len(standard))
    return np.asarray(np.round(directions / deviations[:, None], _DIGITS))


def _levels(profile: ColumnProfile, cells: Int64) -> tuple[int, ...]:
    """Rows of each level, of what is unseen and of what is missing."""
    return tuple(np.bincount(cells, minlength=ColumnBins(profile).size).tolist())


def _histograms(of_views: Float64, bins: int) -> tuple[tuple[float, ...], tuple[float, ...], tuple[tuple[int, ...], ...]]:
    """Lower ends, widths of the bins, and counts of each view."""
    lows, steps, counts = [], [], []
    for view in of_views.T:
        known = view[~np.isnan(view)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        step = _rounded((high - low) / bins * (1 + 1e-6)) or 1.0  # so that the largest value is in the last bin
        low = _rounded(low - 1e-6 * step)
        cells = np.clip(np.floor((known - low) / step), 0, bins - 1).astype(np.int64)
        lows.append(low)
        steps.append(step)
        counts.append(tuple(np.bincount(cells, minlength=bins).tolist()))
    return tuple(lows), tuple(steps), tuple(counts)


def _rounded(value: float) -> float:
    """Digits that make a monitor's file no longer than it has to be."""
    return float(f"{value:.9g}")
