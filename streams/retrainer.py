"""`driftwarden retrainer`: alerts, requests and examples from Kafka into the closed loop of each model; versions back.

The topics are the memory: after a restart, everything that is retained is read again, and causes that have been answered are answered alike.
Run one; a second would train the same causes.
"""

from __future__ import annotations

import logging
import resource
import threading
from collections.abc import Callable, Iterable
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.errors import EventError
from detectors.monitor import Monitor
from detectors.point import Point
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.decision import Decision
from retrainer.loop import RetrainLoop
from retrainer.provenance import provenance
from retrainer.registry import Registry
from retrainer.trainers import trainer_named
from retrainer.training_set import TrainingSet
from retrainer.versions import Request, Version
from streams.connection import KafkaConnection
from streams.dataset_files import DatasetFiles
from streams.examples_codec import decode_examples
from streams.monitor_codec import decode_record
from streams.wire import decode_alert, decode_request, decode_version, encode_decision, encode_points, encode_version

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 200
ACKNOWLEDGED_WITHIN = 30.0  # seconds; a broker that is away for longer stops the process, for its supervisor to start it again


class RetrainerProcess:
    """Retrains every monitored model.

    Parameters
    ----------
    connection : how to reach Kafka.
    registry : where model artifacts go.
    datasets : where training sets are kept; default: they are not.
    seed : of every training.
    """

    def __init__(self, connection: KafkaConnection, registry: Registry, *, datasets: DatasetFiles | None = None, seed: int = 0) -> None:
        self._names = connection.topics
        self._registry = registry
        self._datasets = datasets
        self._seed = seed
        self._specifications: dict[str, MonitorSpecification] = {}
        self._records: dict[str, list[Version]] = {}
        self._loops: dict[str, RetrainLoop] = {}
        self._consumer = KafkaConsumer(**connection.client_arguments(), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_bytes=2**24)
        self._producer = KafkaProducer(**connection.client_arguments(), acks="all", enable_idempotence=True)
        self._handlers: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], None]]] = {
            self._names.monitors: (decode_record, self._on_monitor),
            self._names.versions: (decode_version, self._on_version),
            self._names.requests: (decode_request, self._on_request),
            self._names.alerts: (decode_alert, self._on_alert),
            self._names.examples: (decode_examples, self._on_examples),
        }

    def run(self, stopping: threading.Event) -> None:
        """Read until told to stop; an error of Kafka or of the registry ends the process with nothing half announced."""
        try:
            self._assign([self._names.monitors, self._names.versions])
            self._catch_up()
            self._assign(list(self._handlers), keep=True)
            logger.info("watching %d models: %s", len(self._specifications), ", ".join(sorted(self._specifications)) or "none yet")
            while not stopping.is_set():
                self._poll()
        finally:
            self._consumer.close()
            self._producer.close()

    def _assign(self, topics: list[str], *, keep: bool = False) -> None:
        before = {partition: self._consumer.position(partition) for partition in self._consumer.assignment()} if keep else {}
        partitions = [TopicPartition(topic, number) for topic in topics for number in sorted(self._consumer.partitions_for_topic(topic) or ())]
        self._consumer.assign(partitions)
        for partition in partitions:
            if partition in before:
                self._consumer.seek(partition, before[partition])
            else:
                self._consumer.seek_to_beginning(partition)

    def _catch_up(self) -> None:
        """What is monitored and which versions there are is known before the first alert."""
        ends = self._consumer.end_offsets(list(self._consumer.assignment()))
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            self._poll()

    def _poll(self) -> None:
        fetched = self._consumer.poll(POLL_MILLISECONDS)
        order = list(self._handlers)
        for partition in sorted(fetched, key=lambda one: (order.index(one.topic), one.partition)):
            for record in fetched[partition]:
                if record.value is not None:
                    self._take(record)

    def _take(self, record: Any) -> None:
        decode, take = self._handlers[record.topic]
        try:
            item = decode(record.value)
        except (EventError, KeyError, ValueError) as error:  # ValueError is what msgspec, pydantic and pyarrow raise, too
            logger.warning("%s[%d], offset %d: a record that cannot be read is left out: %s", record.topic, record.partition, record.offset, error)
        else:
            take(item)

    def _on_monitor(self, monitor: Monitor | Acknowledgement) -> None:
        if isinstance(monitor, Acknowledgement):
            return  # the alert's own record says that it is over
        specification = monitor.specification
        self._specifications[specification.model] = specification
        if specification.model in self._loops:
            self._loops[specification.model].follow(specification, trainer_named(specification.retrain.trainer))

    def _on_version(self, version: Version) -> None:
        self._records.setdefault(version.model, []).append(version)
        if version.model in self._loops:
            self._announce(self._loops[version.model].on_version(version))

    def _on_request(self, request: Request) -> None:
        loop = self._loop(request.model)
        if loop is not None:
            self._announce(loop.on_request(request, request.requested_at))
            return
        why = f"no monitor of '{request.model}' is applied, so nothing is known of its rows; apply one with: driftwarden monitor apply"
        self._announce(
            [Decision(model=request.model, at=request.requested_at, event="RetrainRequested", stage="serving", instruction="DoNothing", cause=request.request_id, reason=why)]
        )

    def _on_alert(self, alert: Alert) -> None:
        loop = self._loop(alert.model)
        if loop is not None:
            self._announce(loop.on_alert(alert, alert.updated_at))

    def _on_examples(self, of_models: list[Examples]) -> None:
        for examples in of_models:
            loop = self._loop(examples.model)
            if loop is not None:
                self._announce(loop.on_examples(examples))

    def _loop(self, model: str) -> RetrainLoop | None:
        specification = self._specifications.get(model)
        if specification is None:
            return None
        if model not in self._loops:
            trainer = trainer_named(specification.retrain.trainer)
            self._loops[model] = RetrainLoop(
                specification,
                trainer,
                self._registry,
                records=self._records.get(model, ()),
                topic=self._names.inference_events,
                seed=self._seed,
                keep=self._keep,
                meter=processor_seconds,
                provenance=provenance,
            )
        return self._loops[model]

    def _keep(self, chosen: TrainingSet, lineage: dict[str, Any]) -> None:
        if self._datasets is not None:
            self._datasets.keep(chosen, lineage)

    def _announce(self, told: Iterable[Decision | Version]) -> None:
        """Versions, and every decision with its reason, acknowledged before anything else is read."""
        pending = []
        for item in told:
            key = item.model.encode()
            if isinstance(item, Version):
                self._registry.note(item)
                logger.info("model '%s': version %s %s (cause: %s)", item.model, item.version, item.status, item.cause)
                pending.append(self._producer.send(self._names.versions, key=key, value=encode_version(item)))
            else:
                logger.info("model '%s': %s: %s (%s)", item.model, item.instruction, item.reason, item.cause)
                pending.append(self._producer.send(self._names.decisions, key=key, value=encode_decision(item)))
                pending.append(self._producer.send(self._names.metrics, key=key, value=encode_points([decision_point(item)])))
        for future in pending:
            future.get(ACKNOWLEDGED_WITHIN)


def processor_seconds() -> float:
    """Processor time of this process and of the children that it waited for, all threads together."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def decision_point(decision: Decision) -> Point:
    """A decision as a point, so that dashboards show why there was a training, and why there was none."""
    fields: dict[str, float | int | bool | str] = {
        "event": decision.event,
        "stage": decision.stage,
        "cause": decision.cause,
        "reason": decision.reason,
        "version": decision.version,
    }
    return Point(measurement="retraining", tags={"model": decision.model, "instruction": decision.instruction}, fields=fields, time=decision.at)
