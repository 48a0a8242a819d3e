"""What is to be said of a training set, and of the difference between two."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64
from detectors.rows.examples import Examples

MOST_LEVELS = 5
"""Levels of a column that people are shown, the most frequent ones."""


def columns_of(rows: Examples) -> dict[str, dict[str, Any]]:
    """Of each feature: its kind, the share of missing values, and mean and standard deviation, or the most frequent levels with their shares."""
    return {name: _column(values) for name, values in rows.features.items()}


def _column(values: Column) -> dict[str, Any]:
    missing = _missing(values)
    told: dict[str, Any] = {"kind": "categorical" if values.dtype == object else "numeric", "missing": float(missing.mean()) if len(values) else float("nan")}
    if values.dtype != object:
        known = values[~missing]
        return told | {"mean": float(known.mean()) if len(known) else float("nan"), "sd": float(known.std(ddof=1)) if len(known) > 1 else float("nan")}
    shares = _shares(values)
    return told | {"levels": dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LEVELS])}


def _missing(values: Column) -> Column:
    return np.asarray(values == None, np.bool_) if values.dtype == object else np.isnan(values)  # noqa: E711  elementwise


def _shares(values: Column) -> dict[str, float]:
    """Share of each class or level, the missing left out."""
    known = class_names(values)
    names, counts = np.unique(known[known != None].astype(str), return_counts=True)  # noqa: E711  elementwise
    return dict(zip(names.tolist(), (counts / max(1, counts.sum())).tolist(), strict=True))


def difference(one: Examples, other: Examples) -> dict[str, Any]:
    """How a training set differs from another: events that only one has, labels that were corrected, and how far classes and features lie apart.

    Numbers lie apart by the difference of their means in standard deviations (both sets together), classes and levels by total variation.
    """
    shared, mine, theirs = np.intersect1d(one.event_id, other.event_id, assume_unique=True, return_indices=True)
    apart = {name: _apart(one.features[name], other.features[name]) for name in one.features if name in other.features}
    return {
        "rows": [len(one), len(other)],
        "both": len(shared),
        "only_first": len(one) - len(shared),
        "only_second": len(other) - len(shared),
        "relabelled": int((class_names(one.label[mine]) != class_names(other.label[theirs])).sum()),
        "label": _apart(one.label, other.label),
        "features": dict(sorted(apart.items(), key=lambda pair: -np.nan_to_num(pair[1]["apart"], nan=-1.0))),
        "only_in_first": sorted(set(one.features) - set(other.features)),
        "only_in_second": sorted(set(other.features) - set(one.features)),
    }


def _apart(one: Column, other: Column) -> dict[str, Any]:
    if "O" in {one.dtype.kind, other.dtype.kind}:
        first, second = _shares(one), _shares(other)
        distance = sum(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {*first, *second}) / 2
        return {"measure": "total variation", "apart": distance if first and second else float("nan"), "first": first, "second": second}
    numbers: tuple[Float64, Float64] = (one[~np.isnan(one)], other[~np.isnan(other)])
    if min(map(len, numbers)) < 2:
        return {"measure": "standard deviations", "apart": float("nan"), "first": float("nan"), "second": float("nan")}
    means = [float(values.mean()) for values in numbers]
    spread = float(np.sqrt(sum(values.var(ddof=1) for values in numbers) / 2))
    gap = abs(means[0] - means[1])
    return {"measure": "standard deviations", "apart": gap / spread if spread > 0 else 0.0 if gap == 0 else float("nan"), "first": means[0], "second": means[1]}
