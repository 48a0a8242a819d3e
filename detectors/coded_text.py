"""A column of text as codes into its distinct values.

A class, a version or a segment takes few values in many rows. Looked up once for each distinct value and then taken by code, a column of a
million rows costs one array operation, where text by text it would cost a million look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MISSING = -1
"""The code of a value that is missing."""


@dataclass(frozen=True, eq=False)
class CodedText:
    """``n`` texts, some of which may be missing.

    Attributes
    ----------
    levels : the distinct values; some may be used by no row.
    codes : (n,) int32 places in ``levels``, `MISSING` where the row has no value.

    Examples
    --------
    >>> column = CodedText.of(np.array(["yes", None, "no", "yes"], object))
    >>> column.levels, column.codes.tolist()
    (('yes', 'no'), [0, -1, 1, 0])
    >>> column[1:3].to_text().tolist()
    [None, 'no']
    """

    levels: tuple[str, ...]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, column: npt.NDArray[np.object_] | Sequence[str | None]) -> CodedText:
        """From texts, None where the value is missing."""
        values = column.tolist() if isinstance(column, np.ndarray) else column
        if len(values) and values.count(values[0]) == len(values):
            return cls.constant(values[0], len(values))
        distinct = dict.fromkeys(values)
        distinct.pop(None, None)
        code: dict[str | None, int] = {level: place for place, level in enumerate(distinct)}
        code[None] = MISSING
        return cls(tuple(distinct), np.fromiter(map(code.__getitem__, values), np.int32, len(values)))

    @classmethod
    def constant(cls, value: str | None, n: int) -> CodedText:
        """The same value in ``n`` rows."""
        return cls(() if value is None else (value,), np.full(n, MISSING if value is None else 0, np.int32))

    @classmethod
    def concatenate(cls, parts: Sequence[CodedText]) -> CodedText:
        """All rows of the parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        if all(part.levels == parts[0].levels for part in parts):
            return cls(parts[0].levels if parts else (), np.concatenate([np.empty(0, np.int32), *(part.codes for part in parts)]))
        code: dict[str, int] = {}
        for part in parts:
            for level in part.levels:
                code.setdefault(level, len(code))
        return cls(tuple(code), np.concatenate([part.cells(code, MISSING, MISSING) for part in parts]).astype(np.int32))

    @classmethod
    def of_dict(cls, saved: Mapping[str, Any]) -> CodedText:
        """The opposite of `as_dict`."""
        return cls(tuple(saved["levels"]), saved["codes"])

    def as_dict(self) -> dict[str, Any]:
        """Levels and codes, as state is saved."""
        return {"levels": list(self.levels), "codes": self.codes}

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Any) -> CodedText:
        """Some of the rows: a mask, a slice or positions."""
        return CodedText(self.levels, self.codes[rows])

    __getitem__ = take

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """(n,) which rows have a value."""
        return np.asarray(self.codes >= 0)

    def compact(self) -> CodedText:
        """The same texts, without levels that no row uses."""
        used = np.flatnonzero(np.bincount(self.codes + np.int64(1), minlength=len(self.levels) + 1)[1:])
        if len(used) == len(self.levels):
            return self
        code = np.full(len(self.levels) + 1, MISSING, np.int32)
        code[used] = np.arange(len(used), dtype=np.int32)
        return CodedText(tuple(self.levels[place] for place in used.tolist()), code.take(self.codes))

    def matches(self, text: str) -> npt.NDArray[np.bool_]:
        """(n,) which rows have a text.

        Examples
        --------
        >>> column = CodedText.of(["yes", None, "no"])
        >>> column.matches("yes").tolist(), column.matches("maybe").tolist()
        ([True, False, False], [False, False, False])
        """
        return np.asarray(self.codes == (self.levels.index(text) if text in self.levels else MISSING - 1))

    def equals(self, other: CodedText) -> npt.NDArray[np.bool_]:
        """(n,) in which rows both columns have the same text, or both none."""
        return np.asarray(self.cells({level: place for place, level in enumerate(other.levels)}, MISSING - 1, MISSING) == other.codes)

    def to_text(self) -> npt.NDArray[np.object_]:
        """(n,) object array of str, None where the value is missing."""
        texts = np.empty(len(self.levels) + 1, dtype=object)
        texts[:-1] = self.levels
        return texts[self.codes]  # the code of a missing value is the last place

    def cells(self, table: Mapping[str, int], unseen: int, missing: int) -> npt.NDArray[np.int64]:
        """(n,) each row's number in a table of values.

        Parameters
        ----------
        table : number of each known value.
        unseen, missing : numbers of a value that the table does not know, and of none.

        Examples
        --------
        >>> CodedText.of(["b", "x", None]).cells({"a": 0, "b": 1}, unseen=2, missing=3).tolist()
        [1, 2, 3]
        """
        numbers = np.fromiter((*(table.get(level, unseen) for level in self.levels), missing), np.int64, len(self.levels) + 1)
        return numbers.take(self.codes)  # in a third of the time that brackets take for codes of 32 bits; that of a missing value is the last place
