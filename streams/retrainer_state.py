"""What the retrainer remembers on ``driftwarden.state.retraining``: a record for each model, and one for the places up to which it has read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from detectors.errors import SettingsError
from retrainer.saved import FORMAT, SavedLoop

POSITIONS = b"positions"
_MODEL = b"model:"
_PIECES = 20  # so many pieces is what is kept divided into: that much more than needed is read again at most

Piece = tuple[tuple[tuple[int, int], ...], int]
Place = tuple[str, int]
"""Topic and partition."""


class KeptRows:
    """From which record on the examples of a model have to be read again, for its newest rows to be at hand.

    Parameters
    ----------
    capacity : rows that are to be at hand.
    """

    def __init__(self, capacity: int, pieces: tuple[Piece, ...] = ()) -> None:
        self._capacity = capacity
        self._pieces: deque[tuple[dict[int, int], int]] = deque((dict(first), rows) for first, rows in pieces)  # in the order in which they came
        self._rows = sum(rows for _, rows in pieces)

    def add(self, partition: int, offset: int, rows: int) -> None:
        """A record was taken."""
        if not self._pieces or self._pieces[-1][1] >= self._capacity // _PIECES:
            self._pieces.append(({}, 0))
        first, before = self._pieces.pop()
        first.setdefault(partition, offset)
        self._pieces.append((first, before + rows))
        self._rows += rows
        while self._rows - self._pieces[0][1] >= self._capacity:
            self._rows -= self._pieces.popleft()[1]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """For each piece: partition and offset of its first record of each partition, and its rows."""
        return tuple((tuple(first.items()), rows) for first, rows in self._pieces)

    def first(self) -> dict[int, int]:
        """Partition to the offset to read from."""
        found: dict[int, int] = {}
        for first, _ in self._pieces:
            found = first | found
        return found


class SavedModel(msgspec.Struct, frozen=True, kw_only=True):
    """State of one model's retraining, and where its rows are."""

    model: str
    loop: SavedLoop
    kept: tuple[Piece, ...]


@dataclass
class SavedRetraining:
    """All that was saved: models by name, and the next offset to read of each partition."""

    models: dict[str, SavedModel] = field(default_factory=dict)
    positions: dict[Place, int] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes) -> None:
        """Take a record; a later one replaces the earlier.

        Raises
        ------
        SettingsError
            If it was written by a release with another format.
        """
        if key == POSITIONS:
            self.positions = {(topic, partition): offset for topic, partition, offset in msgspec.msgpack.decode(value, type=list[tuple[str, int, int]])}
            return
        found = msgspec.msgpack.decode(value)["loop"]["format"]
        if found != FORMAT:
            raise SettingsError(f"the state of retraining was written in format {found}, this release reads {FORMAT}; delete the topic driftwarden.state.retraining to begin anew")
        saved = msgspec.msgpack.decode(value, type=SavedModel)
        self.models[saved.model] = saved


def encode_model(saved: SavedModel) -> tuple[bytes, bytes]:
    """Key and value."""
    return _MODEL + saved.model.encode(), msgspec.msgpack.encode(saved)


def encode_positions(positions: dict[Place, int]) -> tuple[bytes, bytes]:
    """Key and value."""
    return POSITIONS, msgspec.msgpack.encode([(topic, partition, offset) for (topic, partition), offset in sorted(positions.items())])
