"""Windows of many models as pieces of state: some models together, since a piece costs a record, whatever is in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from detectors.event_batch import Float64
from detectors.monitor import Monitor
from detectors.panes.group_tables import GroupTables
from detectors.panes.sparse_counts import dense, sparse_each
from detectors.piece import Piece, PieceKey

BUCKETS = 128  # pieces of a window at most; with more, a thousand models would write more records, with fewer, one late event would rewrite more of them


class WindowPieces:
    """Windows of one kind of the models of a family.

    A model's bucket follows from its name alone, so that a window is saved under the same key by every worker.

    Parameters
    ----------
    kind, family : begin the keys of the pieces.
    """

    def __init__(self, kind: str, family: str) -> None:
        self._kind = kind
        self._family = family
        self._members: list[tuple[Monitor, GroupTables]] = []
        self._bucket_of: list[int] = []
        self._in_bucket: dict[int, list[int]] = defaultdict(list)
        self._saved: dict[int, set[int]] = defaultdict(set)

    def enter(self, monitor: Monitor, tables: GroupTables, salt: int) -> None:
        """Take a model, as the next of its family."""
        bucket = salt % BUCKETS
        self._in_bucket[bucket].append(len(self._members))
        self._members.append((monitor, tables))
        self._bucket_of.append(bucket)

    def changed(self, covered: int) -> list[Piece]:
        """Pieces of the windows that were added to since they were last told."""
        starts: dict[int, set[int]] = defaultdict(set)
        for bucket, (_, tables) in zip(self._bucket_of, self._members, strict=True):
            for start in tables.changed:
                starts[start].add(bucket)
        pieces = [(start, bucket) for start in sorted(starts) for bucket in sorted(starts[start])]
        contents: list[dict[str, Any]] = []

        def vectors() -> Iterator[list[Float64]]:
            for piece in pieces:
                content, own = self._content(*piece)
                contents.append(content)
                yield own

        counts = list(sparse_each(vectors()))
        return [Piece(self._key(*piece), covered, content | {"counts": one}) for piece, content, one in zip(pieces, contents, counts, strict=True)]

    def _content(self, start: int, bucket: int) -> tuple[dict[str, Any], list[Float64]]:
        """What a piece says beside the counts, and the vectors of these."""
        self._saved[start].add(bucket)
        models, groups, names = [], [], []
        vectors: list[Float64] = []
        for place in self._in_bucket[bucket]:
            monitor, tables = self._members[place]
            if start in tables:
                own = tables.vectors(start)
                models.append([monitor.model, monitor.revision])
                groups.append(len(own))
                names += [list(name) for name in own]
                vectors += own.values()
        return {"members": models, "groups": groups, "names": names}, vectors

    def expired(self, starts: Sequence[int]) -> list[PieceKey]:
        """Keys of all pieces of some windows, which are no more."""
        return [self._key(start, bucket) for start in starts for bucket in sorted(self._saved.pop(start, ()))]

    def restore(self, piece: Piece, places: dict[tuple[str, int], int]) -> list[int]:
        """Take a saved piece; returns the places of the models that are in it."""
        bucket, start = int(piece.key[2]), int(piece.key[3])
        self._saved[start].add(bucket)
        restored, first = [], 0
        names, counts = piece.value["names"], dense(piece.value["counts"])
        for (model, revision), groups in zip(piece.value["members"], piece.value["groups"], strict=True):
            end = first + groups
            place = places.get((str(model), int(revision)))
            if place is not None:
                _, tables = self._members[place]
                tables.restore(start, {(version, segment): vector for (version, segment), vector in zip(names[first:end], counts[first:end], strict=True)})
                restored.append(place)
            first = end
        return restored

    def _key(self, start: int, bucket: int) -> PieceKey:
        return (self._kind, self._family, bucket, start)
