"""A model whose concept changes, on a real Kafka, and retrainers that are killed at chosen places."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from kafka import KafkaProducer

from detectors.alerts.alert import Alert
from detectors.monitor import Monitor
from detectors.rows.examples import Examples
from retrainer.bootstrap import bootstrap_champion
from retrainer.decision import Decision
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import trainer_named
from retrainer.versions import Request, Version
from streams.allowed_trainers import TrainerSettings
from streams.announcements import Announcements, Offsets, Record
from streams.asking import read_decisions
from streams.connection import KafkaConnection
from streams.dataset_files import DatasetFiles
from streams.monitor_codec import encode_monitor, monitor_key
from streams.retrainer import RetrainerProcess
from streams.topics import Topics
from streams.whole_topic import read_versions
from streams.wire import decode_decision, encode_alert, encode_request, encode_version
from tests.retrainer.concepts import specification, stream, table
from tests.streams import tree_trainer
from tests.streams.test_datasets import record_of
from tests.waiting import PATIENCE, eventually

CHANGE = 600
TRAINERS = TrainerSettings(modules="tests.streams.tree_trainer")


class RetrainingStream:
    """Publishes a monitor, its first champion, labelled rows and alerts; starts retrainers."""

    def __init__(self, broker: str, topics: Topics, folder: Path, **retrain: object) -> None:
        self.broker, self.topics, self.folder = broker, topics, folder
        self.connection = KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)
        self.registry = FilesRegistry(folder / "models")
        self.specification = specification(**{"trainer": tree_trainer.NAME, "refresh": [200], "gate": {"min_validation_time": "5m"}, **retrain})
        self.datasets, trainer = DatasetFiles(folder / "datasets"), trainer_named(tree_trainer.NAME)
        self.first = bootstrap_champion(*table(2_000, "old", 99), specification=self.specification, trainer=trainer, registry=self.registry, at=0, keep=self.datasets.keep)
        self.model = self.registry.fetch(self.first[-1].uri, self.first[-1].digest)
        tree_trainer.fits, tree_trainer.deadly = folder / "fits", False
        self._producer = KafkaProducer(bootstrap_servers=broker, acks="all")
        self._producer.send(topics.monitors, key=monitor_key("loans", 1), value=encode_monitor(Monitor(specification=self.specification)))
        for record in self.first:
            self._producer.send(topics.versions, key=b"loans", value=encode_version(record))

    def rows(self, parts: list[tuple[int, str]]) -> Examples:
        return stream(parts, self.model)

    def publish(self, rows: Examples, *, at_once: int = 100) -> None:
        for start in range(0, len(rows), at_once):
            some = rows.take(slice(start, start + at_once))
            for partition in np.unique(some.partition).tolist():
                self._producer.send(self.topics.examples, partition=partition, value=record_of(some.take(some.partition == partition)))
        self._producer.flush()

    def alert(self, alert: Alert) -> None:
        self._producer.send(self.topics.alerts, key=b"loans", value=encode_alert(alert)).get(10)

    def ask(self, request: Request) -> None:
        self._producer.send(self.topics.requests, key=request.model.encode(), value=encode_request(request)).get(10)

    def announce(self, record: Version) -> None:
        self._producer.send(self.topics.versions, key=b"loans", value=encode_version(record)).get(10)

    def versions(self) -> list[Version]:
        return [record for record in read_versions(self.connection).get("loans", []) if record.version != "1"]

    def decisions(self) -> list[Decision]:
        return read_decisions(self.connection, "loans")

    def fits(self) -> list[str]:
        log = self.folder / "fits"
        return log.read_text().split() if log.exists() else []

    def retrainer(self, name: str, death: Death | None = None) -> multiprocessing.process.BaseProcess:
        """A retrainer in a process of its own, that is killed where ``death`` says."""
        process = multiprocessing.get_context("fork").Process(target=_retrain, args=(self.connection, self.registry, name, death), daemon=True)
        process.start()
        return process

    def die(self, death: Death) -> None:
        """Run a retrainer until it is killed."""
        process = self.retrainer("r0", death)
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL, f"it was to die {death}; exit code {process.exitcode}"

    def run_until(self, happened: Callable[[], bool], *, name: str = "r0") -> None:
        """Run a retrainer in this process until something has happened."""
        stopping = threading.Event()
        thread = threading.Thread(target=RetrainerProcess(self.connection, self.registry, datasets=self.datasets, name=name, trainers=TRAINERS).run, args=(stopping,))
        thread.start()
        try:
            eventually(happened)
        finally:
            stopping.set()
            thread.join(PATIENCE)

    def ended(self, cause: str = "a1") -> bool:
        return any(one.cause == cause and one.reason.startswith("cause ended") for one in self.decisions())

    def close(self) -> None:
        tree_trainer.fits, tree_trainer.deadly = None, False
        self._producer.close()


Death = tuple[str, str]
"""When, and at which decision: ("before" | "inside" | "after" its transaction, name of an instruction), or ("during", "training")."""


class DeadlyAnnouncements(Announcements):
    """Dies around the transaction that tells of a decision."""

    death: Death = ("", "")

    def write(self, records: Sequence[Record], *, check: Callable[[Offsets], None] | None = None) -> None:
        when, instruction = self.death
        told = [decode_decision(value).instruction for topic, _, value in records if topic.endswith("retraining.decisions")]
        deadly = instruction in told
        if deadly and when == "inside":
            self._producer.begin_transaction()
            for topic, key, value in records:
                self._producer.send(topic, key=key, value=value).get(30)  # all of it is in the log, and not committed
        if deadly and when in {"before", "inside"}:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(records, check=check)
        if deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def _retrain(connection: KafkaConnection, registry: FilesRegistry, name: str, death: Death | None) -> None:
    import streams.retrainer as module

    if death is not None:
        tree_trainer.deadly = death[0] == "during"
        DeadlyAnnouncements.death = death
        module.Announcements = DeadlyAnnouncements  # type: ignore[misc]
    RetrainerProcess(connection, registry, name=name, trainers=TRAINERS).run(threading.Event())
