"""Bytewax: batches of its Kafka source, counted by a stateless step and added by a stateful one, whose state and offsets its recovery keeps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from typing_extensions import override

from bench.peers.counting import Counting, Counts, Report, Task, told

BATCH = 1_000
"""Records of a poll: the source's own default, which it recommends for throughput."""


class Sum(op.StatefulBatchLogic[Counts, Counts, Counts]):
    """Adds counts."""

    def __init__(self, so_far: Counts) -> None:
        self._counts = so_far

    @override
    def on_batch(self, values: list[Counts]) -> tuple[Iterable[Counts], bool]:
        self._counts = np.sum([self._counts, *values], axis=0)
        return [self._counts], op.StatefulBatchLogic.RETAIN

    @override
    def snapshot(self) -> Counts:
        return self._counts


class Written(StatelessSinkPartition[tuple[str, Counts]], DynamicSink[tuple[str, Counts]]):
    """Writes sums where the bench sees them."""

    def __init__(self, task: Task) -> None:
        self._report = Report(task)

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> Written:
        return self

    @override
    def write_batch(self, items: list[tuple[str, Counts]]) -> None:
        self._report.write(items[-1][1])


def flow(task: Task) -> Dataflow:
    """The steps."""
    counting = Counting(task)

    def counted(messages: list[KafkaSourceMessage[Any, bytes]]) -> list[tuple[str, Counts]]:
        return [("all", counting.count([message.value for message in messages]))]

    steps = Dataflow("peer")
    records = op.input("records", steps, KafkaSource([task.bootstrap], [task.topic], batch_size=BATCH))
    batches = op.flat_map_batch("count", records, counted)
    sums = op.stateful_batch("add", batches, lambda so_far: Sum(np.zeros(task.places, np.int64) if so_far is None else so_far))
    op.output("write", sums, Written(task))
    return steps


def main() -> None:
    """Run until killed."""
    task = told()
    init_db_dir(task.folder, 1)
    cli_main(flow(task), epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(task.folder))


if __name__ == "__main__":
    main()
