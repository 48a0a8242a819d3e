"""A real Kafka with the topics of one installation, workers and others as processes of their own, and what they made of a stream."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.processes import cpu_seconds, resident_mebibytes
from bench.workload import PARTITIONS, SourceRecord
from detectors.event_batch import NO_TIME
from detectors.monitor import Monitor
from detectors.specification import MonitorSpecification
from streams.broker import running_broker
from streams.child import dying_with_parent
from streams.connection import KafkaConnection
from streams.monitor_codec import encode_monitor, monitor_key
from streams.piece_store import Entry
from streams.topics import Topics, create_topics
from streams.worker_settings import WorkerSettings

PATIENCE = 900.0
"""Seconds; a worker that has not read its backlog by then never will."""


class BenchError(RuntimeError):
    """The bench could not run to its end."""


class Process:
    """One program, and its log."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}-{uuid4().hex[:6]}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(dying_with_parent(command), env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  the bench's own

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.pid)

    @property
    def memory(self) -> float:
        """Resident mebibytes."""
        return resident_mebibytes(self.pid)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def pause(self) -> None:
        """Take the CPU from it, so that a backlog can be published."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """``kill -9``."""
        if self.running:
            self._process.kill()
        self._process.wait()

    @property
    def was_killed(self) -> bool:
        """Whether it ended by `kill`."""
        return self._process.poll() == -signal.SIGKILL


class Worker(Process):
    """One `driftwarden worker`."""

    @property
    def partitions(self) -> set[int]:
        """Source partitions that it said it reads."""
        return {number for number in range(PARTITIONS) if f"inference.events[{number}]: reading from" in self.log.read_text()}


class Installation:
    """Topics of their own on a broker, and workers that read them."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.topics = Topics(prefix=f"b{uuid4().hex[:8]}.")
        self._folder = folder
        self._processes: list[Process] = []
        create_topics(bootstrap, partitions=PARTITIONS, prefix=self.topics.prefix)
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "linger.ms": 20, "batch.size": 262_144, "queue.buffering.max.messages": 500_000})
        self.connection = KafkaConnection(bootstrap=bootstrap, topic_prefix=self.topics.prefix)
        self.group = self.connection.group(WorkerSettings().group)
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._reader = Consumer({"bootstrap.servers": bootstrap, "log_level": 0, "group.id": self.group, "enable.auto.commit": False})

    def apply(self, specifications: Iterable[MonitorSpecification]) -> None:
        """Make them known to the workers, in force from the beginning."""
        for specification in specifications:
            monitor = Monitor(specification=specification, revision=1, effective_from=NO_TIME)
            self._produce(self.topics.monitors, 0, monitor_key(specification.model, 1), encode_monitor(monitor))
        self._flush()

    def publish(self, records: Iterable[SourceRecord]) -> int:
        """Write records to the source topic; returns their number when all are acknowledged."""
        count = 0
        for record in records:
            self._produce(self.topics.inference_events, record.partition, record.key, record.value, record.timestamp)
            count += 1
        self._flush()
        return count

    def publish_points(self, records: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Write records of points: partition, key, value."""
        for partition, key, value in records:
            self._produce(self.topics.metrics, partition, key, value)
        self._flush()

    def save(self, entries: Iterable[Entry], partition: int) -> None:
        """Write records of detection's state."""
        for key, value in entries:
            self._produce(self.topics.state_of(self.topics.summaries), partition, key, value)
        self._flush()

    def advance(self, timestamp: int) -> None:
        """Move event time in every partition."""
        self.publish(SourceRecord(partition, b"", b'{"kind":"time"}', timestamp) for partition in range(PARTITIONS))

    def _produce(self, topic: str, partition: int, key: bytes, value: bytes | None, timestamp: int = 0) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key or None, partition=partition, timestamp=timestamp)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _flush(self) -> None:
        left = self._producer.flush(120)
        if left:
            raise BenchError(f"{left} records were not acknowledged within 120 s")

    def worker(self, name: str = "one", **settings: str) -> Worker:
        """Start one."""
        environment = {
            "DRIFTWARDEN_BOOTSTRAP": self.bootstrap,
            "DRIFTWARDEN_TOPIC_PREFIX": self.topics.prefix,
            "DRIFTWARDEN_WORKER_SESSION_TIMEOUT": "80s",  # it is paused while a backlog is published
            "DRIFTWARDEN_WORKER_IDLE_AFTER": "1h",  # event time is the stream's alone
            **{f"DRIFTWARDEN_WORKER_{key.upper()}": value for key, value in settings.items()},
        }
        worker = Worker(name, _driftwarden("worker", "--name", name), environment, self._folder)
        self._processes.append(worker)
        return worker

    def process(self, name: str, *arguments: str, **environment: str) -> Process:
        """Start another command of `driftwarden` on these topics."""
        mine = {"DRIFTWARDEN_BOOTSTRAP": self.bootstrap, "DRIFTWARDEN_TOPIC_PREFIX": self.topics.prefix}
        process = Process(name, _driftwarden(*arguments), mine | environment, self._folder)
        self._processes.append(process)
        return process

    def ends(self, topic: str) -> list[int]:
        """Offset after the last record of each partition."""
        return [int(self._reader.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1]) for number in range(PARTITIONS)]

    def committed(self, topic: str) -> list[int]:
        """Offset of each partition that the workers have declared durable; 0 for none."""
        return self._committed_by(self._reader, topic)

    @contextmanager
    def places_of(self, group: str, topic: str) -> Iterator[Callable[[], list[int]]]:
        """What asks for the offsets that another group has committed."""
        reader = Consumer({"bootstrap.servers": self.bootstrap, "log_level": 0, "group.id": group, "enable.auto.commit": False})
        try:
            yield lambda: self._committed_by(reader, topic)
        finally:
            reader.close()

    def _committed_by(self, reader: Consumer, topic: str) -> list[int]:
        try:
            found = reader.committed([TopicPartition(topic, number) for number in range(PARTITIONS)], timeout=30)
        except KafkaException:  # the group's coordinator is still being found
            return [0] * PARTITIONS
        return [max(int(place.offset), 0) for place in found]

    def owners(self) -> dict[str, set[int]]:
        """Source partitions of each worker, by its name."""
        described = self._admin.describe_consumer_groups([self.group])[self.group].result(30)
        return {
            member.group_instance_id: {place.partition for place in member.assignment.topic_partitions if place.topic == self.topics.inference_events}
            for member in described.members
        }

    def wait_until_read(self, *, patience: float = PATIENCE) -> None:
        """Wait until everything that was published is summarised, judged and durable."""
        for topic in (self.topics.inference_events, self.topics.summaries):
            self.wait_until(partial(self._is_read, topic), f"{topic} was not read to its end", patience=patience)

    def _is_read(self, topic: str) -> bool:
        return all(committed >= end for committed, end in zip(self.committed(topic), self.ends(topic), strict=True))

    def wait_until(self, condition: Callable[[], bool], otherwise: str, *, patience: float = PATIENCE) -> None:
        """Poll, and stop with the story where a worker ends or the time is over."""
        deadline = time.monotonic() + patience
        while not condition():
            ended = [process for process in self._processes if not process.running and not process.was_killed]
            if ended or time.monotonic() > deadline:
                said = "\n".join(f"{process.name}:\n{process.log.read_text()[-3_000:]}" for process in self._processes)
                raise BenchError(f"{otherwise} within {patience:.0f} s; the processes said:\n{said}")
            time.sleep(0.05)

    def values(self, topic: str) -> Iterator[bytes]:
        """Values of a topic, from its beginning to where it ends now."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "log_level": 0, "group.id": uuid4().hex, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        try:
            ends = self.ends(topic)
            left = {number for number, end in enumerate(ends) if end}
            consumer.assign([TopicPartition(topic, number, 0) for number in left])
            while left:
                for message in consumer.consume(10_000, timeout=1.0):
                    number, value = message.partition() or 0, message.value()
                    if (message.offset() or 0) >= ends[number] - 1:
                        left.discard(number)
                    if value is not None:
                        yield value
        finally:
            consumer.close()

    def close(self) -> None:
        """End its workers and clients."""
        for process in self._processes:
            process.kill()
        self._reader.close()


def _driftwarden(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli", *arguments]


@contextmanager
def installation() -> Iterator[Installation]:
    """A broker, and an installation on it; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftwarden-bench-") as folder, running_broker() as bootstrap:
        installed = Installation(bootstrap, Path(folder))
        try:
            yield installed
        finally:
            installed.close()


def broker_cpu(bootstrap: str) -> float:
    """CPU seconds of the broker that listens on an address."""
    port = int(bootstrap.rpartition(":")[2])
    owners: list[Any] = [connection.pid for connection in psutil.net_connections("tcp") if connection.status == "LISTEN" and connection.laddr.port == port]
    return cpu_seconds(owners[0])
