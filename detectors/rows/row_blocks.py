"""Columns of many rows in blocks: appended to in place, read by row number, given up block by block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from detectors.coded_text import MISSING, CodedText
from detectors.event_batch import NO_TIME, Coded, Int64, order_of

ROWS = 1 << 16
"""Rows of a block. A block that begins small doubles until it holds so many, so that a thousand quiet models take little."""

_FIRST = 64
_MANY = ROWS // 8  # rows that a block begins with for which it has room for all at once: memory that is not written to yet is none


class RowBlocks:
    """Columns by row number; a row's number never changes."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._end = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def append(self, timestamp: Int64, columns: Mapping[str, Coded]) -> Int64:
        """Add rows; returns their numbers. Every call names the same columns: coded text, (n,) numbers or an (n, F) matrix."""
        first, n = self._end, len(timestamp)
        done = 0
        while done < n:
            number, slot = divmod(self._end, ROWS)
            take = min(n - done, ROWS - slot)
            block = self._blocks.setdefault(number, _Block())
            block.append(timestamp[done : done + take], {name: column[done : done + take] for name, column in columns.items()})
            done += take
            self._end += take
        return np.arange(first, self._end, dtype=np.int64)

    def numbers(self, rows: Int64) -> dict[str, Coded]:
        """The columns of numbers at rows that `append` has given, as they lie; none where the rows are in several blocks."""
        number, first = divmod(int(rows[0]), ROWS)
        last, end = divmod(int(rows[-1]), ROWS)
        block = self._blocks[number]
        return {name: block.column(name, slice(first, end + 1)) for name in block.numeric} if number == last else {}

    def columns(self, names: Iterable[str], rows: Int64) -> dict[str, Coded]:
        """Columns at some rows; at least one."""
        block_of = rows // ROWS
        low, high = int(block_of.min()), int(block_of.max())
        if low == high:
            slots = rows - low * ROWS
            return {name: self._blocks[low].column(name, slots) for name in names}
        order = order_of((block_of - low).astype(np.int32))
        ends = np.cumsum(np.bincount(block_of - low)).tolist()
        slots = rows[order] % ROWS
        parts = [_Part(self._blocks[low + place], order[first:end], slots[first:end]) for place, (first, end) in enumerate(pairwise([0, *ends])) if end > first]
        return {name: _together(name, parts, len(rows)) for name in names}

    def forget(self, before: int) -> None:
        """Give up blocks all of whose rows have a time before ``before``."""
        for number in [number for number, block in self._blocks.items() if block.latest < before]:
            self._drop(number)

    def compact(self, rows: Int64) -> Int64:
        """Keep some rows alone, where the others take much room; returns their numbers, which may be new ones."""
        kept = rows.copy()
        block_of = rows // ROWS
        numbers, counts = np.unique(block_of, return_counts=True)
        last = (self._end - 1) // ROWS
        for number in self._blocks.keys() - set(numbers.tolist()):
            self._drop(number)
        for number in numbers[(2 * counts < ROWS) & (numbers != last)].tolist():
            mine = np.flatnonzero(block_of == number)
            block = self._blocks[number]
            columns = {name: block.column(name, rows[mine] - number * ROWS) for name in block.names}
            kept[mine] = self.append(np.full(len(mine), block.latest), columns)
            self._drop(number)
        return kept

    def _drop(self, number: int) -> None:
        del self._blocks[number]
        if number == (self._end - 1) // ROWS:
            self._end = (number + 1) * ROWS  # a row's number is never given twice


class _Block:
    def __init__(self) -> None:
        self._size = 0
        self._columns: dict[str, Any] = {}
        self._levels: dict[str, dict[str, int]] = {}
        self.latest = NO_TIME

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    @property
    def numeric(self) -> list[str]:
        return [name for name in self._columns if name not in self._levels]

    def append(self, timestamp: Int64, columns: Mapping[str, Coded]) -> None:
        end = self._size + len(timestamp)
        for name, column in columns.items():
            values: Any = column
            if isinstance(column, CodedText):
                levels = self._levels.setdefault(name, {})
                column = column.compact() if len(column.levels) > len(column) else column  # noqa: PLW2901  every level is looked up
                values = column.cells({level: levels.setdefault(level, len(levels)) for level in column.levels}, -1, -1)
            self._room(name, values, end)[self._size : end] = values
        self._size = end
        self.latest = max(self.latest, int(timestamp.max()))

    def _room(self, name: str, values: Any, end: int) -> Any:
        array = self._columns.get(name)
        if array is None or len(array) < end:
            dtype = np.int32 if name in self._levels else np.float64
            room = np.empty((ROWS if end >= _MANY else max(_FIRST, 2 * self._size, end), *values.shape[1:]), dtype)
            if array is not None:
                room[: self._size] = array[: self._size]
            self._columns[name] = array = room
        return array

    def column(self, name: str, slots: Int64 | slice) -> Coded:
        values = self._columns[name][slots]
        return CodedText(tuple(self._levels[name]), values) if name in self._levels else values

    def values(self, name: str) -> Any:
        """A column as it lies: codes where it is text."""
        return self._columns[name]

    def levels(self, name: str) -> tuple[str, ...] | None:
        """Of a column of text."""
        return tuple(self._levels[name]) if name in self._levels else None


@dataclass(frozen=True)
class _Part:
    """Rows that are in one block: where they go, (n,), and where they lie, (n,)."""

    block: _Block
    places: Int64
    slots: Int64


def _together(name: str, parts: Sequence[_Part], rows: int) -> Coded:
    """A column of so many rows from several blocks, each value moved once."""
    first = parts[0].block
    levels = [part.block.levels(name) for part in parts]
    out = np.empty((rows, *first.values(name).shape[1:]), first.values(name).dtype)
    for part in parts:
        values = part.block.values(name)
        if out.ndim > 1 and out.shape[1]:
            row = np.dtype((np.void, out.itemsize * out.shape[1]))  # moved as a whole, in half the time that its values take
            out.view(row)[part.places, 0] = values.view(row)[:, 0].take(part.slots)
        else:
            out[part.places] = values.take(part.slots, axis=0)
    if levels[0] is None:
        return out
    code: dict[str, int] = {}
    for of_block in levels:
        for level in of_block or ():
            code.setdefault(level, len(code))
    for part, of_block in zip(parts, levels, strict=True):
        if of_block != tuple(code)[: len(of_block or ())]:
            out[part.places] = CodedText(of_block or (), out[part.places]).cells(code, MISSING, MISSING)
    return CodedText(tuple(code), out)
