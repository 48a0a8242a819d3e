"""Pieces of state: what a stage saves, and recovers from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PieceKey = tuple[str | int, ...]
"""Kind first, then what tells pieces of a kind apart: ``("pane", "churn", 0, 1700000000000)``."""


@dataclass(frozen=True)
class Piece:
    """One value of state.

    ``covered`` is the offset up to which source records are in the value; recovery leaves out records before it for this piece alone.
    ``value`` is made of arrays, numbers, text, lists and dicts; None deletes the piece.
    """

    key: PieceKey
    covered: int
    value: Any
