"""An hour of history behind every model before a worker begins: the state that detection would have left, in its state topic.

To publish that hour would take longer than the row that needs it. Models of one law leave the same state, so one is watched, by the detection that the
worker runs, and what is saved of it is saved of all. The worker restores each as its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.batches import fetch
from bench.core_rows import Core
from bench.installation import Installation
from bench.workload import BEGINNING, PANE, PARTITIONS, START, Workload
from detectors.event_batch import NO_TIME
from detectors.piece import Piece, PieceKey
from detectors.specification import MonitorSpecification
from detectors.summarise import Fetch
from streams.partitioner import partition_of
from streams.piece_store import PieceStore


def write_history(installed: Installation, specifications: Sequence[MonitorSpecification], *, features: int, panes: int, per_pane: int, until: int) -> None:
    """Save what detection knows of every model after so many panes of so many events each, the last of which ended at ``until``; before a worker begins."""
    watched, *_ = specifications
    saved, manifest = _watched(watched, features=features, panes=panes, per_pane=per_pane, until=until)
    targets = partition_of([one.model.encode() for one in specifications], PARTITIONS).tolist()
    for partition in range(PARTITIONS):
        store = PieceStore()
        store.recover((), "history")
        store.epoch = 1
        mine = [one for one, target in zip(specifications, targets, strict=True) if target == partition]
        for one in mine:
            installed.save(store.entries([Piece((piece.key[0], one.model, *piece.key[2:]), 0, piece.value) for piece in saved]), partition)
        installed.save([store.manifest(manifest)], partition)


def _watched(specification: MonitorSpecification, *, features: int, panes: int, per_pane: int, until: int) -> tuple[list[Piece], dict[str, object]]:
    """State of a model whose panes have closed up to a time, and the manifest of a stage that has read nothing since."""
    saved: dict[PieceKey, Piece] = {}
    workload = Workload(features=features, beginning=BEGINNING // PANE * per_pane, per_pane=per_pane)
    core, shift = Core([specification]), until - panes * PANE - START
    for first in range(0, panes * per_pane, per_pane):
        one = fetch(workload, first, first + per_pane)
        batches = tuple(replace(batch, model=specification.model, timestamp=batch.timestamp + shift, high=batch.high + shift) for batch in one.batches)
        core.absorb(replace(one, batches=batches, high=one.high + shift))
        saved |= {piece.key: piece for piece in core.epoch().pieces}
    core.absorb(Fetch(end=panes * per_pane, high=until + specification.lateness))
    for _ in range(2):  # what is deleted is so in the epoch after the one that needs it no more
        saved |= {piece.key: piece for piece in core.epoch().pieces}
    kept = [piece for piece in saved.values() if piece.value is not None and piece.key[0] in {"model", "window"}]
    return kept, core.manifest() | {"covered": 0, "reached": NO_TIME, "partitions": PARTITIONS, "sources": [], "told": []}
