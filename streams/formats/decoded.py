"""What a fetch becomes: columns of its events, and what could not be counted."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from detectors.summarise import Fetch

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bad input: beside its own errors, those for bytes that are not UTF-8 and for brackets nested a thousand deep."""


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


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A fetch as columns, and what was refused, in log order."""

    fetch: Fetch
    dead_letters: tuple[DeadLetter, ...]
