"""Labels of one class that come sooner than those of another, and traffic that doubles, are no change of the error rate; errors that rise are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.coded_text import CodedText
from detectors.event_batch import LABEL, PREDICTION, Float64, Int64
from detectors.specification import MonitorSpecification
from detectors.summarise import Fetch
from streams.file_events import ColumnNames, EventOrder, rows_of
from streams.file_settings import changed
from streams.infer import infer
from streams.replay import Stages
from streams.tables import Table

SECOND = 1_000
NAMES = np.array(["no", "yes"], object)
WRONG = np.array([0.02, 0.5])  # half of the positives are missed


def drawn(n: int, seed: int, worse: float = 0.0) -> tuple[Int64, Int64, Float64]:
    """Labels, predictions and scores; of the second half more are wrong."""
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.2).astype(np.int64)
    said = np.where(random.random(n) < WRONG[label] + worse * (np.arange(n) >= n // 2), 1 - label, label)
    return label, said, np.where(said == 1, random.uniform(0.5, 1, n), random.uniform(0, 0.5, n))


def specification(*, scored: bool) -> MonitorSpecification:
    label, said, score = drawn(10_000, 1)
    table = Table(source="t", columns={"said": NAMES[said], "truth": NAMES[label]} | ({"score": score} if scored else {}))
    base = MonitorSpecification(model="m", labels={"delay": 0 if scored else "10m", "timeout": "1d"})
    base = changed(base, lateness=0, false_alarms="1 per 100000 events", events_per_pane=50)
    return infer(table, model="m", label="truth", prediction="said", score="score" if scored else None, base=base)


def alerts_of(spec: MonitorSpecification, at: Int64, delay: Int64, outcome: tuple[Int64, Int64, Float64]) -> list[Alert]:
    """Predictions at their times, labels after their delays, in one log."""
    label, said, score = outcome
    names = ColumnNames(prediction="said", score="score")
    table = Table(source="t", columns={"said": NAMES[said], "score": score})
    rows = replace(rows_of(table, spec, names), time=at)
    (batch,) = EventOrder(spec, names).fetch(rows).batches
    known = replace(
        batch,
        kind=np.full(len(at), LABEL, np.uint8),
        timestamp=at + delay,
        prediction=CodedText.constant(None, len(at)),
        label=CodedText.of(NAMES[label]),
        score=np.full(len(at), np.nan),
    )
    log = type(batch).concatenate([batch, known])
    log = log.take(np.lexsort((log.kind == LABEL, log.timestamp)))
    log = replace(log, high=np.maximum.accumulate(log.timestamp), offset=np.arange(len(log), dtype=np.int64))
    assert set(np.unique(log.kind)) == {PREDICTION, LABEL}
    stages, alerts = Stages(spec, metrics=False), []
    for first in range(0, len(log), 20_000):
        some = log.take(slice(first, first + 20_000))
        alerts += stages.step(Fetch(end=first + len(some), high=int(some.high[-1]), batches=(some,)))[2]
    return [alert for alert in alerts + list(stages.finish(None)[2]) if alert.status == "opened"]


@pytest.mark.parametrize("scored", [False, True])
def test_positives_labelled_ten_times_faster_and_traffic_that_doubles_are_no_change_of_performance(scored: bool) -> None:
    n, half = 30_000, 15_000
    spec, outcome = specification(scored=scored), drawn(n, 2)
    late = np.arange(n) >= half
    steady = np.arange(n) * 200
    faster = np.where((outcome[0] == 1) & late, 60 * SECOND, 600 * SECOND)
    assert not [alert.summary for alert in alerts_of(spec, steady, faster, outcome) if alert.kind == "performance"]
    doubled = np.cumsum(np.where(late, 100, 200))
    of_class = np.where(outcome[0] == 1, 60 * SECOND, 600 * SECOND)
    assert not [alert.summary for alert in alerts_of(spec, doubled, of_class, outcome) if alert.kind == "performance"]


@pytest.mark.parametrize("scored", [False, True])
def test_errors_that_rise_in_every_class_are_told_though_labels_are_late(scored: bool) -> None:
    n = 30_000
    outcome = drawn(n, 3, worse=0.1)
    delay = np.where(outcome[0] == 1, 60 * SECOND, 600 * SECOND)
    found = [alert for alert in alerts_of(specification(scored=scored), np.arange(n) * 200, delay, outcome) if alert.kind == "performance"]
    assert found
    assert "error_rate" in {monitor.name for alert in found for monitor in alert.monitors}
    assert 3_000 * SECOND <= found[0].opened_at <= 3_000 * SECOND + 700 * SECOND
