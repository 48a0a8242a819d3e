"""The first N rows of a stream by event time, whatever the order in which they come.

The N smallest of a set can be found part by part: a row that is not among the N smallest of what is known will never be. So parts of a log can each
say their own earliest rows, again and again, and whoever puts them together has the same N as one who sorts the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import PREDICTION, Bool, Coded, EventBatch, Int32, Int64, UInt64, put_together
from detectors.rows.row_store import position_of


@dataclass(frozen=True, kw_only=True)
class EarliestRows:
    """Columns of ``n`` rows of one model.

    Attributes
    ----------
    time : (n,) event times, epoch milliseconds.
    event_id : (n,) 64-bit hash of the event id, which orders rows of the same time alike in every log.
    partition, position : (n,) of the source record, and the place in it; they name a row, so that one that is told twice is one.
    answered : (n,) whether the row has an output of the model: a prediction that did not fail.
    prediction : (n,) class names or numbers.
    columns : (n,) of each watched column.
    """

    time: Int64
    event_id: UInt64
    partition: Int32
    position: Int64
    answered: Bool
    prediction: Coded
    columns: dict[str, Coded]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def cells(self) -> int:
        """How many values it holds, those that name and order rows among them."""
        return len(self) * (len(_BY_ROW) + len(self.columns))

    @staticmethod
    def of(events: EventBatch, partition: int) -> EarliestRows:
        """Predictions, or features events, of one model."""
        numeric = {name: np.ascontiguousarray(events.numeric[:, place]) for place, name in enumerate(events.numeric_names)}
        return EarliestRows(
            time=events.timestamp,
            event_id=events.event_id,
            partition=np.full(len(events), partition, np.int32),
            position=position_of(events.offset, events.index),
            answered=(events.kind == PREDICTION) & ~events.failed,
            prediction=_compact(events.prediction),
            columns=numeric | {name: column.compact() for name, column in events.categorical.items()},
        )

    def take(self, rows: Any) -> EarliestRows:
        """The same columns at some rows: a mask, a slice or positions."""
        own = {name: getattr(self, name)[rows] for name in _BY_ROW}
        return EarliestRows(columns={name: column[rows] for name, column in self.columns.items()}, **own)

    @staticmethod
    def concatenate(parts: Sequence[EarliestRows]) -> EarliestRows:
        """All rows of the parts, in their order. At least one part; all of the same columns."""
        own = {name: put_together([getattr(part, name) for part in parts]) for name in _BY_ROW}
        return EarliestRows(columns={name: put_together([part.columns[name] for part in parts]) for name in parts[0].columns}, **own)

    def first(self, most: int) -> Int64:
        """Positions of the first rows by time, at most so many, in their order; of a row that is there twice the one that stands first.

        Examples
        --------
        >>> time, ids = np.array([30, 10, 20, 10]), np.array([3, 1, 2, 1], np.uint64)
        >>> rows = EarliestRows(
        ...     time=time, event_id=ids, partition=np.zeros(4, np.int32), position=np.array([2, 0, 1, 0]), answered=np.ones(4, bool), prediction=time / 1, columns={}
        ... )
        >>> rows.first(2).tolist()
        [1, 2]
        """
        order = np.lexsort((self.position, self.partition, self.event_id, self.time))
        partition, position = self.partition[order], self.position[order]
        again = np.zeros(len(order), bool)
        again[1:] = (partition[1:] == partition[:-1]) & (position[1:] == position[:-1])
        return order[~again][:most]

    def as_state(self) -> dict[str, Any]:
        """What to save, or to send."""
        columns = {name: _plain(column) for name, column in self.columns.items()}
        return {name: _plain(getattr(self, name)) for name in _BY_ROW} | {"columns": columns}

    @staticmethod
    def of_state(state: dict[str, Any]) -> EarliestRows:
        """The opposite of `as_state`."""
        columns = {name: _coded(column) for name, column in state["columns"].items()}
        return EarliestRows(columns=columns, **{name: _coded(state[name]) for name in _BY_ROW})


class Earliest:
    """Says which rows of one log may be among the first of a model, so that no others need to travel.

    It knows the keys of the first ``most`` rows that it was shown, 16 bytes each, and lets them go when nothing earlier can come any more. It need not be saved:
    one that begins anew says yes too often, and never no too often.

    Examples
    --------
    >>> earliest = Earliest(2)
    >>> earliest.admit(np.array([30, 10, 20]), np.array([3, 1, 2], np.uint64)).tolist()
    [False, True, True]
    >>> earliest.admit(np.array([15, 40]), np.array([5, 4], np.uint64)).tolist()
    [True, False]
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._time = np.empty(0, np.int64)
        self._ids = np.empty(0, np.uint64)
        self._complete = False

    def admit(self, time: Int64, event_id: UInt64) -> Bool:
        """(n,) which rows are among the first, as far as is known."""
        admitted = np.zeros(len(time), bool)
        if self._complete or not len(time) or (len(self._time) == self._most and time.min() > self._time[-1]):
            return admitted
        known = len(self._time)
        times, ids = np.concatenate((self._time, time)), np.concatenate((self._ids, event_id))
        kept = np.lexsort((ids, times))[: self._most]
        self._time, self._ids = times[kept], ids[kept]
        admitted[kept[kept >= known] - known] = True
        return admitted

    def pass_time(self, time: int) -> None:
        """Nothing comes any more that is earlier than a time."""
        if len(self._time) == self._most and int(self._time[-1]) < time:
            self._complete = True
            self._time, self._ids = np.empty(0, np.int64), np.empty(0, np.uint64)


_BY_ROW = tuple(field.name for field in fields(EarliestRows) if field.name != "columns")


def _compact(column: Coded) -> Coded:
    return column.compact() if isinstance(column, CodedText) else column


def _plain(column: Any) -> Any:
    return column.compact().as_dict() if isinstance(column, CodedText) else column


def _coded(column: Any) -> Any:
    return CodedText.of_dict(column) if isinstance(column, dict) else column
