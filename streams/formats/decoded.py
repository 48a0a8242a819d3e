"""What a fetch becomes: columns of its events, and what could not be counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from detectors.summarise import Fetch
from streams.source_records import SourceRecords

MAX_STORY = 200  # characters of a dead letter's reason, and of its path
MAX_DEAD_LETTERS = 100  # of one record; more lines may be bad in a megabyte than anyone reads, and each letter has headers of its own


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Input that could not be counted: its bytes as received, and why.

    ``offset`` and ``index`` say which record it was in, and where in that record.
    """

    offset: int
    index: int
    value: bytes | None
    reason: str
    path: str = ""

    def __post_init__(self) -> None:
        for name in ("reason", "path"):
            text = getattr(self, name)
            if len(text) > MAX_STORY:  # it may quote what was received, and goes into a header
                object.__setattr__(self, name, f"{text[: MAX_STORY - 3]}...")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A fetch as columns, and what was refused, in log order.

    ``misplaced`` are event ids that belong to another partition, of a few that were looked at.
    """

    fetch: Fetch
    dead_letters: tuple[DeadLetter, ...]
    misplaced: tuple[str, ...] = ()


def bounded(dead: Sequence[DeadLetter], records: SourceRecords) -> tuple[DeadLetter, ...]:
    """One letter for a record where each would carry the whole record, or where there would be too many; in log order."""
    by_offset: dict[int, list[DeadLetter]] = {}
    for letter in sorted(dead, key=lambda letter: (letter.offset, letter.index)):
        by_offset.setdefault(letter.offset, []).append(letter)
    if all(len(mine) == 1 for mine in by_offset.values()):
        return tuple(letter for mine in by_offset.values() for letter in mine)
    received = dict(zip(records.offsets.tolist(), records.values, strict=True))
    letters: list[DeadLetter] = []
    for offset, mine in by_offset.items():
        if len(mine) > 1 and (len(mine) > MAX_DEAD_LETTERS or mine[0].value == received[offset]):
            letters.append(replace(mine[0], value=received[offset], reason=f"{len(mine)} events of this record; the first: {mine[0].reason}"))
        else:
            letters += mine
    return tuple(letters)
