"""Records to lines: one event each, and where in the log it stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import SupportsBytes

import msgspec
import numpy as np

from detectors.event_batch import Int64
from streams.formats.decoded import DeadLetter
from streams.source_records import SourceRecords
from streams.unreadable import UNREADABLE

EMPTY = "the record's value is empty"
_RAW = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, kw_only=True)
class EventLines:
    """Lines of some records, in log order.

    Attributes
    ----------
    texts : (m,) JSON of one event each, if all is well.
    sources : (m,) what goes to the dead letters if it is not.
    record : (m,) the place of each line's record among the records.
    index : (m,) the event's place in its record.
    joined : the texts with a zero byte behind each, where they were put together to look for lines.
    """

    texts: Sequence[bytes]
    sources: Sequence[SupportsBytes]
    record: Int64
    index: Int64
    joined: bytes | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def without(self, which: Collection[int]) -> EventLines:
        """All lines but some."""
        return self.take([line for line in range(len(self)) if line not in which])

    def take(self, lines: Sequence[int]) -> EventLines:
        """Some of the lines."""
        at = np.array(lines, np.int64)
        return EventLines(texts=[self.texts[line] for line in lines], sources=[self.sources[line] for line in lines], record=self.record[at], index=self.index[at])

    @classmethod
    def concatenate(cls, parts: Sequence[EventLines]) -> EventLines:
        """Lines of one part after the other, which need not be in log order."""
        return cls(
            texts=[text for part in parts for text in part.texts],
            sources=[source for part in parts for source in part.sources],
            record=np.concatenate([part.record for part in parts]),
            index=np.concatenate([part.index for part in parts]),
        )


def event_lines(records: SourceRecords, which: Sequence[int], dead: list[DeadLetter]) -> EventLines:
    """Split JSON Lines; records of nothing become dead letters.

    Parameters
    ----------
    which : places of the records to look at, ascending.
    dead : where refused records are added.
    """
    values = records.values
    whole = len(which) == len(values)
    texts: list[bytes] = [value for value in (values if whole else [values[place] for place in which]) if value is not None]
    joined = b"\0".join([*texts, b""])
    if len(which) == len(texts) and b"\n" not in joined:
        record = np.arange(len(texts)) if whole else np.array(which, np.int64)
        return EventLines(texts=texts, sources=texts, record=record, index=np.zeros(len(texts), np.int64), joined=joined)
    texts = []
    sources: list[bytes] = []
    records_of: list[int] = []
    index: list[int] = []
    for place in which:
        value = values[place]
        lines = [] if value is None else [line for line in value.split(b"\n") if line.strip()]
        if value is None or not lines:
            reason = "the record has no value" if value is None else EMPTY
            dead.append(DeadLetter(offset=int(records.offsets[place]), index=0, value=value, reason=reason))
            continue
        written_out = _written_over_lines(value, lines)
        texts += written_out or lines
        sources += [value] * len(written_out) if written_out else lines
        count = len(written_out or lines)
        records_of += [place] * count
        index += range(count)
    return EventLines(texts=texts, sources=sources, record=np.array(records_of, np.int64), index=np.array(index, np.int64))


def _written_over_lines(value: bytes, lines: list[bytes]) -> list[bytes]:
    """The events of a record whose lines are not an event each, which JSON allows; nothing where they are, or where they cannot be told apart.

    A line that begins and ends with a brace cannot be a part of an event: within one, another brace may only follow a comma or a colon.
    """
    if len(lines) < 2 or all(line.strip()[:1] == b"{" and line.strip()[-1:] == b"}" for line in lines):
        return []
    try:
        events = [bytes(event) for event in _RAW.decode_lines(value)]
    except UNREADABLE:
        return []
    return events if all(event.lstrip()[:1] == b"{" for event in events) else []
