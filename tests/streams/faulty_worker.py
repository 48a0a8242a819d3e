"""`driftwarden worker` with a fault at a chosen place of the epoch.

Arguments: ``SIGNAL TOPIC KIND N`` sends itself a signal when the N-th record of a kind (output, piece or manifest) to a topic whose name
ends so was acknowledged; ``raise N`` raises in the N-th fetch of the summarise stage; ``format N`` writes and reads state as a release of that
format would; without arguments it is an ordinary worker. The variable ``LOG_LEVEL`` is its ``--log-level``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable
from typing import Any

import msgspec

import streams.state_codec
import streams.worker
from streams.connection import connect
from streams.source_records import SourceRecords
from streams.stage_run import Output
from streams.summarise_driver import SummariseDriver
from streams.telemetry.settings import MetricsSettings
from streams.worker_settings import WorkerSettings


def kind_of(output: Output) -> str:
    if "driftwarden.state." not in output.topic:
        return "output"
    return "manifest" if msgspec.msgpack.decode(output.key or b"")[0] == ["manifest"] else "piece"


class FaultyWorker(streams.worker.Worker):
    """Falls ill in the middle of an epoch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        number, self._topic, self._kind, count = sys.argv[1:]
        self._signal = signal.Signals[number]
        self._left = int(count)

    async def _send(self, output: Output) -> Awaitable[Any]:
        pending = await super()._send(output)
        if output.topic.endswith(self._topic) and kind_of(output) == self._kind:
            self._left -= 1
            if self._left == 0:
                await pending
                os.kill(os.getpid(), self._signal)
        return pending


class FailingDriver(SummariseDriver):
    """Raises on one fetch."""

    left = 0

    def absorb(self, records: SourceRecords, end: int) -> None:
        FailingDriver.left -= 1
        if FailingDriver.left == 0:
            raise ZeroDivisionError("a bug of ours")
        super().absorb(records, end)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        streams.worker.Worker = FaultyWorker  # type: ignore[misc]
    elif sys.argv[1:2] == ["format"]:
        streams.state_codec.FORMAT = int(sys.argv[2])
    elif sys.argv[1:2] == ["raise"]:
        FailingDriver.left = int(sys.argv[2])
        streams.worker.SummariseDriver = FailingDriver  # type: ignore[misc]
    streams.worker.run_worker(connect(), WorkerSettings(), MetricsSettings(), log_level=os.environ.get("LOG_LEVEL", "INFO"))
