"""Other stream processors at the records of the row `single`: yardsticks, measured in the same session, the same way.

A peer updates 20 histograms and a rolling accuracy, and commits where it is every second. It does less than a worker, which also refuses duplicates and late events, judges
drift, and keeps its state through a crash. Its counts are checked against the stream like ours.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from bench.figure import Found, Row, Size, expect
from bench.installation import PATIENCE, BenchError, Installation, installation
from bench.peer_environment import python_of, version
from bench.peers.counting import PANES, Task
from bench.processes import cpu_seconds
from bench.stream_rows import sized, told
from bench.workload import PANE, START, Workload
from detectors.event_batch import Int64
from detectors.profile import NumericProfile
from streams.child import dying_with_parent

ROOT = Path(__file__).parents[1]


class Peer:
    """A process of another stream processor.

    Parameters
    ----------
    name : of its program and requirements in ``bench/peers``.
    python : the interpreter that has it.
    task : what to read, and where to count.
    folder : for what it says.
    """

    def __init__(self, name: str, python: Path, task: Task, folder: Path) -> None:
        self._name = name
        self._log = folder / "peer.log"
        given = folder / "task.json"
        given.write_bytes(msgspec.json.encode(task))
        np.zeros(task.places, np.int64).tofile(task.counts)
        self._counts = np.memmap(task.counts, np.int64, "r", shape=(task.places,))
        command = dying_with_parent([str(python), "-m", f"bench.peers.{name}_peer", str(given)])
        with self._log.open("wb") as output:
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            self._process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  our own program

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self._process.pid)

    @property
    def counts(self) -> Int64:
        """What it has counted so far."""
        return np.array(self._counts)

    def has_read(self, events: int) -> bool:
        """Whether so many events are counted.

        Raises
        ------
        BenchError
            If the process ended; with the last line that it wrote.
        """
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")
            raise BenchError(f"{version(self._name)} ended with exit code {self._process.returncode}: {last_line(said)}")
        return bool(self._counts[0] >= events)

    def pause(self) -> None:
        """Take the CPU from it, so that a backlog can be published."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """``kill -9``: what it has counted is seen already."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running(name: str, python: Path, installed: Installation, edges: dict[str, list[float]]) -> Iterator[Peer]:
    """A peer that reads the events of an installation; it is gone afterwards."""
    with TemporaryDirectory(prefix="driftwarden-peer-") as path:
        folder = Path(path)
        kept = folder / "kept"
        kept.mkdir()
        task = Task(
            bootstrap=installed.bootstrap,
            topic=installed.topics.inference_events,
            group=installed.group,
            folder=str(kept),
            counts=str(folder / "counts"),
            edges=edges,
            start=START,
            pane=PANE,
        )
        peer = Peer(name, python, task, folder)
        try:
            yield peer
        finally:
            peer.kill()


def consumption(name: str, workload: Workload, size: Size) -> Found:
    """Events per CPU second of a peer over a stream, checked."""
    workload = sized(workload, size)
    edges, python = edges_of(workload), python_of(name)
    figures: list[float] = []
    with installation() as installed, running(name, python, installed, edges) as peer:
        end = workload.beginning
        installed.publish(workload.records(0, end))
        installed.wait_until(partial(peer.has_read, end), f"{version(name)} did not read the beginning of the stream", patience=PATIENCE)
        for _ in range(size.repeats):
            peer.pause()
            installed.publish(workload.records(end, end + workload.per_pane))
            end += workload.per_pane
            before = peer.cpu
            peer.go_on()
            installed.wait_until(partial(peer.has_read, end), f"{version(name)} did not read the stream", patience=PATIENCE)
            figures.append(workload.per_pane / (peer.cpu - before))
            told(f"  {figures[-1]:,.0f} events per CPU second")
        expect(f"counts of {version(name)} equal to those of the stream", np.array_equal(peer.counts, truth(workload, edges, end)), True)
    return Found(figures=tuple(figures), details={"peer": version(name), "events": workload.per_pane})


def last_line(said: str) -> str:
    r"""What a program said last, without what it said to the terminal.

    Examples
    --------
    >>> last_line("Traceback:\nConnectionError: no broker\n\x1b[?25h")
    'ConnectionError: no broker'
    """
    lines = [line.strip() for line in re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", said).splitlines()]
    return next(filter(None, reversed(lines)), "it said nothing")


def edges_of(workload: Workload) -> dict[str, list[float]]:
    """Edges of the bins that a worker uses for the same stream."""
    profile = workload.specifications()[0].reference.profile
    return {} if profile is None else {name: list(column.edges) for name, column in profile.features.items() if isinstance(column, NumericProfile)}


def truth(workload: Workload, edges: dict[str, list[float]], end: int) -> Int64:
    """What a peer must have counted of the first ``end`` events; written apart from `bench.peers.counting`."""
    events = workload.events(0, end)
    limits = np.arange(PANES + 1) * PANE + START
    right = events.predicted == events.label
    parts = [np.histogram(events.time, limits)[0], np.histogram(events.time[right], limits)[0]]
    parts += [np.histogram(values, [-np.inf, *edges[name], np.inf])[0] for name, values in zip(workload.names, events.matrix.T, strict=True)]
    return np.concatenate(([end], *parts))


def _row(name: str, what: str, per_pane: int) -> Row:
    run = partial(consumption, name, Workload(per_pane=per_pane))
    return Row(name=f"peer-{name}", what=what, unit="events/CPU s", run=run)


ROWS = (
    _row("faust", "beside `single`: Faust's own agent, histograms and accuracy in memory", 100_000),
    _row("quix", "beside `single`: Quix Streams, histograms and accuracy in memory", 300_000),
    _row("bytewax", "beside `single`: Bytewax in batches, histograms and accuracy with its recovery", 300_000),
)
