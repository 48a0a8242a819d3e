"""Make the profile of a reference: quantile bins, counts and cycles of every column.

Done once, where the training table is; a worker needs the profile only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from detectors.columns.binning import encode, out_of_range
from detectors.columns.class_names import class_names
from detectors.columns.other_levels import OTHER, other_levels
from detectors.duration import format_duration
from detectors.errors import SettingsError
from detectors.event_batch import Column, Float64, Int64
from detectors.profile import CategoricalProfile, ColumnProfile, CorrelationProfile, NumericProfile, PerformanceProfile, Profile
from detectors.references.correlation_reference import correlation_profile
from detectors.references.cycles import learn_cycles
from detectors.settings.feature import Feature
from detectors.specification import Task

_ROWS_PER_BIN = 20  # fewer, and a bin's share is known to no better than a quarter
_ROWS_PER_VALUE = 5  # a value seen this often, on the average, is a level rather than a point of a continuum


def profile_of(
    columns: Mapping[str, Column],
    *,
    features: Mapping[str, Feature],
    task: Task,
    prediction: Column | None = None,
    label: Column | None = None,
    performance: PerformanceProfile | None = None,
    time: Int64 | None = None,
    cycles: Sequence[int] = (),
    max_bins: int = 64,
    max_levels: int = 64,
    max_known_levels: int = 20_000,
    vocabularies: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Profile:
    """Profile of a whole reference.

    Parameters
    ----------
    columns : a column (n,) for each feature; numbers for a numeric feature, anything with a text for a categorical one.
    features : what is declared of the columns; a declared feature without any value gets no profile, and so is not watched for drift.
    task : a classifier's outputs and labels are categorical, a regression's numeric.
    prediction, label : (n,) the model's outputs and the outcomes, where known. Their classes are united, so that each profile knows all of them;
        the label stands in for a prediction that is not given.
    performance : see `performance_profile`; measure it on rows that the model had not been fitted to.
    time : (n,) epoch milliseconds, needed for `cycles`.
    cycles : periods in milliseconds to learn from at least two whole cycles.
    max_bins : of a numeric column.
    max_levels, max_known_levels : of a categorical feature, see `categorical_profile`.
    vocabularies : all levels of features of which they are known; one that no row has is a level all the same, and not unseen.

    Raises
    ------
    SettingsError
        If a feature has no column, or the time does not hold two cycles of a period.
    """
    absent = [name for name in features if name not in columns]
    if absent:
        raise SettingsError(f"the reference has no column {absent[0]!r} for the feature of that name; it has: {', '.join(columns)}")
    profiles: dict[str, ColumnProfile] = {}
    for name, feature in features.items():
        profile: ColumnProfile
        if feature.type == "categorical":
            profile = categorical_profile(class_names(columns[name]), max_levels, max_known_levels)
            if not sum(profile.counts):
                continue
            if name in vocabularies:
                profile = _over(profile, tuple(vocabularies[name]))
        else:
            values = _numbers(columns[name], name)
            if not np.isfinite(values).any():
                continue
            profile = numeric_profile(values, max_bins=max_bins, cycles=cycles, time=time, feature=feature)
        profiles[name] = profile
    outputs = label if prediction is None else prediction
    output_profile, label_profile = _outcome_profiles(outputs, label, task=task, max_bins=max_bins, cycles=cycles, time=time)
    rows = len(next(iter(columns.values()))) if columns else 0 if outputs is None else len(outputs)
    return Profile(rows=rows, features=profiles, prediction=output_profile, label=label_profile, performance=performance)


def correlations_of(columns: Mapping[str, Column], profiles: Mapping[str, ColumnProfile]) -> CorrelationProfile:
    """Reference of how features go together, see `detectors.references.correlation_reference`.

    Parameters
    ----------
    columns : (n,) of each feature that it is of.
    profiles : of these features, and maybe of others.

    Raises
    ------
    SettingsError
        If one of them is not numeric, has few values or a cycle; or too few rows have a value of each.
    """
    numeric: dict[str, NumericProfile] = {}
    for name in columns:
        profile = profiles.get(name)
        if not isinstance(profile, NumericProfile) or not profile.can_correlate:
            raise SettingsError(f"correlations are of numeric features with many values and without a cycle, got {name!r}; leave it out")
        numeric[name] = profile
    return correlation_profile({name: _numbers(column, name) for name, column in columns.items()}, numeric)


def numeric_profile(values: Float64, *, max_bins: int = 64, cycles: Sequence[int] = (), time: Int64 | None = None, feature: Feature | None = None) -> NumericProfile:
    """Bins and moments of a numeric column.

    Few distinct values get a bin each; otherwise there are ``min(max_bins, n / 20)`` quantile bins, in which a value that fills a bin alone has it alone.
    A constant gets three bins, below, equal and above, so that leaving the constant shows.

    Parameters
    ----------
    values : (n,) nan is missing; at least one is finite.
    max_bins : most bins.
    cycles, time : periods to learn (milliseconds), and the rows' times (n,) in epoch milliseconds.
    feature : whose range counts ``out_of_range``.

    Examples
    --------
    >>> profile = numeric_profile(np.repeat([0.0, 1.0, 5.0], [60, 25, 15]))
    >>> profile.edges, profile.counts
    ((0.5, 3.0), (60, 25, 15))
    >>> numeric_profile(np.full(40, 7.0)).counts
    (0, 40, 0)
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise SettingsError(f"a numeric profile needs one finite value at least, got {len(values)} values without any; leave the column out of the features")
    distinct, repeats = np.unique(finite, return_counts=True)
    mean, deviation = float(finite.mean()), float(finite.std())
    if len(distinct) == 1 or deviation == 0:  # values so near 0 that their squares underflow are one value, too
        value, deviation = float(distinct[0]), 0.0
        width = 1e-9 * max(1.0, abs(value))  # rounding in a float32 or a decimal text is finer
        edges: tuple[float, ...] = (value - width, value + width)
        scores: tuple[float, ...] = (-1.0, 0.0, 1.0)  # sigma is 0: leaving the constant counts as one unit
    else:
        edges = _edges(distinct, repeats, max_bins)
        bins = np.searchsorted(np.asarray(edges), finite, side="right")
        sums = np.bincount(bins, weights=(finite - mean) / deviation, minlength=len(edges) + 1)
        scores = tuple(np.round(sums / np.bincount(bins, minlength=len(edges) + 1), 6).tolist())
    profile = NumericProfile(
        edges=edges,
        counts=tuple(np.bincount(np.searchsorted(np.asarray(edges), values[~np.isnan(values)], side="right"), minlength=len(scores)).tolist()),
        scores=scores,
        missing=int(np.isnan(values).sum()),
        out_of_range=0 if feature is None else int(out_of_range(values, feature).sum()),
        mean=mean,
        deviation=deviation,
        minimum=float(distinct[0]),
        maximum=float(distinct[-1]),
    )
    if not cycles:
        return profile
    if time is None:
        raise SettingsError(f"the cycle {format_duration(cycles[0])} needs a time for each row; name the time column")
    known = ~np.isnan(values)
    standard = np.asarray(scores)[encode(values[known], profile)]
    return profile.model_copy(update={"cycles": learn_cycles(standard, time[known], cycles, span=_lasting(time))})


def _lasting(time: Int64) -> int:
    """Milliseconds that rows last, each as long as the next one is away on average: 730 daily rows are two years of 365."""
    return round(int(time.max() - time.min()) * len(time) / max(len(time) - 1, 1))


def categorical_profile(values: Column, max_levels: int = 64, max_known_levels: int = 0) -> CategoricalProfile:
    """Counts of the most frequent levels, and what is known of the rest.

    Parameters
    ----------
    values : (n,) object array of str, None is missing.
    max_levels : most levels that are counted one by one. They are sorted: numbers by value, then texts by their letters.
    max_known_levels : most others, which are counted together as one level and told from those that are unseen (`detectors.columns.other_levels`). With 0, as for
        classes, whatever is not counted is the reference's own ``unseen``, so that its usual rate is known.

    Examples
    --------
    >>> categorical_profile(np.array(["b", "a", "b", "c", None], object), max_levels=2)
    CategoricalProfile(kind='categorical', levels=('a', 'b'), counts=(1, 2), unseen=1, missing=1, other=None, repeats=0)
    >>> many = categorical_profile(np.array(["a"] * 5 + ["b", "b", "c"], object), max_levels=1, max_known_levels=10)
    >>> many.levels, many.counts, many.unseen
    (('a', '(other)'), (5, 2), 1)
    """
    counts: dict[str | None, int] = {}
    for value in values.tolist():
        counts[value] = counts.get(value, 0) + 1
    missing = counts.pop(None, 0)
    known = {level: count for level, count in counts.items() if level is not None}
    ranked = sorted(known, key=lambda level: (-known[level], level))
    if max_known_levels and len(ranked) > max_levels:
        ranked = [level for level in ranked if level != OTHER]  # a text of the column like any other, which would stand for two things
    kept = sorted(ranked[:max_levels], key=_natural)
    counts_of = tuple(known.pop(level) for level in kept)
    if not known or not max_known_levels:
        return CategoricalProfile(levels=tuple(kept), counts=counts_of, unseen=sum(known.values()), missing=missing)
    other, rows, unseen = other_levels(known, max_known_levels)
    return CategoricalProfile(levels=(*kept, OTHER), counts=(*counts_of, rows), unseen=unseen, missing=missing, other=other)


def performance_profile(prediction: Column, label: Column, task: Task) -> PerformanceProfile | None:
    """Loss on the rows that have both an output and an outcome; None when there is no such row.

    Examples
    --------
    >>> performance_profile(np.array([1.0, 2.0, np.nan]), np.array([1.0, 4.0, 0.0]), "regression")
    PerformanceProfile(rows=2, loss=1.0, deviation=1.0)
    """
    if task == "regression":
        errors = np.abs(_numbers(prediction, "prediction") - _numbers(label, "label"))
        errors = errors[~np.isnan(errors)]
    else:
        pairs = zip(class_names(prediction).tolist(), class_names(label).tolist(), strict=True)
        errors = np.array([output != outcome for output, outcome in pairs if output is not None and outcome is not None], np.float64)
    if not len(errors):
        return None
    return PerformanceProfile(rows=len(errors), loss=float(errors.mean()), deviation=float(errors.std()))


def _outcome_profiles(
    outputs: Column | None, label: Column | None, *, task: Task, max_bins: int, cycles: Sequence[int], time: Int64 | None
) -> tuple[ColumnProfile | None, ColumnProfile | None]:
    """Profiles of the prediction and of the label, over the same classes."""
    if task == "regression":
        numbers = [None if column is None else _numbers(column, name) for name, column in (("prediction", outputs), ("label", label))]
        numeric = [None if column is None or not np.isfinite(column).any() else numeric_profile(column, max_bins=max_bins, cycles=cycles, time=time) for column in numbers]
        return numeric[0], numeric[1]
    given = [None if column is None else class_names(column) for column in (outputs, label)]
    first, second = (None if column is None else categorical_profile(column) for column in given)
    if first is None or second is None:
        return first, second
    levels = tuple(sorted({*first.levels, *second.levels}, key=_natural))
    return _over(first, levels), _over(second, levels)


def _over(profile: CategoricalProfile, levels: tuple[str, ...]) -> CategoricalProfile:
    counts = dict(zip(profile.levels, profile.counts, strict=True))
    return profile.model_copy(update={"levels": levels, "counts": tuple(counts.get(level, 0) for level in levels)})


def _numbers(column: Column, name: str) -> Float64:
    try:
        return np.asarray(column, np.float64)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"column {name!r} is declared numeric, but holds what is not a number ({error}); declare it categorical") from None


def _natural(level: str) -> tuple[bool, float, str]:
    try:
        number = float(level)
    except ValueError:
        return True, 0.0, level
    return number != number, 0.0 if number != number else number, level  # noqa: PLR0124  "nan" is a text like any other


def _edges(distinct: Float64, repeats: Int64, max_bins: int) -> tuple[float, ...]:
    """Inner edges between distinct values (k,), seen `repeats` (k,) times."""
    rows = int(repeats.sum())
    if len(distinct) <= max_bins and rows >= _ROWS_PER_VALUE * len(distinct):
        starts = np.arange(1, len(distinct))
    else:
        most = max(2, min(max_bins, rows // _ROWS_PER_BIN))
        starts = next(found for bins in range(most, 0, -1) if len(found := _starts(repeats, rows / bins)) < most)
    return tuple(_number_between(float(distinct[start - 1]), float(distinct[start])) for start in starts)


def _starts(repeats: Int64, share: float) -> Int64:
    """Places where a bin begins when each is to hold `share` rows and a value with that many has a bin of its own."""
    heavy = repeats >= share
    segment = np.cumsum(np.concatenate([[True], heavy[1:] | heavy[:-1]]))
    before = np.cumsum(repeats) - repeats
    first_of_segment = np.searchsorted(segment, segment)
    within = before - before[first_of_segment]
    rows_of_segment = np.bincount(segment, weights=repeats)[segment]
    bins_of_segment = np.where(heavy, 1, np.maximum(1, np.floor(rows_of_segment / share + 0.5)))
    place = np.minimum(np.floor((within + repeats / 2) / rows_of_segment * bins_of_segment), bins_of_segment - 1)
    return np.flatnonzero((np.diff(segment) != 0) | (np.diff(place) != 0)) + 1


def _number_between(lower: float, upper: float) -> float:
    """The shortest decimal number near the middle of ``lower < number <= upper``: a profile is read by people, too."""
    middle = lower / 2 + upper / 2
    for digits in range(1, 17):
        number = float(f"{middle:.{digits}g}")
        if lower < number <= upper and abs(number - middle) <= (upper - lower) / 4:
            return number
    return middle if lower < middle <= upper else upper
