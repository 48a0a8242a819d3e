"""The figures of a process: what is documented is there, and no label grows without a bound."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from streams.formats.decoded import DeadLetter
from streams.telemetry.catalogue import OF_PROCESS
from streams.telemetry.dead_letter_reasons import FIELDS, reason_of
from streams.telemetry.figures import Figures

PAGE = Path(__file__).parents[2] / "docs/prometheus.md"


def test_the_table_of_figures_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(driftwarden_\w+)` \| (\w+) \| ([^|]+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    figures = {figure for of_process in OF_PROCESS.values() for figure in of_process}
    assert set(rows) == {(figure.full_name, figure.kind, ", ".join(figure.labels) or "–", figure.what) for figure in figures}
    assert len(rows) == len(figures)


def test_models_beyond_the_bound_are_told_together_and_the_bound_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    figures = Figures("worker", "w", models=2)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            figures.take(Counter({("late_events", f"model-{number}"): number for number in range(1, 6)}))
    told = {sample.labels["model"]: sample.value for sample in samples(figures, "driftwarden_late_events_total")}
    assert told == {"model-1": 2, "model-2": 4, "(other)": 2 * (3 + 4 + 5)}
    assert len(caplog.records) == 1
    assert "DRIFTWARDEN_METRICS_MODELS" in caplog.text


def test_points_have_a_tag_for_each_label_but_the_model_s() -> None:
    figures = Figures("worker", "w1")
    figures.take(Counter({("records",): 7, ("late_events", "churn"): 2, ("late_events", "fraud"): 3}), ("inference.events", "2"))
    figures.observe("epoch_seconds", 0.25, "inference.events")
    points = {tuple(sorted(point.tags.items())): point.fields for point in figures.points(5)}
    common = (("process", "worker"), ("worker", "w1"))
    assert points[tuple(sorted((*common, ("topic", "inference.events"), ("partition", "2"))))] == {
        "records": 7.0,
        **dict.fromkeys(("read_bytes", "events", "unmonitored_events", "missed_records"), 0.0),
    }
    epochs = points[tuple(sorted((*common, ("topic", "inference.events"))))]
    assert (epochs["epoch_seconds_sum"], epochs["epoch_seconds_count"]) == (0.25, 1.0)
    whole = points[common]
    assert whole["late_events"] == 5.0
    assert float(whole["process_resident_memory_bytes"]) > 1e6
    assert {point.time for point in figures.points(5)} == {5}


def test_what_held_of_a_partition_is_forgotten_when_it_goes_and_what_was_counted_of_it_is_not() -> None:
    figures = Figures("worker", "w1")
    for partition in "01":
        figures.set("consumer_lag_records", 3, "inference.events", partition)
        figures.take(Counter({("records",): 1}), ("inference.events", partition))
    figures.keep_places({("inference.events", "1")})
    assert [sample.labels["partition"] for sample in samples(figures, "driftwarden_consumer_lag_records")] == ["1"]
    assert len(samples(figures, "driftwarden_records_total")) == 2


@pytest.mark.parametrize("path", ["features.some name", "no such field", "x" * 300, "label", "segments.country"])
def test_a_producer_cannot_make_a_reason_of_its_own(path: str) -> None:
    assert reason_of(DeadLetter(offset=0, index=0, value=b"", reason="expected a number, got 'x'", path=path)) in FIELDS | {"other"}


def samples(figures: Figures, name: str) -> list[object]:
    return [sample for family in figures.registry.collect() for sample in family.samples if sample.name == name]
