"""Make the part of a profile by which performance is estimated without labels: from reference rows that have an output and a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.binning import encode
from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64, Int64
from detectors.panes.output_cells import MOST_SCORED_CLASSES, cells_of_class, number_of_cells, output_cells
from detectors.profile import ColumnProfile, NumericProfile, OutcomeProfile
from detectors.unlabelled.estimated_performance import Calibration
from detectors.unlabelled.witnesses import MOST_WITNESSES

MOST_BLOCKS = 30
"""Stretches of the reference whose errors are compared: as many as tell a variance to a quarter."""

_FEWEST_BLOCKS = 10
_ROWS_OF_BLOCK = 20


def outcome_profile(
    prediction: Column,
    label: Column,
    score: Float64 | None,
    *,
    classes: tuple[str, ...],
    positive: str | None,
    columns: Mapping[str, Column],
    profiles: Mapping[str, ColumnProfile],
) -> OutcomeProfile | None:
    """Outcomes by output cell, how much they vary from stretch to stretch, and what the numeric columns are like in each class.

    Parameters
    ----------
    prediction, label : (n,) in the order in which the rows came; None is missing.
    score : (n,) of the positive class, or of the predicted one where none is positive; nan is missing. None: the model gives none.
    classes : known classes, as the specification has them.
    positive : that the score is of.
    columns, profiles : of the features, by name.

    Returns
    -------
    None where no row has both.

    Examples
    --------
    >>> said, true = (np.array(values, object) for values in (["a", "b", "b", None], ["a", "b", "a", "b"]))
    >>> found = outcome_profile(said, true, None, classes=("a", "b"), positive="b", columns={}, profiles={})
    >>> list(zip(found.labels, found.cells, found.counts))
    [(0, 0, 1), (0, 1, 1), (1, 1, 1)]
    """
    scored = score is not None and bool(np.isfinite(score).any()) and len(classes) <= MOST_SCORED_CLASSES
    places = {name: place for place, name in enumerate(classes)}
    true = CodedText.of(class_names(label)).cells(places, -1, -1)
    cells = output_cells(CodedText.of(class_names(prediction)), np.full(len(true), np.nan) if score is None else score, places, scored=scored)
    rows = np.flatnonzero((true >= 0) & (cells >= 0))
    if not len(rows) or not classes:
        return None
    true, cells = true[rows], cells[rows]
    size = number_of_cells(len(classes), scored=scored)
    table = np.bincount(true * size + cells, minlength=len(classes) * size)
    used = np.flatnonzero(table)
    profile = OutcomeProfile(scored=scored, labels=tuple((used // size).tolist()), cells=tuple((used % size).tolist()), counts=tuple(table[used].tolist()))
    calibration = Calibration(profile, len(classes), None if positive is None else places.get(positive))
    right = true == cells // cells_of_class(scored=scored)
    dispersion, blocks = _dispersion(right - calibration.right[cells], calibration.right[cells])
    numeric = {name: one for name, one in profiles.items() if isinstance(one, NumericProfile) and one.deviation > 0}
    scores = {name: _scores(np.asarray(columns[name], np.float64)[rows], one) for name, one in numeric.items()}
    moments = {name: _moments(values, true, len(classes)) for name, values in scores.items()}
    witnesses = _witnesses({name: means for name, (means, _) in moments.items()}, np.bincount(true, minlength=len(classes)))
    return profile.model_copy(
        update={
            "dispersion": dispersion,
            "blocks": blocks,
            "means": {name: means for name, (means, _) in moments.items()},
            "deviations": {name: deviations for name, (_, deviations) in moments.items()},
            "witnesses": witnesses,
            "covariances": _covariances([scores[name] for name in witnesses]),
        }
    )


def _dispersion(residual: Float64, right: Float64) -> tuple[float, int]:
    """Variance of the sums of residuals over stretches of rows, in units of that of independent rows, at least 1; and how many stretches there were."""
    blocks = min(MOST_BLOCKS, len(residual) // _ROWS_OF_BLOCK)
    if blocks < _FEWEST_BLOCKS:
        return 1.0, 0
    first = np.arange(blocks) * len(residual) // blocks
    expected = np.add.reduceat(right * (1 - right), first)
    known = expected > 0
    if not known.any():
        return 1.0, 0
    squares = np.square(np.add.reduceat(residual, first)[known]) / expected[known]
    return float(f"{max(1.0, squares.mean()):.6g}"), blocks


def _scores(values: Float64, profile: NumericProfile) -> Float64:
    """(n,) standard scores of a column's values, as a pane counts them; nan where they are missing."""
    found = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    found[known] = np.asarray(profile.scores)[encode(values[known], profile)]
    return found


def _moments(scores: Float64, true: Int64, classes: int) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """Mean and deviation of a column's standard score in each class."""
    known = ~np.isnan(scores)
    score, of = scores[known], true[known]
    rows = np.bincount(of, minlength=classes)
    with np.errstate(all="ignore"):
        mean = np.bincount(of, weights=score, minlength=classes) / rows
        deviation = np.sqrt(np.maximum(np.bincount(of, weights=score**2, minlength=classes) / rows - mean**2, 0))
    plain = [tuple(float(f"{value:.6g}") if n >= 2 else None for value, n in zip(of_class.tolist(), rows.tolist(), strict=True)) for of_class in (mean, deviation)]
    return plain[0], plain[1]


def _witnesses(means: Mapping[str, tuple[float | None, ...]], rows: Int64) -> tuple[str, ...]:
    """Columns whose means vary most between classes, at most `MOST_WITNESSES`, in their order."""
    share = rows / rows.sum()
    apart = {}
    for name, of_class in means.items():
        mean = np.array([value or 0.0 for value in of_class])
        apart[name] = float(share @ (mean - share @ mean) ** 2)
    most = sorted(apart, key=lambda name: -apart[name])[:MOST_WITNESSES]
    return tuple(name for name in means if name in most)


def _covariances(scores: Sequence[Float64]) -> tuple[float, ...]:
    """Upper triangle, row by row; what is missing counts as the mean."""
    if not scores:
        return ()
    centred = np.stack([np.nan_to_num(column - np.nanmean(column)) if np.isfinite(column).any() else np.zeros(len(column)) for column in scores])
    found = centred @ centred.T / centred.shape[1]
    return tuple(float(f"{value:.6g}") for value in found[np.triu_indices(len(found))].tolist())
