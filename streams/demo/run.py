"""Runs the demonstration: a broker, two workers, the retrainer, a service, and the stream through all of them."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from kafka import KafkaProducer
from rich.console import Console

from detectors.errors import DriftwardenError
from detectors.event_batch import Column, Float64
from detectors.monitor import Monitor
from retrainer.bootstrap import bootstrap_champion
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Model, trainer_named
from retrainer.versions import Request
from streams import Publisher
from streams.broker import free_port, running_broker
from streams.connection import KafkaConnection, connect
from streams.dataset_files import DatasetFiles
from streams.demo.observer import Observer
from streams.demo.open_page import open_page
from streams.demo.outcome import Check, Counts, Ledger, checks, row_of, stretches
from streams.demo.processes import Processes
from streams.demo.scoreboard import AdwinHabit, PsiHabit, Score, score
from streams.demo.screen import Frame, Screen, summary
from streams.demo.story import Story
from streams.file_events import ColumnNames, feature_columns, input_columns, outcome_column
from streams.measured_reference import with_measured_performance
from streams.monitor_codec import encode_monitor, monitor_key
from streams.monitor_file import save_specification
from streams.report import view_of, write_report
from streams.topics import create_topics
from streams.wire import encode_request, encode_version

BATCH = 25  # rows in a request to the service
READY_WITHIN = 60  # seconds
COUNTED_WITHIN = 180  # where others use the machine, panes that close late are no lost ones
DOWN = 2.0  # seconds that the killed worker stays down, as a supervisor's pause would be
WORKERS = ("worker-1", "worker-2")


class DemoError(DriftwardenError):
    """The demonstration could not run; the message holds the end of the log of what failed."""


@dataclass
class Lived:
    """What happened to every row so far."""

    predictions: list[object] = field(default_factory=list)
    version: list[str] = field(default_factory=list)
    labels: int = 0


class Demonstration:
    """One run.

    Parameters
    ----------
    story : what to live through.
    folder : for logs, models and the report.
    rate : events a second.
    seed : of the trainings.
    influx : write the points to the InfluxDB of the environment, too, so that Grafana's boards show the demonstration.
    stay : open the live page, and keep it open behind the end, until Ctrl-C.
    """

    def __init__(self, story: Story, folder: Path, console: Console, *, rate: float, seed: int, influx: bool = False, stay: bool = False) -> None:
        self._folder = folder
        self._console = console
        self._rate = rate
        self._seed = seed
        self._influx = influx
        self._stay = stay
        self._registry = FilesRegistry(folder / "models")
        self._datasets = folder / "datasets"
        self._trainer = trainer_named("scikit-learn")
        specification = with_measured_performance(story.specification, story.reference, ColumnNames(label=story.target), self._trainer)
        self._story = Story(**{**vars(story), "specification": specification})
        self._classification = specification.task == "classification"
        self._metric = "accuracy" if self._classification else "mae"
        self._lived = Lived()
        self._notes: list[str] = []
        self._killed_at: float | None = None
        self._restarted = False

    def run(self) -> list[Check]:
        """Live through the story; returns what had to happen, and whether it did."""
        shutil.rmtree(self._folder / "models", ignore_errors=True)  # of the run before
        self._folder.mkdir(parents=True, exist_ok=True)
        for log in self._folder.glob("*.log"):
            log.unlink()
        with running_broker() as bootstrap:
            connection = connect(bootstrap)
            create_topics(bootstrap)
            if not self._stay:
                return self._told(bootstrap, connection)
            with open_page(self._folder, bootstrap, self._console) as page:
                found = self._told(bootstrap, connection)
                self._console.print(f"the page stays open: {page.address}  (Ctrl-C ends)", highlight=False, soft_wrap=True)
                page.stay()
                return found

    def _told(self, bootstrap: str, connection: KafkaConnection) -> list[Check]:
        """The story from its first to its last row, and what came of it."""
        champion, port = self._first_champion(connection), free_port()
        with self._processes(bootstrap, port) as processes, Screen(self._console, self._metric) as screen, Publisher(bootstrap) as publisher:
            observer = Observer(connection)
            service = self._ready(processes, port)
            screen.say("two workers, the retrainer and the service are up")
            self._stream(processes, screen, publisher, observer, service, connection)
            counts = self._settle(processes, publisher, observer, service)
        observer.stop()
        return self._conclude(observer, counts, champion)

    def _first_champion(self, connection: KafkaConnection) -> Model:
        story = self._story
        at = int(story.time[0])
        features, label = input_columns(story.specification, story.reference), outcome_column(story.specification, story.reference, story.target)
        keep = DatasetFiles(self._datasets).keep
        records = bootstrap_champion(features, label, specification=story.specification, trainer=self._trainer, registry=self._registry, at=at, keep=keep)
        producer = KafkaProducer(**connection.client_arguments(), acks="all")
        topics, model = connection.topics, story.specification.model
        producer.send(topics.monitors, key=monitor_key(model, 1), value=encode_monitor(Monitor(specification=story.specification)))
        for record in records:
            producer.send(topics.versions, key=model.encode(), value=encode_version(record))
        producer.close()
        return self._registry.fetch(records[-1].uri, records[-1].digest)

    @contextmanager
    def _processes(self, bootstrap: str, port: int) -> Iterator[Processes]:
        processes = Processes(self._folder, {"DRIFTWARDEN_BOOTSTRAP": bootstrap, "DRIFTWARDEN_REGISTRY": str(self._folder / "models"), "DRIFTWARDEN_DATASETS": str(self._datasets)})
        try:
            for name in WORKERS:
                processes.start(name, "streams.cli", "worker", "--name", name)
            processes.start("retrainer", "streams.cli", "retrainer", "--seed", str(self._seed))
            if self._influx:
                processes.start("influx-sink", "streams.cli", "influx", "sink")
            processes.start("service", "streams.demo.service", self._story.specification.model, str(self._folder / "models"), str(port))
            yield processes
        finally:
            processes.stop()

    def _ready(self, processes: Processes, port: int) -> http.client.HTTPConnection:
        service = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            self._all_run(processes)
            try:
                service.request("GET", "/flush")
                service.getresponse().read()
            except OSError:
                service.close()
                time.sleep(0.2)
            else:
                return service
        raise DemoError(f"the service did not answer within {READY_WITHIN} s; its log ends:\n{processes.log_tail('service')}")

    def _all_run(self, processes: Processes) -> None:
        expected = {WORKERS[0]} if self._killed_at is not None and not self._restarted else set()
        for name, code in processes.ended().items():
            if name not in expected:
                raise DemoError(f"{name} ended with exit code {code}; its log ends:\n{processes.log_tail(name)}")

    def _stream(self, processes: Processes, screen: Screen, publisher: Publisher, observer: Observer, service: http.client.HTTPConnection, connection: KafkaConnection) -> None:
        story, rows = self._story, len(self._story)
        self._psi, self._adwin = PsiHabit(feature_columns(story.specification, story.reference)), AdwinHabit()
        began = time.monotonic()
        shown = 0.0
        for start in range(0, rows, BATCH):
            end = min(start + BATCH, rows)
            self._predict(service, start, end)
            self._label(publisher, max(0, start - story.label_delay), max(0, end - story.label_delay), at=int(story.time[end - 1]))
            self._act(processes, connection, start, end)
            now = time.monotonic()
            if now - shown > 0.5:
                shown = now
                self._all_run(processes)
                if observer.error is not None:
                    raise DemoError(f"the topics cannot be read: {observer.error}")
                screen.show(self._frame(observer, end, end / (now - began)))
            ahead = began + end / self._rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        self._label(publisher, max(0, rows - story.label_delay), rows, at=int(story.time[-1]))

    def _predict(self, service: http.client.HTTPConnection, start: int, end: int) -> None:
        features = {name: column[start:end] for name, column in self._story.features.items()}
        asked = {
            "event_ids": [f"e{row}" for row in range(start, end)],
            "timestamps": self._story.time[start:end].tolist(),
            "features": {name: [None if value != value else value for value in column.tolist()] for name, column in features.items()},  # noqa: PLR0124  nan is not JSON
        }
        service.request("POST", "/predict", json.dumps(asked), {"Content-Type": "application/json"})
        answer = json.loads(service.getresponse().read())
        self._lived.predictions += answer["predictions"]
        self._lived.version += [answer["version"]] * (end - start)
        self._psi.add(features, end)

    def _label(self, publisher: Publisher, start: int, end: int, *, at: int) -> None:
        for row in range(start, end):
            label = self._story.label[row]
            if label is not None and label == label:  # noqa: PLR0124  nan is no label
                publisher.label(event_id=f"e{row}", model=self._story.specification.model, label=label, timestamp=max(at, int(self._story.time[row])))
                self._lived.labels += 1
        if self._classification and end > start:
            losses = np.array([float(self._lived.predictions[row] != self._story.label[row]) for row in range(start, end)])
            self._adwin.add(losses, min(end + self._story.label_delay, len(self._story)))

    def _act(self, processes: Processes, connection: KafkaConnection, start: int, end: int) -> None:
        """What the story has people and accidents do."""
        story = self._story
        if story.request_at is not None and start <= story.request_at < end:
            known = start - story.label_delay
            self._request(connection, since=int(story.time[known - story.request_rows]), until=int(story.time[known]), at=int(story.time[start]))
            self._notes.append(f"somebody asks for a training on {story.request_rows} labels, as only the newest data count")
        if start <= story.kill_at < end:
            processes.kill(WORKERS[0])
            self._killed_at = time.monotonic()
            self._notes.append(f"{WORKERS[0]} was killed with kill -9")
        if self._killed_at is not None and not self._restarted and time.monotonic() > self._killed_at + DOWN:
            processes.start(WORKERS[0], "streams.cli", "worker", "--name", WORKERS[0])
            self._restarted = True
            self._notes.append(f"{WORKERS[0]} was started again by its supervisor")

    def _request(self, connection: KafkaConnection, *, since: int, until: int, at: int) -> None:
        model = self._story.specification.model
        request = Request(request_id="ada-1", model=model, reason="only the newest data count", cause="ada", requested_at=at, since=since, until=until)
        producer = KafkaProducer(**connection.client_arguments(), acks="all")
        producer.send(connection.topics.requests, key=model.encode(), value=encode_request(request))
        producer.close()

    def _frame(self, observer: Observer, done: int, per_second: float) -> Frame:
        scene = self._story.scene_at(done - 1)
        performance = [
            (
                point.tags["window"],
                float(point.fields.get(self._metric, np.nan)),
                float(point.fields.get(f"{self._metric}_low", np.nan)),
                float(point.fields.get(f"{self._metric}_high", np.nan)),
            )
            for point in observer.newest("performance")
        ]
        down = self._killed_at is not None and not self._restarted
        return Frame(
            rows=len(self._story),
            done=done,
            per_second=per_second,
            counted=observer.total("predictions"),
            version=self._lived.version[-1],
            scene=scene.name,
            told=scene.told,
            workers="1 worker, 1 killed" if down else "2 workers",
            performance=sorted(performance),
            drift=observer.newest("monitor"),
            alerts=observer.alerts,
            versions=[version for version in observer.versions if version.version != "1"],
            scores=self._scores(observer),
            notes=tuple(self._notes),
        )

    def _scores(self, observer: Observer) -> list[Score]:
        changes = {scene.name: scene.start for scene in self._story.scenes if scene.start > 0}
        ours = [row_of(self._story, alert.opened_at) for alert in observer.alerts if alert.status == "opened"]
        scores = [score("PSI > .2, chunks of 500", self._psi.alarms, changes), score("ADWIN, default, on errors", self._adwin.alarms, changes)]
        return [*scores, score("Driftwarden", ours, changes)]

    def _settle(self, processes: Processes, publisher: Publisher, observer: Observer, service: http.client.HTTPConnection) -> Counts:
        """End event time, wait until every pane is final, and count once: at the first moment that the counts are equal, more might still come."""
        specification = self._story.specification
        service.request("GET", "/flush")
        flushed = json.loads(service.getresponse().read())["flushed"]
        if not (flushed and publisher.flush(30)):
            raise DemoError("not everything was acknowledged by Kafka within 30 s")
        publisher.advance(int(self._story.time[-1]) + specification.lateness + 2 * specification.pane)
        publisher.flush(30)
        panes = set((self._story.time // specification.pane * specification.pane).tolist())
        deadline = time.monotonic() + COUNTED_WITHIN
        while not panes <= observer.final_panes() and time.monotonic() < deadline:
            self._all_run(processes)
            time.sleep(0.3)
        return Counts(
            predictions=len(self._lived.predictions),
            labels=self._lived.labels,
            counted_predictions=observer.total("predictions") + observer.total("late"),
            counted_labels=observer.total("labels") + observer.total("late_labels"),
        )

    def _conclude(self, observer: Observer, counts: Counts, first: Model) -> list[Check]:
        story = self._story
        ledger = Ledger(made=self._losses(self._lived.predictions), static=self._losses(first.predict(story.features)), version=self._lived.version)
        found = checks(story, ledger, counts, observer.alerts, observer.versions, killed=self._restarted)
        losses, scores = stretches(story, ledger), self._scores(observer)
        self._console.print()
        summary(self._console, metric=self._metric, losses=losses, scores=scores, checks=found, versions=observer.versions, accuracy=self._classification)
        report, monitor = self._folder / "report.html", self._folder / "monitor.yaml"
        save_specification(story.specification, monitor)
        view = view_of(
            specification=story.specification,
            points=observer.points,
            alerts=observer.alerts,
            versions=observer.versions,
            title="Driftwarden, demonstration",
            notes=[
                *(f"{scene.name}, from row {scene.start:,}: {scene.told}" for scene in story.scenes),
                *(f"{'ok' if check.happened else 'NOT'}: {check.what} ({check.seen})" for check in found),
            ],
            scoreboard=[_row(one) for one in scores],
        )
        write_report(report, view)
        self._console.print(f"\nreport: {report}", highlight=False, soft_wrap=True)
        self._console.print("the same on your own file: make demo DATA=your.csv TARGET=column", highlight=False)
        return found

    def _losses(self, predictions: list[object] | Column) -> Float64:
        label = self._story.label
        if self._classification:
            return np.array([np.nan if truth is None else float(made != truth) for made, truth in zip(predictions, label, strict=True)])
        return np.abs(np.asarray(predictions, np.float64) - label)


def _row(one: Score) -> dict[str, str]:
    delays = {f"delay, {name} (events)": "-" if delay is None else f"{delay:,}" for name, delay in one.delays.items()}
    return {"method": one.method, "false alarms" if delays else "alarms": str(one.false_alarms)} | delays
