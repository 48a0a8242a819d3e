"""How pieces of state lie in a compacted topic: split into parts, each overwrite atomic, each owner on keys of its own.

- A piece larger than a part is split. Its parts are written under the other of two slots, so the last complete version stays until the new
  one is complete. The manifest names the split pieces: parts that no manifest names are what is left of a write or of a deletion that was
  interrupted.
- Every key carries the generation of the worker that wrote it, and a number of its own. A worker that had been replaced without knowing it
  (stopped and continued) reaches its own keys only, never what its successor has written; so does one of two workers that took the same
  generation because both read the state before either had written.
- Pieces that the successor has not written yet lie under the replaced worker's keys. What it still writes there is the same piece as of a
  later offset, which the piece names: records below are skipped when they are read again. What it still deletes was not needed by its last
  manifest, since a stage deletes an epoch after the need has gone, and it begins no further one before the group has confirmed it
  (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from detectors.piece import Piece, PieceKey
from streams.packed_arrays import Buffer
from streams.state_codec import StateError, decode_state, encode_buffers

Entry = tuple[bytes, bytes | None]
"""Key and value of a record of the state topic; None deletes."""

MANIFEST: PieceKey = ("manifest",)
_SINGLE = 0  # slot of a piece that fits one part: one record, so its overwrite is atomic by itself
_SPLIT_SLOTS = (1, 2)

_Version = tuple[int, int, int, int, int]
"""Generation, epoch, covered offset, owner, slot; the largest is the newest."""


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
    data: list[memoryview]  # pieces of a large value are not put together before they are sent


class _Written(NamedTuple):
    """Where a piece lies: what its keys say beside its name, from which they are made again when they are needed; thousands of pieces share one."""

    generation: int
    owner: int
    slot: int
    parts: int


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

    Use it for one assignment: make it, `recover`, then `entries` epoch by epoch. ``owner`` is a number that no other worker has.
    """

    limits: StateLimits = field(default_factory=StateLimits)
    owner: int = 0
    generation: int = 0
    epoch: int = 0
    _written: dict[PieceKey, _Written] = field(default_factory=dict)
    _same: dict[_Written, _Written] = field(default_factory=dict)
    _slots: dict[PieceKey, int] = field(default_factory=dict)  # of split pieces
    _old_manifests: set[bytes] = field(default_factory=set)  # keys, until another one is written
    _obsolete: set[bytes] = field(default_factory=set)

    def recover(self, entries: Iterable[tuple[bytes, bytes]], name: str) -> Recovered:
        """Newest complete version of every piece; makes this store the owner of the next generation.

        Raises
        ------
        StateError
            If a record cannot be read, or a piece has no complete version.
        """
        versions: dict[PieceKey, dict[_Version, list[_Stored]]] = {}
        keys: dict[PieceKey, dict[_Version, set[bytes]]] = {}
        same: dict[str | int, str | int] = {}
        for key, value in entries:
            piece, generation, owner, slot = _read_key(key, name)
            piece = tuple(same.setdefault(part, part) for part in piece)  # names and times that thousands of pieces have
            stored = _read_value(value, f"{name} {piece}")
            version = (generation, stored.epoch, stored.covered, owner, slot)
            versions.setdefault(piece, {}).setdefault(version, []).append(stored)
            keys.setdefault(piece, {}).setdefault(version, set()).add(key)
        self.generation = 1 + max((version[0] for by_version in versions.values() for version in by_version), default=0)
        newest = {piece: _newest_complete(by_version) for piece, by_version in versions.items()}
        ended = newest.pop(MANIFEST, None)
        manifest = None if ended is None else _decoded(versions[MANIFEST][ended], f"{name} {MANIFEST}")
        named = {tuple(piece) for piece in manifest["split"]} if manifest is not None else set()
        for piece in named:
            if newest.get(piece) is None:
                raise StateError(
                    f"state piece {name} {piece}: the manifest names it, but no version is complete (found {sorted(versions.get(piece, {}))}); "
                    "the state topic lost records: is it compacted, not deleted?"
                )
        self._old_manifests.update(*keys.pop(MANIFEST, {}).values())
        pieces = []
        for piece, found in newest.items():
            parts = versions[piece][found] if found is not None else []
            forgotten = ended is not None and found is not None and found[:2] <= ended[:2] and piece not in named
            if found is not None and not (len(parts) > 1 and forgotten):
                pieces.append(Piece(piece, parts[0].covered, _decoded(parts, f"{name} {piece}")))
                del keys[piece][found]
                generation, _, _, owner, slot = found
                self._keep(piece, _Written(generation, owner, slot, len(parts)))
            self._obsolete.update(*keys[piece].values())
        self.epoch = 0 if manifest is None else int(manifest["epoch"])
        return Recovered(self.generation, self.epoch, manifest, tuple(pieces))

    def entries(self, pieces: Iterable[Piece]) -> list[Entry]:
        """Records that save some pieces in the current epoch; what the epoch before made obsolete is deleted along with them."""
        written: list[Entry] = [(key, None) for key in sorted(self._obsolete)]
        self._obsolete = set()
        for piece in pieces:
            if piece.value is None:
                written += self._delete(piece.key)
            else:
                written += self._write(piece)
        return written

    def manifest(self, content: dict[str, Any]) -> Entry:
        """The record that ends an epoch, and makes its pieces count."""
        split = [list(piece) for piece in self._slots]
        ((key, value),) = self._write(Piece(MANIFEST, content["covered"], {**content, "epoch": self.epoch, "split": split}))
        self._obsolete |= self._old_manifests - {key}
        self._old_manifests = set()
        return key, value

    def _delete(self, piece: PieceKey) -> list[Entry]:
        keys = self._keys_of(piece)
        self._written.pop(piece, None)
        if self._slots.pop(piece, _SINGLE) != _SINGLE:
            self._obsolete.update(keys)  # several records do not go at once: the manifest forgets them first
            return []
        return [(key, None) for key in keys]

    def _write(self, piece: Piece) -> list[tuple[bytes, bytes]]:
        buffers = encode_buffers(piece.value)
        size, whole = self.limits.part_bytes, sum(map(len, buffers))
        if whole > self.limits.piece_bytes:
            raise StateError(
                f"state piece {piece.key} takes {whole} bytes compressed, the limit is {self.limits.piece_bytes}; "
                "reduce the bins, segments or classes of its monitor, or raise the limit"
            )
        chunks = _chunks(buffers, size)
        if len(chunks) > 1 and piece.key == MANIFEST:
            raise StateError(f"the manifest takes {whole} bytes compressed, which must fit one record of {size}; raise the size of a record")
        slot = _SINGLE
        if len(chunks) > 1:
            slot = _SPLIT_SLOTS[self._slots.get(piece.key) == _SPLIT_SLOTS[0]]
        written = _Written(self.generation, self.owner, slot, len(chunks))
        entries = []
        for part, chunk in enumerate(chunks):
            stored = _Stored(self.generation, self.epoch, piece.covered, part, len(chunks), chunk)
            entries.append((_key(piece.key, written, part), msgspec.msgpack.encode(stored)))
        now = {key for key, _ in entries}
        self._obsolete.update(set(self._keys_of(piece.key)) - now)
        self._obsolete -= now
        self._keep(piece.key, written)
        return entries

    def _keys_of(self, piece: PieceKey) -> list[bytes]:
        """Under which a piece lies."""
        written = self._written.get(piece)
        return [] if written is None else [_key(piece, written, part) for part in range(written.parts)]

    def _keep(self, piece: PieceKey, written: _Written) -> None:
        """Remember where a piece lies: there are many, nearly all of them in one record."""
        self._written[piece] = self._same.setdefault(written, written)
        if written.slot != _SINGLE:
            self._slots[piece] = written.slot
        else:
            self._slots.pop(piece, None)


def _key(piece: PieceKey, written: _Written, part: int) -> bytes:
    return msgspec.msgpack.encode([list(piece), written.generation, written.owner, written.slot, part])


def _chunks(buffers: Iterable[Buffer], size: int) -> list[list[memoryview]]:
    """Buffers as chunks of so many bytes, the last of what is left."""
    chunks: list[list[memoryview]] = []
    room = 0
    for buffer in buffers:
        rest = memoryview(buffer)
        while rest:
            if not room:
                chunks.append([])
                room = size
            some, rest = rest[:room], rest[room:]
            chunks[-1].append(some)
            room -= len(some)
    return chunks


def _newest_complete(versions: dict[_Version, list[_Stored]]) -> _Version | None:
    return max((version for version, parts in versions.items() if len(parts) == parts[0].parts), default=None)


def _decoded(parts: list[_Stored], name: str) -> Any:
    return decode_state(b"".join(some for stored in sorted(parts, key=lambda stored: stored.part) for some in stored.data), f"state piece {name}")


def _read_key(key: bytes, name: str) -> tuple[PieceKey, int, int, int]:
    try:
        piece, generation, owner, slot, _ = msgspec.msgpack.decode(key)
        return tuple(piece), int(generation), int(owner), int(slot)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StateError(f"state {name}: a record's key cannot be read ({error}); another program writes to this topic") from error


def _read_value(value: bytes, name: str) -> _Stored:
    try:
        return _STORED.decode(value)
    except msgspec.DecodeError as error:
        raise StateError(f"state piece {name}: its record cannot be read ({error}); another program writes to this topic") from error


_STORED = msgspec.msgpack.Decoder(_Stored)
