"""Streams in which the place of the change is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detectors.evaluation.laws import Law
from detectors.event_batch import Float64, Int64


@dataclass(frozen=True)
class LabelledStreams:
    """``m`` independent streams of ``n`` events, side by side.

    Attributes
    ----------
    values : (n, m).
    change : (m,) number of events before the change; ``n`` where nothing changes.
    reference : (r, m) what was known before, from the law before the change; its last event is followed by the first of the stream.
    """

    values: Float64
    change: Int64
    reference: Float64


def changed_streams(law: Law, *, streams: int, before: int, after: int, seed: int, ramp: int = 0, phases: int = 1_000, reference: int = 10_000) -> LabelledStreams:
    """Streams with one change each, which does not begin with a pane.

    Parameters
    ----------
    law : before and after.
    streams : m.
    before : events before the change, at least; each stream has up to ``phases - 1`` more.
    after : events after the change, at least.
    seed : of everything that is drawn.
    ramp : events that the change takes; 0 is abrupt. The change begins with the ramp.
    phases : the change comes at each of so many places with the same chance; a multiple of the pane, and of a cycle.
    reference : rows that were known before.

    Examples
    --------
    >>> from detectors.evaluation.laws import Moved
    >>> streams = changed_streams(Moved(shift=1.0), streams=4, before=100, after=50, seed=1, phases=10)
    >>> streams.values.shape, streams.change.tolist()
    ((160, 4), [104, 105, 107, 109])
    """
    if streams < 1 or before < 0 or after < 1 or ramp < 0 or phases < 1:
        raise ValueError(f"streams, after and phases must be >= 1, before and ramp >= 0, got {streams}, {after}, {phases}, {before} and {ramp}")
    generator = np.random.default_rng(seed)
    change = before + generator.integers(0, phases, streams)
    since = np.arange(before + phases + after)[:, None] - change
    weight = np.clip((since + 1) / ramp, 0, 1) if ramp else (since >= 0).astype(np.float64)
    return LabelledStreams(law.draw(generator, weight), change, _reference(law, generator, reference, streams))


def null_streams(law: Law, *, streams: int, events: int, seed: int, reference: int = 10_000, weight: float = 0.0) -> LabelledStreams:
    """Streams in which nothing changes; a weight is that of all their events, so that they differ from their reference by a constant that may be harmless."""
    generator = np.random.default_rng(seed)
    unchanged = np.broadcast_to(weight, (events, streams))
    return LabelledStreams(law.draw(generator, unchanged), np.full(streams, events), _reference(law, generator, reference, streams))


def null_batches(law: Law, *, events: int, length: int, seed: int, streams: int = 100, reference: int = 10_000, weight: float = 0.0) -> Iterator[LabelledStreams]:
    """So many events of null streams in all, a batch of streams at a time, so that any number fits the memory.

    Parameters
    ----------
    law : whose law before the change is drawn.
    events : in all streams together, at least.
    length : of a stream, in events.
    seed : of everything; each batch has its own generator.
    streams : in a batch.
    reference : rows of each stream's own reference.
    weight : see `null_streams`.
    """
    batches = -(-events // (length * streams))
    for seed_of_batch in np.random.SeedSequence(seed).generate_state(batches, np.uint64).tolist():
        yield null_streams(law, streams=streams, events=length, seed=seed_of_batch, reference=reference, weight=weight)


def _reference(law: Law, generator: np.random.Generator, rows: int, streams: int) -> Float64:
    return law.draw(generator, np.broadcast_to(0.0, (rows, streams)), -rows)
