"""Records of one source partition as columns: what the consumer hands to a stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detectors.event_batch import Int64

NO_TIMESTAMP = -1
"""Kafka's own value for a record without a timestamp."""


class Record(Protocol):
    """What is read of a Kafka record, whichever client made it."""

    @property
    def offset(self) -> int:
        """Its place in its partition."""

    @property
    def timestamp(self) -> int | None:
        """Epoch milliseconds."""

    @property
    def key(self) -> bytes | None:
        """As received."""

    @property
    def value(self) -> bytes | None:
        """As received."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceRecords:
    """Columns of ``n`` records, in log order.

    Attributes
    ----------
    offsets : (n,) ascending; not always without gaps.
    timestamps : (n,) epoch milliseconds.
    keys, values : n each, as received.
    """

    offsets: Int64
    timestamps: Int64
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, records: Iterable[Record]) -> SourceRecords:
        """Columns of records that are objects."""
        given = list(records)
        timestamps = [record.timestamp for record in given]
        return cls(
            offsets=np.array([record.offset for record in given], np.int64),
            timestamps=np.array([NO_TIMESTAMP if time is None else time for time in timestamps] if None in timestamps else timestamps, np.int64),
            keys=[record.key for record in given],
            values=[record.value for record in given],
        )

    def since(self, offset: int) -> SourceRecords:
        """The records from an offset on."""
        first = int(np.searchsorted(self.offsets, offset))
        return SourceRecords(offsets=self.offsets[first:], timestamps=self.timestamps[first:], keys=self.keys[first:], values=self.values[first:])

    @classmethod
    def concatenate(cls, parts: Sequence[SourceRecords]) -> SourceRecords:
        """One after the other; at least one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            offsets=np.concatenate([part.offsets for part in parts]),
            timestamps=np.concatenate([part.timestamps for part in parts]),
            keys=[key for part in parts for key in part.keys],
            values=[value for part in parts for value in part.values],
        )
