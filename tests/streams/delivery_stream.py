"""A stream that is published to a real Kafka, workers that read it as processes of their own, and what they made of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from detectors.alerts.alert import Alert
from detectors.duration import parse_duration
from detectors.monitor import Monitor
from detectors.profile import Profile
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from streams.alert_subscriber import AlertSubscriber
from streams.monitor_codec import encode_monitor, monitor_key
from streams.partitioner import partition_of
from streams.topics import Topics
from streams.wire import decode_points
from tests.detectors.event_samples import AGE, OUTCOME, PLAN, specification
from tests.waiting import PATIENCE

PARTITIONS = 4
START = 1_700_000_000_000
STEP = 50  # milliseconds of event time between two events: 200 in a pane
LABEL_DELAY = 100  # events
REFERENCE = Reference(
    profile=Profile(
        rows=4_000,
        features={"age": AGE.model_copy(update={"counts": (1_000, 2_000, 1_000)}), "plan": PLAN.model_copy(update={"counts": (3_000, 1_000)})},
        prediction=OUTCOME.model_copy(update={"counts": (2_000, 2_000)}),
        label=OUTCOME.model_copy(update={"counts": (2_000, 2_000)}),
    )
)


class WorkerProcess:
    """A worker, and what it printed."""

    def __init__(self, broker: str, topics: Topics, log: Path, name: str, faults: tuple[str, ...], settings: dict[str, str], environment: dict[str, str]) -> None:
        self._log = log
        program = [sys.executable, "-m", "tests.streams.faulty_worker", *faults]
        told = os.environ | {
            "DRIFTWARDEN_BOOTSTRAP": broker,
            "DRIFTWARDEN_TOPIC_PREFIX": topics.prefix,
            "DRIFTWARDEN_WORKER_NAME": name,
            "DRIFTWARDEN_WORKER_EPOCH": "300ms",
            **{f"DRIFTWARDEN_WORKER_{key.upper()}": value for key, value in settings.items()},
            **environment,
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(program, env=told, stdout=output, stderr=subprocess.STDOUT)

    @property
    def printed(self) -> str:
        return self._log.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as a supervisor would."""
        if self.running:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def exit_code(self) -> int:
        """Wait until it ends by itself."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker still runs; it printed:\n{self.printed[-3_000:]}") from None

    def is_stopped(self) -> bool:
        """Whether a SIGSTOP holds it."""
        return Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


class DeliveryStream:
    """Publishes predictions and labels of one model, and knows what its panes must hold."""

    def __init__(self, broker: str, topics: Topics, folder: Path) -> None:
        self.broker, self.topics = broker, topics
        self._folder = folder
        self._producer = KafkaProducer(bootstrap_servers=broker, linger_ms=20)
        self._workers: list[WorkerProcess] = []
        self._random = random.Random(7)  # noqa: S311  a stream, not a secret
        self.published = 0
        self.rows: list[tuple[float, str, str]] = []  # age, plan and outcome of each prediction
        self.predictions: Counter[int] = Counter()
        self.labels: Counter[int] = Counter()

    def apply(self, *, reference: Reference = REFERENCE, **more: object) -> None:
        applied: MonitorSpecification = specification(lateness=5_000, windows=(parse_duration("1m"),), **more).model_copy(update={"reference": reference})
        self.send_monitor("churn", 1, encode_monitor(Monitor(specification=applied)))

    def send_monitor(self, model: str, revision: int, value: bytes) -> None:
        """Write a record of the topic ``monitors``, whatever it says."""
        self._producer.send(self.topics.monitors, key=monitor_key(model, revision), value=value)
        self._producer.flush()

    def worker(self, name: str, *faults: str, environment: dict[str, str] | None = None, **settings: str) -> WorkerProcess:
        """Start one; ``faults`` as `tests.streams.faulty_worker` takes them."""
        log = self._folder / f"{name}-{len(self._workers)}.log"
        self._workers.append(WorkerProcess(self.broker, self.topics, log, name, faults, settings, environment or {}))
        return self._workers[-1]

    def publish(self, events: int, *, drifted: bool = False) -> None:
        """Go on with the stream: every third prediction has a label, a hundred events later."""
        for event in range(self.published, self.published + events):
            at = START + event * STEP
            age = 50.0 if drifted else self._random.choice((10.0, 30.0, 30.0, 50.0))
            plan = self._random.choice(("free", "free", "free", "paid"))
            outcome = self._random.choice(("no", "yes"))
            self.rows.append((age, plan, outcome))
            prediction = {"event_id": f"e{event}", "model": "churn", "model_version": "1", "timestamp": at, "features": {"age": age, "plan": plan}}
            self.send(f"e{event}", at, json.dumps(prediction | {"prediction": outcome}).encode())
            self.predictions[at // 10_000 * 10_000] += 1
            if event % 3 == 0 and event >= LABEL_DELAY:
                known = event - LABEL_DELAY
                label = {"kind": "label", "event_id": f"e{known}", "model": "churn", "timestamp": at, "label": "yes" if known % 2 else "no"}
                self.send(f"e{known}", at, json.dumps(label).encode())
                self.labels[at // 10_000 * 10_000] += 1
        self.published += events
        self._producer.flush()

    def publish_while(self, condition: Callable[[], bool], until: str, *, drifted: bool = False) -> None:
        """Go on at a thousand events a second, as long as a condition holds."""
        deadline = time.monotonic() + PATIENCE
        while condition():
            assert time.monotonic() < deadline, f"{until} did not happen in {PATIENCE:.0f} s\n{self._last_words()}"
            self.publish(100, drifted=drifted)
            time.sleep(0.1)

    def send(self, event_id: str, at: int, value: bytes | None) -> None:
        self._producer.send(self.topics.inference_events, partition=int(partition_of([event_id.encode()], PARTITIONS)[0]), key=event_id.encode(), timestamp_ms=at, value=value)

    def finish(self) -> None:
        """Move event time past the last pane, as `driftwarden publish` does."""
        for partition in range(PARTITIONS):
            self._producer.send(self.topics.inference_events, partition=partition, timestamp_ms=START + self.published * STEP + 60_000, value=b'{"kind":"time"}')
        self._producer.flush()

    def counted(self, *, revisions: int = 1) -> tuple[Counter[int], Counter[int]]:
        """Predictions and labels of all final panes; a pane that was told twice must have been told the same, but by a revision whose labels come in a later one's panes."""
        final: dict[tuple[int, str], set[tuple[int, int]]] = {}

        def complete() -> bool:
            return {start for start, _ in final} >= set(self.predictions)

        for record in self.records(self.topics.metrics, until=complete):
            for point in decode_points(record.value):
                if point.measurement == "traffic" and point.fields["final"]:
                    counts = int(point.fields["predictions"]), int(point.fields["labels"])
                    told = final.setdefault((point.time, point.tags["version"]), set())
                    told.add(counts)
                    assert len(told) <= revisions, f"pane {point.time} was told differently: {told}"
                    assert point.fields["late_after_close"] == 0, f"pane {(point.time - START) // 10_000}: {point.fields}"
        predictions: Counter[int] = Counter()
        labels: Counter[int] = Counter()
        for (start, _), told in final.items():
            for count, labelled in told:
                predictions[start] += count
                labels[start] += labelled
        return +predictions, +labels

    def records(self, topic: str, *, until: Callable[[], bool] = lambda: True) -> Iterator[Any]:
        """Records of a topic from its beginning to its end, and on until enough were seen."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker, auto_offset_reset="earliest", enable_auto_commit=False)
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        deadline = time.monotonic() + PATIENCE
        try:
            while any(consumer.position(place) < end for place, end in consumer.end_offsets(places).items()) or not until():
                for records in consumer.poll(timeout_ms=200).values():
                    yield from records
                running = [worker.running for worker in self._workers]
                assert time.monotonic() < deadline, f"{topic} did not hold what was expected after {PATIENCE:.0f} s; workers run: {running}\n{self._last_words()}"
        finally:
            consumer.close()

    def _last_words(self) -> str:
        return "\n".join(worker.printed[-1_500:] for worker in self._workers)

    def alerts(self) -> list[Alert]:
        with AlertSubscriber(self.broker, topic_prefix=self.topics.prefix, from_beginning=True, idle=1.0) as subscriber:
            return list(subscriber)

    def alert_records(self) -> list[bytes]:
        """Every record of the alerts topic, repetitions included."""
        return [record.value for record in self.records(self.topics.alerts)]

    def committed(self, partition: int, *, group: str = "driftwarden") -> int | None:
        """Declared offset of a source partition."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker, group_id=f"{self.topics.prefix}{group}", enable_auto_commit=False)
        try:
            return consumer.committed(TopicPartition(self.topics.inference_events, partition))
        finally:
            consumer.close(autocommit=False)

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._producer.close()


@contextmanager
def delivery_stream(broker: str, topics: Topics, folder: Path) -> Iterator[DeliveryStream]:
    stream = DeliveryStream(broker, topics, folder)
    try:
        yield stream
    finally:
        stream.close()
