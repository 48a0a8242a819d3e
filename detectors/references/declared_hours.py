"""Hours of the week of a declared reference: from its rows and their times to the tables of its profile."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.binning import encode, out_of_range
from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64, Int64
from detectors.profile import CategoricalProfile, ColumnProfile, NumericProfile, Profile
from detectors.references.hour_tables import column_table, packed, unpacked, with_hours
from detectors.references.hours_of_week import HOURS, hour_of_week, rhythm_of
from detectors.settings.feature import Feature


def declared_hours(
    profile: Profile, columns: Mapping[str, Column], time: Int64, *, features: Mapping[str, Feature], prediction: Column | None = None, label: Column | None = None
) -> Profile:
    """The profile of a whole reference with what it was hour by hour.

    Parameters
    ----------
    profile : see `detectors.references.reference.profile_of`, of the same rows.
    columns : a column (n,) for each feature.
    time : (n,) epoch milliseconds.
    features : what is declared of the columns.
    prediction, label : (n,) where known; with both of a classifier, wrong answers have hours, too.
    """
    hours = hour_of_week(time)
    tables = {f"feature:{name}": packed(_table(columns[name], known, hours, features[name])) for name, known in profile.features.items()}
    if profile.prediction is not None:
        outputs = label if prediction is None else prediction
        tables["prediction"] = packed(_table(np.asarray(outputs), profile.prediction, hours, Feature()))
    if prediction is not None and label is not None and isinstance(profile.label, CategoricalProfile):
        said, was = class_names(prediction), class_names(label)
        known = np.array([one is not None and other is not None for one, other in zip(said, was, strict=True)], bool)
        wrong = known & np.asarray(said != was, bool)
        tables["errors"] = packed(np.stack([np.bincount(hours, rows, HOURS) for rows in (known, wrong)], axis=1))
    return with_hours(profile, tables)


def swing_of(profile: NumericProfile) -> float:
    """Standard deviation of what hours of the week differ by, in sigma of the column, beyond what chance makes of their rows.

    Examples
    --------
    >>> table = np.zeros((168, 7))
    >>> table[:, 0], table[:, 2] = 10, 10  # no hour has another mean
    >>> swing_of(NumericProfile(edges=(0.0,), counts=(840, 840), scores=(-1.0, 1.0), mean=0, deviation=1, minimum=-1, maximum=1, hours=packed(table)))
    0.0
    """
    if profile.hours is None:
        return 0.0
    table = unpacked(profile.hours)
    offsets = rhythm_of(table[:, 0], table[:, 1:2], table[:, 2:3]).offsets[:, 0]
    return float(np.sqrt(table[:, 0] @ offsets**2 / max(table[:, 0].sum(), 1.0)))


def _table(column: Column, profile: ColumnProfile, hours: Int64, feature: Feature) -> Float64:
    if isinstance(profile, NumericProfile):
        values = np.asarray(column, np.float64)
        size = len(profile.scores) + 1
        outside = np.bincount(hours, out_of_range(values, feature), HOURS)
        counts: Float64 = np.concatenate((_by_hour(encode(values, profile), hours, size), outside[:, None]), axis=1).astype(np.float64)
    else:
        counts = _by_hour(encode(CodedText.of(class_names(column).tolist()), profile), hours, len(profile.levels) + 2)
    return column_table(profile, counts)


def _by_hour(cells: Int64, hours: Int64, size: int) -> Float64:
    """(168, size) counts of rows whose cells and hours are given."""
    return np.bincount(hours * size + cells, minlength=HOURS * size).astype(np.float64).reshape(HOURS, size)
