"""Times on the wire: RFC 3339 in UTC with milliseconds; inside, integers of epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from detectors.errors import EventError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=1_024)  # the points of a pane have its time, thousands of them
def format_time(milliseconds: int) -> str:
    """RFC 3339 in UTC.

    Examples
    --------
    >>> format_time(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    return (_EPOCH + milliseconds * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(value: Any) -> int:
    """Epoch milliseconds of an RFC 3339 text, or of epoch milliseconds.

    Raises
    ------
    EventError
        If it is neither, or a text without an offset from UTC: a date is never guessed.

    Examples
    --------
    >>> parse_time("2023-11-14T23:13:20.123+01:00"), parse_time(7)
    (1700000000123, 7)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise EventError(f"expected a time as RFC 3339 text or epoch milliseconds, got {type(value).__name__}")
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise EventError(f"expected a time such as 2026-01-31T12:00:00.000Z, got {value!r}") from None
    if parsed.tzinfo is None or len(value) < len("2026-01-31T12:00Z"):
        raise EventError(f"the time {value!r} has no offset from UTC; append Z, or an offset such as +01:00")
    return (parsed - _EPOCH) // _MILLISECOND
