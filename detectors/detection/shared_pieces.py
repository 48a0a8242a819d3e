"""Open panes and cohorts as pieces of state: those of some models together, since a piece costs a record, whatever is in it.

What a model has learnt is a piece of its own, which may be saved without the others when a worker dies. So models share a piece only if they close
panes, and give up cohorts, at the same time: then no piece is written without counts that a model still needs.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from detectors.monitor import Monitor
from detectors.piece import Piece, PieceKey

BUCKETS = 32
"""Pieces of a pane at most; with more, a thousand models would write more records, with fewer, one late event would rewrite more of them."""

Name = tuple[str | int, ...]
"""Of what a model saves in a piece with others: ``("pane", start)``, or ``("cohort", start, version)``."""


class Sharing(Protocol):
    """A model whose panes and cohorts are saved with others'."""

    @property
    def monitor(self) -> Monitor:
        """Its revision."""

    def shared_state(self, name: Name) -> Any:
        """What to save under a name; None where there is nothing any more."""


class SharedPieces:
    """Panes and cohorts of the models of one partition of the summaries topic.

    A model's bucket follows from its name and its times alone, so that every worker saves a pane under the same key.
    """

    def __init__(self) -> None:
        self._in_bucket: dict[tuple[int, ...], list[Sharing]] = defaultdict(list)
        self._bucket_of: dict[Sharing, tuple[int, ...]] = {}

    def enter(self, model: Sharing) -> None:
        """Take a model."""
        bucket = self._bucket_of[model] = _bucket(model.monitor)
        self._in_bucket[bucket].append(model)

    def changed(self, named: Iterable[tuple[Sharing, Name]], covered: int) -> list[Piece]:
        """Pieces of what some models have changed."""
        return [Piece(key, covered, self._value(key)) for key in self._keys(named)]

    def gone(self, named: Iterable[tuple[Sharing, Name]]) -> list[Piece]:
        """Deletions of the pieces of what some models have given up, in which none has anything left."""
        return [Piece(key, 0, None) for key in self._keys(named) if not self._value(key)]

    def _keys(self, named: Iterable[tuple[Sharing, Name]]) -> list[PieceKey]:
        """Of pieces, each once and in their order."""
        keys = {(kind, *self._bucket_of[model], *rest) for model, (kind, *rest) in named}
        return sorted(keys, key=lambda key: tuple(map(str, key)))  # a version beside numbers

    def _value(self, key: PieceKey) -> list[list[Any]]:
        """Model, revision, and what each of them saves."""
        name = key[0], *key[1 + _PARTS :]
        told = ((model.monitor, model.shared_state(name)) for model in self._in_bucket[tuple(map(int, key[1 : 1 + _PARTS]))])
        return [[monitor.model, monitor.revision, state] for monitor, state in told if state is not None]


def name_of(key: PieceKey) -> Name | None:
    """The name that models save under in a piece; None for a piece of one model.

    >>> name_of(("pane", 10_000, 300_000, 86_400_000, 7, 1_700_000_000_000))
    ('pane', 1700000000000)
    """
    return (key[0], *key[1 + _PARTS :]) if key[0] in {"pane", "cohort"} else None


_PARTS = 4  # of a bucket's name


def _bucket(monitor: Monitor) -> tuple[int, ...]:
    """Length of its panes, lateness, and time that labels are waited for; and a number."""
    specification = monitor.specification
    number = hashlib.blake2b(monitor.model.encode(), digest_size=2).digest()[0] % BUCKETS
    return specification.pane, specification.lateness, specification.labels.timeout, number
