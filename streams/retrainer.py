"""`driftwarden retrainer`: alerts, requests and examples from Kafka into the closed loop of each model; versions and decisions back.

What is announced and the state that follows from it are one transaction, so one that was killed goes on where its last announcement left it: nothing is announced twice, nothing
is lost. Run as many as you like: one acts, another takes over when it is gone. A training whose version was not announced yet did not happen, and is done again.
"""

from __future__ import annotations

import logging
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from kafka import KafkaConsumer, TopicPartition

from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.errors import DriftwardenError, EventError
from detectors.event_batch import Int64
from detectors.monitor import Monitor
from detectors.point import Point
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.canary import canary
from retrainer.decision import Decision
from retrainer.loop import RetrainLoop
from retrainer.provenance import provenance
from retrainer.registry import DigestError, GoneError, Registry
from retrainer.training_set import TrainingSet, row_times
from retrainer.versions import Request, Version
from streams.allowed_trainers import TrainerSettings, trainer_for
from streams.announcements import Announcements, Record
from streams.connection import KafkaConnection
from streams.dataset_files import DatasetFiles
from streams.event_clock import EventClock
from streams.examples_codec import decode_examples
from streams.monitor_codec import decode_record
from streams.patient_registry import PatientRegistry
from streams.retrainer_state import KeptRows, Place, SavedModel, SavedRetraining, encode_model, encode_positions
from streams.retrainer_turn import Turn
from streams.telemetry.consumer_lag import tell_lag
from streams.telemetry.figures import Figures
from streams.telemetry.settings import MetricsSettings
from streams.version_numbers import NumberTakenError, numbered, refuse_taken
from streams.wire import decode_alert, decode_request, decode_version, encode_decision, encode_points, encode_version

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 200
SAVED_EVERY = 5.0  # seconds; what was read since is read again after a crash


class RetrainerProcess:
    """Retrains every monitored model, when it is its turn.

    Parameters
    ----------
    connection : how to reach Kafka.
    registry : where model artifacts go.
    datasets : where training sets are kept; default: they are not.
    name : of this retrainer, see `Turn`.
    seed : of every training.
    figures : take what it tells of itself; default: nobody looks at them.
    trainers : which of the users' own may be run; default: as the environment says.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        registry: Registry,
        *,
        datasets: DatasetFiles | None = None,
        name: str | None = None,
        seed: int = 0,
        figures: Figures | None = None,
        trainers: TrainerSettings | None = None,
    ) -> None:
        self._connection, self._registry, self._datasets, self._seed = connection, registry, datasets, seed
        self._trainers = trainers or TrainerSettings()
        self._figures = figures or Figures("retrainer", name or socket.gethostname())
        self._turn = Turn(connection, name)
        self._acting: Acting | None = None

    @property
    def is_deciding(self) -> bool:
        """Whether something is decided on a model, be it that a challenger is trained: what takes its time for another reason waits for Kafka."""
        return self._acting is not None and self._acting.is_deciding

    def run(self, stopping: threading.Event) -> None:
        """Act whenever it is this one's turn, until told to stop; an error of Kafka, or of a registry that stays away, ends the process with nothing half announced."""
        try:
            while not stopping.is_set():
                is_mine = self._turn.is_mine(POLL_MILLISECONDS)
                if is_mine:
                    self._act(stopping)
                self._figures.waits_for = ""  # one that stands by is ready to
        finally:
            self._turn.close()

    def _act(self, stopping: threading.Event) -> None:
        self._figures.waits_for = "it takes up where the retrainer before it left off"
        patient, announcements = PatientRegistry(self._registry, stopping), Announcements(self._connection)
        acting = Acting(self._connection, patient, announcements, figures=self._figures, trainers=self._trainers, datasets=self._datasets, seed=self._seed)
        self._acting = acting
        try:
            acting.take_up()
            self._figures.waits_for = ""
            self._figures.set("retrainer_acting", 1)
            while not stopping.is_set() and self._turn.is_mine():
                acting.poll()
            if not stopping.is_set():
                logger.info("another retrainer acts now")
        except NumberTakenError as taken:
            logger.warning("%s; what was decided since is decided again", taken)
        finally:
            self._figures.set("retrainer_acting", 0)
            acting.close()


class Acting:
    """The retrainer that acts.

    Parameters
    ----------
    connection, registry, figures, trainers, datasets, seed : as of `RetrainerProcess`.
    announcements : takes what is to be written.

    Attributes
    ----------
    is_deciding : whether a model's loop is asked, which may train.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        registry: Registry,
        announcements: Announcements,
        *,
        figures: Figures,
        trainers: TrainerSettings,
        datasets: DatasetFiles | None = None,
        seed: int = 0,
    ) -> None:
        self._connection, self._names, self._trainers = connection, connection.topics, trainers
        self._figures = figures
        self._registry, self._announcements, self._datasets, self._seed = registry, announcements, datasets, seed
        self._specifications: dict[str, MonitorSpecification] = {}
        self._records: dict[str, list[Version]] = {}
        self._loops: dict[str, RetrainLoop] = {}
        self._left_alone: dict[str, str] = {}  # model to the reason
        self._kept: dict[str, KeptRows] = {}
        self._saved = SavedRetraining()
        self._positions: dict[Place, int] = {}
        self._changed: set[str] = set()
        self._told_forgotten: set[tuple[str, str]] = set()
        self.is_deciding = False
        self._event_clock = EventClock()
        self._sharing: set[str] = set()  # models that have a canary
        self._points_every = MetricsSettings().points_every / 1_000
        self._saved_at = self._told_at = time.monotonic()
        arguments = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "fetch_max_bytes": 2**24, "isolation_level": "read_committed"}
        self._consumer = KafkaConsumer(**connection.client_arguments(), **arguments)
        self._handlers: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, Any], None]]] = {
            self._names.monitors: (decode_record, self._on_monitor),
            self._names.versions: (decode_version, self._on_version),
            self._names.requests: (decode_request, self._on_request),
            self._names.alerts: (decode_alert, self._on_alert),
            self._names.examples: (decode_examples, self._on_examples),
        }

    def close(self) -> None:
        """Stop; what was decided was written."""
        self._consumer.close()
        self._announcements.close()

    def take_up(self) -> None:
        """Go on from what was saved: state, monitors and versions first, then the newest rows of each model, then what came since."""
        for record in self._whole(self._names.retraining_state):
            if record.value is not None:
                self._saved.take(record.key, record.value)
        self._positions = dict(self._saved.positions)
        for topic in (self._names.monitors, self._names.versions):
            for record in self._whole(topic):
                self._take(record)
        models = {model: saved for model, saved in self._saved.models.items() if model in self._specifications}
        rows = self._rows_of(models)
        for model, saved in models.items():
            self._kept[model] = KeptRows(2 * self._specifications[model].retrain.quotas.max_rows, saved.kept)
            self._announce(self._told(model, partial(RetrainLoop.resume, saved=saved.loop, rows=rows.get(model, ()))), only_if_told=True)
        self._assign(self._handlers)
        logger.info("watching %d model%s: %s", len(self._specifications), "" if len(self._specifications) == 1 else "s", ", ".join(sorted(self._specifications)) or "none yet")

    def poll(self) -> None:
        """Read what has come, decide, and announce."""
        fetched = self._consumer.poll(POLL_MILLISECONDS)
        order = list(self._handlers)
        for partition in sorted(fetched, key=lambda one: (order.index(one.topic), one.partition)):
            for record in fetched[partition]:
                self._take(record)
        self._pass_time()
        if self._changed and time.monotonic() - self._saved_at >= SAVED_EVERY:
            self._announce(())
        if time.monotonic() - self._told_at >= self._points_every:
            self._tell_figures()

    def _pass_time(self) -> None:
        """Tell those who have a canary how late it is: no labelled row may ever come to tell them."""
        if not self._sharing or not self._has_read_all(self._names.examples):
            return
        for model in sorted(self._sharing):
            now = self._event_clock.now(model, time.time_ns() // 1_000_000)
            self._announce(self._told(model, partial(RetrainLoop.on_time, now=now)), only_if_told=True)

    def _has_read_all(self, topic: str) -> bool:
        """Whether there is nothing more to read of a topic, as of the last fetch."""
        ends = {partition: self._consumer.highwater(partition) for partition in self._consumer.assignment() if partition.topic == topic}
        return all(end is not None and self._consumer.position(partition) >= end for partition, end in ends.items())

    def _tell_figures(self) -> None:
        self._told_at = time.monotonic()
        tell_lag(self._figures, self._consumer, {TopicPartition(*place): offset for place, offset in self._positions.items()})
        self._figures.set("models", len(self._specifications))
        points = self._figures.points(time.time_ns() // 1_000_000)
        self._announcements.write([(self._names.metrics, self._figures.name.encode(), encode_points(points))])

    def _assign(self, topics: Iterable[str]) -> None:
        partitions = self._partitions(topics)
        self._consumer.assign(partitions)
        for partition in partitions:
            position = self._positions.get((partition.topic, partition.partition))
            if position is None:
                self._consumer.seek_to_beginning(partition)
            else:
                self._consumer.seek(partition, position)

    def _partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        known = {topic: self._consumer.partitions_for_topic(topic) for topic in topics}
        missing = [topic for topic, numbers in known.items() if not numbers]
        if missing:
            raise DriftwardenError(f"topics are missing: {', '.join(missing)}; make them with: driftwarden topics apply")
        return [TopicPartition(topic, number) for topic, numbers in known.items() for number in sorted(numbers)]

    def _whole(self, topic: str) -> Iterator[Any]:
        """Records of a topic from its beginning to the end that it has now."""
        partitions = self._partitions([topic])
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)
        yield from self._until(self._consumer.end_offsets(partitions))

    def _until(self, ends: dict[TopicPartition, int]) -> Iterator[Any]:
        """Records up to these offsets, of the partitions that are assigned."""
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            for partition, records in self._consumer.poll(POLL_MILLISECONDS).items():
                yield from (record for record in records if record.offset < ends[partition])

    def _rows_of(self, models: dict[str, SavedModel]) -> dict[str, list[Examples]]:
        """Rows that had been taken before the state was saved, as many as are to be at hand, in the order of their times as far as that of their partitions allows."""
        first: dict[int, int] = {}
        for saved in models.values():
            for partition, offset in KeptRows(0, saved.kept).first().items():
                first[partition] = min(first.get(partition, offset), offset)
        partitions = [TopicPartition(self._names.examples, partition) for partition in first]
        if not partitions:
            return {}
        self._consumer.assign(partitions)
        beginnings = self._consumer.beginning_offsets(partitions)
        for partition in partitions:
            self._consumer.seek(partition, max(first[partition.partition], beginnings[partition]))
        parts: dict[str, list[Examples]] = {}
        for record in self._until({partition: self._positions[(partition.topic, partition.partition)] for partition in partitions}):
            for rows in self._decoded(record) or ():
                if rows.model in models:
                    self._hear(rows, record)
                    parts.setdefault(rows.model, []).append(rows)
        together = {model: Examples.concatenate(found) for model, found in parts.items()}
        return {model: [rows.take(np.argsort(_as_they_came(rows), kind="stable"))] for model, rows in together.items()}

    def _decoded(self, record: Any) -> Any:
        """What a record says; None where it cannot be read."""
        try:
            return self._handlers[record.topic][0](record.value) if record.value is not None else None
        except (EventError, KeyError, ValueError) as error:  # ValueError is what msgspec, pydantic and pyarrow raise, too
            logger.warning("%s[%d], offset %d: a record that cannot be read is left out: %s", record.topic, record.partition, record.offset, error)
            return None

    def _take(self, record: Any) -> None:
        item = self._decoded(record)
        self._positions[(record.topic, record.partition)] = max(self._positions.get((record.topic, record.partition), 0), record.offset + 1)
        if item is not None:
            self._handlers[record.topic][1](item, record)

    def _on_monitor(self, monitor: Monitor | Acknowledgement, _: Any) -> None:
        if isinstance(monitor, Acknowledgement):
            return  # the alert's own record says that it is over
        specification = monitor.specification
        self._specifications[specification.model] = specification
        if specification.model in self._loops:
            self._loops[specification.model].follow(specification, trainer_for(specification, self._trainers))

    def _on_version(self, version: Version, record: Any) -> None:
        self._records.setdefault(version.model, []).append(version)
        if version.status == "canary":
            self._event_clock.tell(version.model, at=version.at, told_at=record.timestamp)
            self._sharing.add(version.model)
        elif version.model in self._sharing and canary(self._records[version.model]) is None:
            self._sharing.discard(version.model)
        chosen = version.by != "retrainer" and version.status in {"promoted", "rolled_back"}  # ours is older than what was found
        if chosen and self._left_alone.pop(version.model, ""):
            logger.info("model '%s': version %s is %s, so it is retrained again, unless that cannot be loaded either", version.model, version.version, version.status)
        elif version.model in self._loops:
            self._announce(self._told(version.model, partial(RetrainLoop.on_version, record=version)))

    def _on_request(self, request: Request, record: Any) -> None:
        at = self._event_clock.now(request.model, record.timestamp)  # when a person asks is another clock's time
        told = self._told(request.model, partial(RetrainLoop.on_request, request=request, now=at))
        why = self._left_alone.get(request.model, "")
        if request.model not in self._specifications:
            why = f"no monitor of '{request.model}' is applied, so nothing is known of its rows; apply one with: driftwarden monitor apply"
        self._announce(
            [Decision(model=request.model, at=at, event="RetrainRequested", stage="serving", instruction="DoNothing", cause=request.request_id, reason=why)] if why else told
        )

    def _on_alert(self, alert: Alert, _: Any) -> None:
        if alert.model not in self._specifications:
            return
        told = self._told(alert.model, partial(RetrainLoop.on_alert, alert=alert, now=alert.updated_at))
        why = self._left_alone.get(alert.model, "")
        event = f"Alert{alert.status.capitalize()}"
        self._announce([Decision(model=alert.model, at=alert.updated_at, event=event, stage="serving", instruction="DoNothing", cause=alert.alert_id, reason=why)] if why else told)

    def _on_examples(self, of_models: list[Examples], record: Any) -> None:
        told: list[Decision | Version] = []
        for examples in of_models:
            loop = self._loop(examples.model)
            if loop is not None:
                self._hear(examples, record)
                capacity = 2 * loop.specification.retrain.quotas.max_rows
                self._kept.setdefault(examples.model, KeptRows(capacity)).add(record.partition, record.offset, len(examples))
                told += self._told(examples.model, partial(RetrainLoop.on_examples, examples=examples))
        self._announce(told, only_if_told=True)

    def _hear(self, rows: Examples, record: Any) -> None:
        if len(rows):
            self._event_clock.tell(rows.model, at=int(row_times(rows, "outcome").max()), told_at=record.timestamp)

    def _told(self, model: str, asked: Callable[[RetrainLoop], list[Decision | Version]]) -> list[Decision | Version]:
        """What a model's loop says; where an artifact is not the one that was announced, or gone, the model is left alone from then on, and all others are retrained as ever."""
        loop = self._loop(model)
        if loop is None:
            return []
        self._changed.add(model)
        self.is_deciding = True
        try:
            return asked(loop)
        except (DigestError, GoneError) as error:
            why = f"'{model}' is not retrained, until another version serves or the retrainer is restarted with the file as it was: {error}"
            logger.error(why)  # noqa: TRY400  the story is the message
            self._left_alone[model] = why
            self._changed.discard(model)  # what was decided and not announced did not happen
            del self._loops[model]
            return []
        finally:
            self.is_deciding = False

    def _loop(self, model: str) -> RetrainLoop | None:
        specification = self._specifications.get(model)
        if specification is None or model in self._left_alone:
            return None
        if model not in self._loops:
            self._loops[model] = RetrainLoop(
                specification,
                trainer_for(specification, self._trainers),
                self._registry,
                records=self._records.get(model, ()),
                topic=self._names.inference_events,
                seed=self._seed,
                keep=self._keep,
                kept=self._rows_kept,
                meter=processor_seconds,
                provenance=self._provenance,
            )
        return self._loops[model]

    def _provenance(self, trainer: str) -> dict[str, Any]:
        return provenance("" if self._trainers.refusal(trainer) else trainer)  # to find a module is to import the package around it

    def _keep(self, chosen: TrainingSet, lineage: dict[str, Any]) -> None:
        # It is announced when it has ended, which may take long.
        logger.info("model '%s': a training on %d rows begins (%s)", lineage["model"], len(chosen.examples), lineage["cause"])
        if self._datasets is not None:
            self._datasets.keep(chosen, lineage)

    def _rows_kept(self, model: str, trained_on: Mapping[str, Any]) -> Examples | None:
        return None if self._datasets is None else self._datasets.rows_of(model, trained_on)

    def _announce(self, told: Iterable[Decision | Version], *, only_if_told: bool = False) -> None:
        """Versions, every decision with its reason, and the state that follows from them, written before anything else is read."""
        told = list(told)
        records: list[Record] = []
        for item in told:
            key = item.model.encode()
            if isinstance(item, Version):
                self._registry.note(item)
                logger.info("model '%s': version %s %s (cause: %s)", item.model, item.version, item.status, item.cause)
                records.append((self._names.versions, key, encode_version(item)))
                self._count_version(item)
            else:
                logger.info("model '%s': %s: %s (%s)", item.model, item.instruction, item.reason, item.cause)
                self._figures.count("decisions", item.instruction)
                records.append((self._names.decisions, key, encode_decision(item)))
                records.append((self._names.metrics, key, encode_points([decision_point(item)])))
        if only_if_told and not records:
            return
        new = numbered(told)
        check = partial(refuse_taken, self._connection, new, self._positions) if new else None
        self._announcements.write([*records, *self._state()], check=check)
        self._changed.clear()
        self._saved_at = time.monotonic()

    def _count_version(self, version: Version) -> None:
        self._figures.count("versions", version.status)
        outcome = outcome_of_training(version)
        if outcome is not None:
            self._figures.count("trainings", outcome)
            self._figures.count("training_cpu_seconds", by=version.metrics.get("cpu_seconds", 0.0))

    def _state(self) -> Iterator[Record]:
        """What has changed since the state was written last."""
        for model in sorted(self._changed):
            kept = self._kept[model].pieces if model in self._kept else ()
            yield self._names.retraining_state, *encode_model(SavedModel(model=model, loop=self._loops[model].save(), kept=kept))
            self._tell_forgotten(model)
        positions = {place: offset for place, offset in self._positions.items() if place[0] != self._names.monitors}  # these are read whole each time
        yield self._names.retraining_state, *encode_positions(positions)

    def _tell_forgotten(self, model: str) -> None:
        """Say that a bound of what is remembered was reached: once, as it will be from then on."""
        for name, story in self._loops[model].forgotten.items():
            if (model, name) not in self._told_forgotten:
                self._told_forgotten.add((model, name))
                logger.warning("model '%s': %s", model, story)


def outcome_of_training(version: Version) -> Literal["registered", "joined", "failed"] | None:
    """How the training ended that a record tells of: with a challenger, a member more of an adaptive champion, or without a model; None where it tells of none.

    Examples
    --------
    >>> trained, serves = (Version(model="churn", version="2", status=status, at=0, uri="files:2") for status in ("registered", "promoted"))
    >>> grown, learnt = (Version(model="churn", version="2", status="updated", at=0, uri="files:2", gate=gate) for gate in ({"cause": {}}, {}))
    >>> [outcome_of_training(one) for one in (trained, serves, grown, learnt, Version(model="churn", version="3", status="rejected", at=0))]
    ['registered', None, 'joined', None, 'failed']
    """
    if version.status == "registered":
        return "registered"
    if version.status == "rejected" and not version.uri:
        return "failed"
    return "joined" if version.status == "updated" and "cause" in version.gate else None


def _as_they_came(rows: Examples) -> Int64:
    """(n,) times that put rows of several partitions in order, without changing that of a partition's own."""
    times = row_times(rows, "outcome").copy()
    for partition in np.unique(rows.partition).tolist():
        mine = rows.partition == partition
        times[mine] = np.maximum.accumulate(times[mine])
    return times


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
