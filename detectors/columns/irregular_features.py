"""What of an event's features is not as declared, as a column of a batch: names of those with a value of another type, and of columns that nobody declared.

Most rows are regular and have no text; the others have few different ones, so that counting them costs a step for each text and none for each row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_LINE = "\n"
_OF_TYPE, _UNDECLARED = "type ", "name "
_MOST = 50  # columns that one row tells of; a producer that sends thousands of new names is told by the first of them


class Irregular(NamedTuple):
    """Names of a row's features: of another type than declared, and not declared."""

    of_type: tuple[str, ...]
    undeclared: tuple[str, ...]


def irregular_text(of_type: Iterable[str], undeclared: Iterable[str]) -> str | None:
    """The text of a row; None for a regular one.

    Examples
    --------
    >>> irregular_of(irregular_text(["age"], ["fax", "pager"]))
    Irregular(of_type=('age',), undeclared=('fax', 'pager'))
    >>> irregular_text([], []) is None
    True
    """
    lines = [_OF_TYPE + name for name in of_type] + [_UNDECLARED + name.replace(_LINE, " ") for name in undeclared][:_MOST]
    return _LINE.join(lines) if lines else None


def irregular_of(text: str) -> Irregular:
    """What a text says."""
    lines = text.split(_LINE)
    of_type, undeclared = (tuple(line.removeprefix(mark) for line in lines if line.startswith(mark)) for mark in (_OF_TYPE, _UNDECLARED))
    return Irregular(of_type, undeclared)
