"""What the topics say of models, made up: a model whose accuracy falls, is told, and is trained again; and as many others as one asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from kafka import KafkaProducer

from detectors.alerts.alert import Alert
from detectors.monitor import Monitor
from detectors.point import Point
from detectors.profile import CategoricalProfile, NumericProfile, PerformanceProfile, Profile
from detectors.specification import Feature, MonitorSpecification, Reference
from detectors.verdict import Effect, Evidence, Status
from retrainer.decision import Decision
from retrainer.versions import Version, VersionStatus
from streams.connection import KafkaConnection
from streams.monitor_codec import encode_monitor, monitor_key
from streams.wire import encode_alert, encode_decision, encode_points, encode_version

HOSTILE = "<img src=x onerror=alert(1)>"
MODEL = "loans"
START = 1_700_000_000_000
PANE = 10_000


def specification(model: str = MODEL, features: Sequence[str] = ("salary", HOSTILE)) -> MonitorSpecification:
    numeric = NumericProfile(edges=(0.0,), counts=(500, 500), scores=(-0.8, 0.8), mean=0.0, deviation=1.0, minimum=-3.0, maximum=3.0)
    answer = CategoricalProfile(levels=("no", "yes"), counts=(500, 500))
    profile = Profile(rows=1_000, features=dict.fromkeys(features, numeric), prediction=answer, label=answer, performance=PerformanceProfile(rows=1_000, loss=0.1, deviation=0.3))
    return MonitorSpecification(model=model, features={name: Feature() for name in features}, reference=Reference(profile=profile))


def pane(place: int, *, model: str = MODEL, features: Iterable[str] = ("salary", HOSTILE), accuracy: float = 0.9, statistic: float = 1.0) -> list[Point]:
    """What detect tells when a pane closes."""
    at, tags = START + place * PANE, {"model": model}
    windowed, end = tags | {"window": "10m"}, at + PANE
    made = [
        Point(measurement="traffic", tags=tags | {"version": version, "segment": ""}, fields={"predictions": 700 + place % 7, "labels": 500, "final": True}, time=at)
        for version in ("1", "2")
    ]
    made += [
        Point(
            measurement="performance",
            tags=windowed,
            fields={"accuracy": accuracy, "accuracy_low": accuracy - 0.02, "accuracy_high": accuracy + 0.02, "f1": accuracy - 0.05, "roc_auc": accuracy + 0.03, "coverage": 0.8},
            time=end,
        ),
        Point(measurement="service", tags=windowed, fields={"failed": 0.001, "latency_p50": 12.0, "latency_p95": 40.0 + place % 5, "latency_p99": 80.0}, time=end),
        Point(measurement="estimate", tags=windowed, fields={"state": "ok", "estimated_accuracy": 0.9, "estimated_accuracy_low": 0.87, "estimated_accuracy_high": 0.93}, time=end),
    ]
    for number, feature in enumerate(features):
        drifted = number == 0 and statistic > 4
        fields: dict[str, Any] = {"status": int(Status.DRIFT if drifted else Status.OK), "state": "drift" if drifted else "ok", "statistic": statistic if number == 0 else 0.8}
        made += [
            Point(measurement="monitor", tags=tags | {"monitor": f"feature:{feature}"}, fields=fields, time=end),
            Point(measurement="drift", tags=windowed | {"feature": feature}, fields={"jensen_shannon": 0.05, "jensen_shannon_by_chance": 0.06}, time=end),
            Point(measurement="quality", tags=windowed | {"feature": feature, "kind": "missing"}, fields={"rate": 0.01 * (number % 3)}, time=end),
        ]
    return made


def missing(window: str, time: int, *, model: str = MODEL) -> Point:
    """Quality of a window."""
    return Point(measurement="quality", tags={"model": model, "window": window, "feature": "age", "kind": "missing"}, fields={"rate": 0.2}, time=time)


def story(panes: int = 90) -> list[Point]:
    """The accuracy falls at pane 40 and is back at pane 70."""
    return [
        point
        for place in range(panes)
        for point in pane(place, accuracy=0.9 - (0.2 if 40 <= place < 70 else 0.0) + 0.004 * (place % 5), statistic=9.0 if 42 <= place < 70 else 1.0 + 0.2 * (place % 4))
    ]


def alert(status: Literal["opened", "updated", "resolved"] = "opened", *, sequence: int = 0, alert_id: str = "a1b2c3d4", model: str = MODEL, place: int = 50) -> Alert:
    evidence = Evidence(
        name=f"feature:{HOSTILE}",
        statistic="mean shift in standard errors",
        value=9.0,
        threshold=5.0,
        effect=Effect(name="shift in sigma", value=0.4, interval=(0.3, 0.5), floor=0.1),
        n_reference=1_000.0,
        n_current=700.0,
        reference={"low": 500.0, "middle": 300.0, "high": 200.0},
        current={"low": 150.0, "middle": 250.0, "high": 300.0},
    )
    return Alert(
        alert_id=alert_id,
        sequence=sequence,
        status=status,
        kind="performance",
        severity="critical",
        model=model,
        model_version="1",
        segment="",
        opened_at=START + place * PANE,
        updated_at=START + (place + 5 * sequence) * PANE,
        change_at=START + (place - 10) * PANE,
        summary=f"{model}: accuracy fell from 90 % to 70 %, since {HOSTILE} moved",
        monitors=(evidence,),
        budget="1 per 30d",
        causes=(f"{HOSTILE} is missing more often",),
    )


def version(name: str, status: VersionStatus, place: int, *, model: str = MODEL, cause: str = "bootstrap", parent: str = "") -> Version:
    gate = {} if status == "registered" else {"reason": "better on labels that it was not trained on", "difference": 0.2, "interval": [0.1, 0.3], "labels": 500}
    return Version(model=model, version=name, status=status, at=START + place * PANE, uri="u", parent=parent, cause=cause, trained_on={"rows": 4_000}, gate=gate)


FIRST = (version("1", "registered", -5), version("1", "promoted", -4))
SECOND = (version("2", "registered", 60, cause="a1b2c3d4", parent="1"), version("2", "promoted", 68, cause="a1b2c3d4", parent="1"))
NO_DURATIONS = ("soon", "", "-5m", "9" * 400 + "d")
FAR = 253_402_300_799_000  # the last second that a record can name
UGLY = (
    ("monitors", b"5", None),
    ("metrics", b"k", b'[{"measurement":"traffic","tags":{"model":"a-healthy-one"},"fields":{"predictions":' + b"9" * 400 + b'},"time":"2023-11-14T22:13:20.000Z"}]'),
    ("decisions", b"k", b"[" * 100_000),
    ("metrics", b"k", encode_points(missing(window, START) for window in NO_DURATIONS)),
    ("metrics", b"k", encode_points([missing("1s", FAR, model="a-healthy-one")])),
)
"""Topics, keys and values of records that can be read, and say what nobody says."""
DECISION = Decision(
    model=MODEL, at=START + 50 * PANE, event="AlertOpened", stage="training", instruction="Train", cause="a1b2c3d4", reason="performance fell: 1 vote of 1 needed", version="2"
)


class Teller:
    """Says things on the real topics.

    Attributes
    ----------
    said : how many records.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._topics = connection.topics
        self._producer = KafkaProducer(**connection.client_arguments(), acks="all", linger_ms=5)
        self.said = 0

    def _say(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self._producer.send(topic, key=key, value=value)
        self.said += 1

    def points(self, points: Sequence[Point], *, at_once: int = 400) -> None:
        for start in range(0, len(points), at_once):
            self._say(self._topics.metrics, b"k", encode_points(points[start : start + at_once]))

    def alerts(self, *alerts: Alert) -> None:
        for one in alerts:
            self._say(self._topics.alerts, one.model.encode(), encode_alert(one))

    def versions(self, *versions: Version) -> None:
        for one in versions:
            self._say(self._topics.versions, one.model.encode(), encode_version(one))

    def decisions(self, *decisions: Decision) -> None:
        for one in decisions:
            self._say(self._topics.decisions, one.model.encode(), encode_decision(one))

    def monitors(self, *specifications: MonitorSpecification) -> None:
        for one in specifications:
            self._say(self._topics.monitors, monitor_key(one.model, 1), encode_monitor(Monitor(specification=one)))

    def nonsense(self) -> None:
        for topic in (self._topics.metrics, self._topics.alerts, self._topics.versions, self._topics.decisions, self._topics.monitors):
            self._say(topic, b"k", b"{nonsense")
        for topic, key, value in UGLY:
            self._say(getattr(self._topics, topic), key, value)

    def flush(self) -> None:
        self._producer.flush(30)

    def close(self) -> None:
        self._producer.close()
