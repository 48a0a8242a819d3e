"""A history gives the same panes, alerts and metrics whether it is replayed from its file or published and read by workers."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.point import Point
from detectors.settings.watching import Slices
from detectors.specification import MonitorSpecification
from streams.infer import infer
from streams.monitor_file import save_specification
from streams.tables import read_table
from streams.topics import Topics
from streams.wire import decode_points
from tests.streams.delivery_stream import DeliveryStream, delivery_stream
from tests.waiting import eventually

ROWS = 6_000
CHANGE = 3_500
COLUMNS = ("--time", "time", "--prediction", "prediction", "--label", "label", "--label-delay", "50")


def write_history(path: Path, first: int, rows: int) -> None:
    random = np.random.default_rng(3)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "age", "plan", "prediction", "label"])
        for row in range(first, first + rows):
            changed = row >= CHANGE
            wrong = random.random() < (0.35 if changed else 0.1)
            outcome = random.choice(["no", "yes"])
            label = outcome if not wrong else ("no" if outcome == "yes" else "yes")
            writer.writerow([1_700_000_000_000 + row * 1_000, round(random.normal(45 if changed else 40, 10), 3), random.choice(["free", "paid"]), outcome, label])


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, Path]:
    reference, live, monitor = tmp_path / "train.csv", tmp_path / "live.csv", tmp_path / "monitor.yaml"
    write_history(reference, -4_000, 4_000)
    write_history(live, 0, ROWS)
    base = MonitorSpecification.model_validate({"model": "churn", "lateness": "1m", "windows": ["10m"]})
    specification = infer(read_table(reference), model="churn", label="label", prediction="prediction", time="time", base=base)
    save_specification(specification.model_copy(update={"slices": Slices(columns=("age", "plan"), paired=2)}), monitor)
    return live, monitor


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run([sys.executable, "-m", "streams.cli", *arguments], env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def final(points: Sequence[Point]) -> dict[tuple[object, ...], dict[str, object]]:
    """Closed panes and rolling windows, by what they are of."""
    kept = [point for point in points if point.measurement in {"performance", "quality", "drift", "slice"} or (point.measurement == "traffic" and point.fields["final"])]
    return {(point.measurement, tuple(sorted(point.tags.items())), point.time): point.fields for point in kept}


def points_until_told(stream: DeliveryStream, expected: Set[tuple[object, ...]]) -> list[Point]:
    """All points of the topic, which holds those of a pane in more than one record."""
    told: list[Point] = []

    def complete() -> bool:
        return final(told).keys() >= expected

    for record in stream.records(stream.topics.metrics, until=complete):
        told += decode_points(record.value)
    return told


def test_replay_and_worker_give_the_same_panes_metrics_and_alerts(broker: str, topics: Topics, tmp_path: Path, history: tuple[Path, Path]) -> None:
    live, monitor = history
    run("replay", str(live), "--monitor", str(monitor), *COLUMNS, "--metrics", str(tmp_path / "metrics.jsonl"), "--alerts", str(tmp_path / "alerts.jsonl"))
    replayed = final(decode_points((tmp_path / "metrics.jsonl").read_bytes()))
    alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert {alert["kind"] for alert in alerts} == {"drift", "performance"}
    assert {key[0] for key in replayed} == {"performance", "quality", "drift", "slice", "traffic"}

    with delivery_stream(broker, topics, tmp_path) as stream:
        kafka = {"DRIFTWARDEN_BOOTSTRAP": broker, "DRIFTWARDEN_TOPIC_PREFIX": topics.prefix}
        run("monitor", "apply", str(monitor), **kafka)
        for name in ("w1", "w2"):
            stream.worker(name)
        run("publish", str(live), "--monitor", str(monitor), *COLUMNS, **kafka)
        told = points_until_told(stream, replayed.keys())
        eventually(lambda: len(stream.alerts()) >= len(alerts), "as many alerts")
        found = stream.alerts()

    worked = final(told)
    assert worked.keys() == replayed.keys()
    for key, fields in replayed.items():
        for name, value in fields.items():
            assert worked[key][name] == (pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value), (key, name)
    assert {(alert["alert_id"], alert["sequence"], alert["status"]) for alert in alerts} == {(alert.alert_id, alert.sequence, alert.status) for alert in found}
    by_id: dict[tuple[str, int], Alert] = {(alert.alert_id, alert.sequence): alert for alert in found}
    for alert in alerts:
        ours = by_id[alert["alert_id"], alert["sequence"]].monitors
        assert [monitor["name"] for monitor in alert["monitors"]] == [monitor.name for monitor in ours]
        assert [monitor["value"] for monitor in alert["monitors"]] == pytest.approx([monitor.value for monitor in ours], rel=1e-9)
