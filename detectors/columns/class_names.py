"""One text for one class, however it was written: a label ``True``, ``1`` or ``1.0`` meets its prediction ``true`` or ``1``."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.event_batch import Column, Text

_EXACT = 2**53  # whole numbers up to here are exact in float64, so that 7.0 may be written as 7


def class_name(value: Any) -> str | None:
    """Canonical text of a class or a categorical value, None where it is missing (None or nan).

    Text stays as it is: ``"1.0"`` and ``"True"`` are names of their own.

    Examples
    --------
    >>> [class_name(value) for value in (True, 1, 1.0, 2.5, "yes", None, float("nan"))]
    ['true', '1', '1', '2.5', 'yes', None, None]
    """
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if number != number:  # noqa: PLR0124  nan is the one value that differs from itself
            return None
        return str(int(number)) if abs(number) <= _EXACT and number.is_integer() else repr(number)
    return str(value)


def class_names(column: Column) -> Text:
    """Canonical texts of a column of classes.

    Parameters
    ----------
    column : (n,) bool, integers, floats or objects; None and nan are missing.

    Returns
    -------
    (n,) object array of str, None where the value is missing.

    Examples
    --------
    >>> class_names(np.array([0.0, 1.0, np.nan])).tolist()
    ['0', '1', None]
    """
    if column.dtype == object:
        values = column.tolist()
        if set(map(type, values)) <= {str, type(None)}:
            return column
        named = [class_name(value) for value in values]
        result = np.empty(len(named), object)
        result[:] = named
        return result
    if column.dtype.kind in "US":
        return column.astype(str).astype(object)
    distinct, codes = np.unique(column, return_inverse=True)
    names = np.empty(len(distinct), object)
    names[:] = [class_name(value) for value in distinct.tolist()]
    return names[codes]
