"""How pieces of state lie in a compacted topic: split into parts, each overwrite atomic, each owner on keys of its own.

- A piece larger than a part is split. Its parts are written under the other of two slots, so the last complete version stays until the new
  one is complete.
- Every key carries the generation of the worker that wrote it. A worker that had been replaced without knowing it (stopped and continued)
  can only overwrite its own, older version, which nobody reads any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from detectors.piece import Piece, PieceKey
from streams.state_codec import StateError, decode_state, encode_state

Entry = tuple[bytes, bytes | None]
"""Key and value of a record of the state topic; None deletes."""

MANIFEST: PieceKey = ("manifest",)
_SINGLE = 0  # slot of a piece that fits one part: one record, so its overwrite is atomic by itself


@dataclass(frozen=True, kw_only=True)
class StateLimits:
    """Bounds of what one piece of state may take.

    Attributes
    ----------
    part_bytes : size of one record; below the broker's ``message.max.bytes`` (1 MB by default) with room for headers.
    piece_bytes : a larger piece stops the worker: it would take longer to write than an epoch may last.
    """

    part_bytes: int = 512 * 1024
    piece_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if not 0 < self.part_bytes <= self.piece_bytes:
            raise ValueError(f"part_bytes must be > 0 and <= piece_bytes, got {self.part_bytes} and {self.piece_bytes}; a piece is made of one or more parts")


class _Stored(msgspec.Struct, array_like=True):
    generation: int
    epoch: int
    covered: int
    part: int
    parts: int
    data: bytes


@dataclass(frozen=True)
class Recovered:
    """What a state topic's partition held."""

    generation: int
    epoch: int
    manifest: dict[str, Any] | None
    pieces: tuple[Piece, ...]


@dataclass
class PieceStore:
    """Pieces of one stage in one partition.

    Use it for one assignment: make it, `recover`, then `entries` epoch by epoch.
    """

    limits: StateLimits = field(default_factory=StateLimits)
    generation: int = 0
    epoch: int = 0
    _keys: dict[PieceKey, set[bytes]] = field(default_factory=dict)
    _obsolete: set[bytes] = field(default_factory=set)

    def recover(self, entries: Iterable[tuple[bytes, bytes]], name: str) -> Recovered:
        """Newest complete version of every piece; makes this store the owner of the next generation.

        Raises
        ------
        StateError
            If a record cannot be read, or a piece has no complete version.
        """
        versions: dict[PieceKey, dict[tuple[int, int, int], list[_Stored]]] = {}
        for key, value in entries:
            piece, generation, slot = _read_key(key, name)
            stored = _read_value(value, f"{name} {piece}")
            versions.setdefault(piece, {}).setdefault((generation, stored.epoch, slot), []).append(stored)
            self._keys.setdefault(piece, set()).add(key)
        pieces: dict[PieceKey, tuple[int, Any]] = {}
        for piece, by_version in versions.items():
            complete = [version for version, parts in by_version.items() if len(parts) == parts[0].parts]
            if not complete:
                raise StateError(f"state piece {name} {piece}: no version is complete (found {sorted(by_version)}); the state topic lost records: is it compacted, not deleted?")
            newest = max(complete)
            parts = sorted(by_version[newest], key=lambda stored: stored.part)
            pieces[piece] = (parts[0].covered, decode_state(b"".join(part.data for part in parts), f"{name} {piece}"))
        manifest = pieces.pop(MANIFEST, (0, None))[1]
        self.generation = 1 + max((generation for by_version in versions.values() for generation, _, _ in by_version), default=0)
        self.epoch = 0 if manifest is None else int(manifest["epoch"])
        return Recovered(self.generation, self.epoch, manifest, tuple(Piece(key, covered, value) for key, (covered, value) in pieces.items()))

    def entries(self, pieces: Iterable[Piece]) -> list[Entry]:
        """Records that save some pieces in the current epoch; what the epoch before made obsolete is deleted along with them."""
        written: list[Entry] = [(key, None) for key in sorted(self._obsolete)]
        self._obsolete = set()
        for piece in pieces:
            if piece.value is None:
                written += [(key, None) for key in sorted(self._keys.pop(piece.key, set()))]
            else:
                written += self._write(piece)
        return written

    def manifest(self, content: dict[str, Any]) -> Entry:
        """The record that ends an epoch, and makes its pieces count."""
        ((key, value),) = self._write(Piece(MANIFEST, content["covered"], {**content, "epoch": self.epoch}))
        return key, value

    def _write(self, piece: Piece) -> list[tuple[bytes, bytes]]:
        data = encode_state(piece.value)
        size = self.limits.part_bytes
        if len(data) > self.limits.piece_bytes:
            raise StateError(
                f"state piece {piece.key} takes {len(data)} bytes compressed, the limit is {self.limits.piece_bytes}; "
                "reduce the bins, segments or classes of its monitor, or raise the limit"
            )
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        slot = _SINGLE if len(chunks) == 1 else 1 + self.epoch % 2
        entries = []
        for part, chunk in enumerate(chunks):
            stored = _Stored(self.generation, self.epoch, piece.covered, part, len(chunks), chunk)
            entries.append((msgspec.msgpack.encode([list(piece.key), self.generation, slot, part]), msgspec.msgpack.encode(stored)))
        now = {key for key, _ in entries}
        self._obsolete |= self._keys.get(piece.key, set()) - now
        self._obsolete -= now
        self._keys[piece.key] = now
        return entries


def _read_key(key: bytes, name: str) -> tuple[PieceKey, int, int]:
    try:
        piece, generation, slot, _ = msgspec.msgpack.decode(key)
        return tuple(piece), int(generation), int(slot)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StateError(f"state {name}: a record's key cannot be read ({error}); another program writes to this topic") from error


def _read_value(value: bytes, name: str) -> _Stored:
    try:
        return _STORED.decode(value)
    except msgspec.DecodeError as error:
        raise StateError(f"state piece {name}: its record cannot be read ({error}); another program writes to this topic") from error


_STORED = msgspec.msgpack.Decoder(_Stored)
