"""What a numeric column is expected to be by what the others are on the same rows: a linear regression of its standard scores.

No season is taken off first: how columns go together is the same in all of them, or nearly, and a season that comes early or late moves them together.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.columns.binning import encode
from detectors.event_batch import Float64
from detectors.profile import GivenOthersProfile, NumericProfile

SELDOM = 0.01
"""Missing values of a column that takes part; means of a pane are of all of its values."""

EXPLAINED = 0.5
"""Of a column's variance, from which on its rest has a monitor: with less it would tell hardly sooner than the column alone, and take half of its budget."""

_ROWS_PER_COEFFICIENT = 20
_POINTS = 64
_MOST = 30  # columns


def columns_given_others(columns: Mapping[str, Float64], profiles: Mapping[str, NumericProfile]) -> GivenOthersProfile | None:
    """Regressions of columns on all others.

    Parameters
    ----------
    columns : (n,) of each numeric feature, nan is missing.
    profiles : of the same features.

    Returns
    -------
    Of the columns that the others explain by `EXPLAINED`; None where there is none, or too few rows.

    Examples
    --------
    >>> from detectors.references.reference import numeric_profile
    >>> generator = np.random.default_rng(1)
    >>> low = generator.normal(size=2_000)
    >>> columns = {"low": low, "high": low + 0.3 * generator.normal(size=2_000), "other": generator.normal(size=2_000)}
    >>> found = columns_given_others(columns, {name: numeric_profile(values) for name, values in columns.items()})
    >>> found.features, found.targets, [round(deviation, 1) for deviation in found.deviations]
    (('low', 'high', 'other'), ('low', 'high'), [0.3, 0.3])
    """
    names = [name for name, profile in profiles.items() if profile.deviation > 0 and profile.missing <= SELDOM * (sum(profile.counts) + profile.missing)][:_MOST]
    if len(names) < 2:
        return None
    scores = np.stack([np.append(np.asarray(profiles[name].scores), np.nan)[encode(columns[name], profiles[name])] for name in names], axis=1)
    scores = scores[~np.isnan(scores).any(axis=1)]
    rows = len(scores)
    if rows < _ROWS_PER_COEFFICIENT * len(names):
        return None
    targets, coefficients, deviations, laws = [], [], [], []
    for place, name in enumerate(names):
        design = np.column_stack([np.ones(rows), np.delete(scores, place, axis=1)])
        found = np.linalg.lstsq(design, scores[:, place], rcond=1e-6)[0].round(6)
        rest = scores[:, place] - design @ found
        if 0 < rest.var() < (1 - EXPLAINED) * scores[:, place].var():
            targets.append(name)
            coefficients.append((*found[: place + 1].tolist(), 0.0, *found[place + 1 :].tolist()))
            deviations.append(float(rest.std()))
            parts = np.array_split(np.sort(rest), _POINTS)
            laws.append(tuple(round(float(part.mean()), 6) for part in parts))
    if not targets:
        return None
    counts = tuple(len(part) for part in np.array_split(np.empty(rows), _POINTS))
    return GivenOthersProfile(
        features=tuple(names), targets=tuple(targets), rows=rows, coefficients=tuple(coefficients), deviations=tuple(deviations), laws=tuple(laws), counts=counts
    )
