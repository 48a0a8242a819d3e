"""From a table to an alert: what `monitor infer --correlation` writes, and what a replay by it finds."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification
from streams.replay import replay
from streams.tables import Table


def table(rows: int, correlation: float, seed: int) -> Table:
    one, other, third = np.random.default_rng(seed).normal(size=(3, rows))
    together = correlation * one + np.sqrt(1 - correlation**2) * other
    return Table(source="made", columns={"age": one, "salary": np.exp(together), "height": third, "half": (third > 0).astype(float)})


def inferred(*correlation: str) -> MonitorSpecification:
    base = MonitorSpecification.model_validate({"model": "loans", "lateness": "0s", "false_alarms": "1 per 100000 events", "events_per_pane": 10.0})
    return infer(table(4_000, 0.7, 1), model="loans", correlation=correlation, base=base)


def test_a_replay_alarms_for_columns_that_no_longer_go_together_and_names_them() -> None:
    specification = parse_specification(format_specification(inferred("all")))
    assert specification.correlation == ("age", "salary", "height")  # a column of two values is left out
    stream = [table(3_000, 0.7, 2), table(1_000, 0.0, 3)]
    columns = {name: np.concatenate([part.columns[name] for part in stream]) for name in stream[0].columns}
    replayed = replay([Table(source="stream", columns=columns)], specification, ColumnNames())
    (alert,) = replayed.opened
    distances = {point.time: point.fields["difference"] for point in replayed.points if point.measurement == "correlation" and point.tags["window"] == "10m"}
    assert distances[3_000_000] < 0.08
    assert distances[4_000_000] > 0.2
    (evidence,) = alert.monitors
    assert evidence.name == "correlation"
    assert evidence.reference["age ~ salary"] == pytest.approx(0.7, abs=0.03)
    assert 3_000_000 < alert.opened_at <= 3_300_000  # a row is a second; only one pair of three has changed, and the floor is of their mean
    assert abs(alert.change_at - 3_000_000) <= 50_000


def test_columns_are_named_one_by_one_and_those_that_cannot_be_watched_are_refused() -> None:
    assert inferred("height", "age").correlation == ("height", "age")
    assert inferred().correlation == ()
    with pytest.raises(SettingsError, match="with many values and without a cycle, got 'half'"):
        inferred("age", "half")
    with pytest.raises(SettingsError, match="wealth"):
        inferred("age", "wealth")
