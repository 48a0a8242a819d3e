"""How often a row of the reference has the value of the row before.

Independent values repeat as often as their frequencies say. A column that changes once in a day does so in nearly every row, which no frequency tells.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.event_batch import Column
from detectors.profile import Profile


def with_repetitions(profile: Profile, columns: Mapping[str, Column]) -> Profile:
    """The profile with the repetitions of every column that has one in it.

    Parameters
    ----------
    profile : of the columns.
    columns : (n,) each, in the order of time; numbers, or texts.
    """
    features = {name: one.model_copy(update={"repeats": repeats_of(columns[name])}) for name, one in profile.features.items()}
    return profile.model_copy(update={"features": features})


def repeats_of(column: Column) -> int:
    """Values that are those of the row before; a missing value neither repeats nor is repeated.

    Examples
    --------
    >>> repeats_of(np.array([1.0, 1.0, 1.0, 2.0, np.nan, np.nan, 2.0])), repeats_of(np.array(["a", "a", None, None, "b"], object))
    (2, 1)
    """
    same = np.asarray(column[1:] == column[:-1], bool)
    if column.dtype == object:
        same &= np.asarray(column[1:] != None, bool)  # noqa: E711  elementwise
    return int(same.sum())
