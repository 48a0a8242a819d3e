"""How full a service was, by a figure that its events carry: told, watched, and not learnt from."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.recomputation import figures
from detectors.panes.layout import Layout
from detectors.settings.feature import Feature
from detectors.settings.watching import Saturation, Service
from detectors.specification import MonitorSpecification
from retrainer.registry.files import FilesRegistry
from streams.file_events import ColumnNames, EventOrder, rows_of
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification, save_specification
from streams.replay import Stages, replay
from streams.tables import Table
from tests.streams.command_line import run

WATCHED = Service(monitors=("saturation",), saturation=Saturation(feature="gpu", limit=0.9))
SPECIFICATION = MonitorSpecification(
    model="m", lateness=0, false_alarms="1 per 100000 events", events_per_pane=10, features={"amount": Feature(), "gpu": Feature()}, service=WATCHED
)


def rows(n: int, seed: int, *, full_from: int) -> dict[str, np.ndarray]:
    """A processor that is above .9 for one event in fifty, and from a row on for one in five; every tenth event does not say."""
    random = np.random.default_rng(seed)
    full = random.random(n) < np.where(np.arange(n) < full_from, 0.02, 0.2)
    gpu = np.where(full, 0.95, random.uniform(0.3, 0.8, n))
    gpu[::10] = np.nan
    label = np.where(random.random(n) < 0.5, "yes", "no").astype(object)
    return {"amount": random.normal(size=n), "gpu": gpu, "prediction": label, "label": label}


def table(full_from: int = 3_000) -> Table:
    return Table(source="later", columns=rows(4_000, 1, full_from=full_from))


NAMES = ColumnNames(prediction="prediction", label="label")


def test_a_service_that_is_full_more_often_is_told_with_its_limit() -> None:
    found = replay([table()], SPECIFICATION, NAMES)
    (opened,) = found.opened
    assert opened.kind == "service"
    (evidence,) = opened.monitors
    assert 3_000 <= opened.updated_at / 1_000 <= 3_080
    assert what_changed(evidence).startswith("the share of events whose gpu is above 0.9 went from")
    assert abs(evidence.effect.value - 0.18) < 0.1
    assert all(figure.agrees for figure in figures([opened]))
    last = [point for point in found.points if point.measurement == "feature" and point.tags["feature"] == "gpu"][-1]
    assert 0.9 < last.fields["p95"] <= 1.0
    assert 0.55 < last.fields["mean"] < 0.7


def test_one_that_is_as_full_as_ever_raises_nothing() -> None:
    assert replay([table(full_from=4_000)], SPECIFICATION, NAMES, metrics=False).alerts == []


def test_what_tells_it_is_no_column_to_train_on() -> None:
    stages, order = Stages(SPECIFICATION, metrics=False), EventOrder(SPECIFICATION, NAMES)
    joined, *_ = stages.step(order.fetch(rows_of(table(), SPECIFICATION, NAMES)))
    examples = [part.examples() for part in joined]
    assert sum(map(len, examples)) > 2_000
    assert {tuple(part.features) for part in examples} == {("amount",)}


def test_nor_is_it_learnt_from_by_the_first_champion_that_a_replay_trains(tmp_path: Path) -> None:
    columns = rows(400, 3, full_from=400)
    del columns["prediction"]
    reference, monitor, models = tmp_path / "reference.parquet", tmp_path / "monitor.yaml", tmp_path / "models"
    pq.write_table(pa.table(columns), reference)
    save_specification(infer(Table(source="t", columns=columns), model="m", label="label", base=SPECIFICATION), monitor)
    done = run("replay", reference, "--monitor", monitor, "--label", "label", "--reference", reference, "--registry", models, "--retrain", "--json")
    assert done.exit_code == 0, done.exception
    first = json.loads(done.stdout)["versions"][0]
    assert list(first["trained_on"]["features"]) == ["amount"]
    assert FilesRegistry(models).fetch(first["uri"], first["digest"]).predict({"amount": np.array([0.5])}).tolist()[0] in {"yes", "no"}


def test_its_cells_are_counted_apart_and_make_another_specification() -> None:
    without = SPECIFICATION.model_copy(update={"service": Service()})
    other = SPECIFICATION.model_copy(update={"service": WATCHED.model_copy(update={"saturation": Saturation(feature="gpu", limit=0.8)})})
    assert Layout(SPECIFICATION).sketched == ("gpu",)
    assert "saturation" not in Layout(without).blocks
    assert len({one.digest for one in (SPECIFICATION, without, other)}) == 3


def test_it_is_said_in_the_file_and_needs_a_numeric_feature_and_to_be_asked_for() -> None:
    assert parse_specification(format_specification(SPECIFICATION)) == SPECIFICATION
    with pytest.raises(ValidationError, match=r"add it to service\.monitors"):
        Service(saturation=Saturation(feature="gpu", limit=0.9))
    with pytest.raises(ValidationError, match="with a feature and a limit"):
        Service(monitors=("saturation",))
    with pytest.raises(ValidationError, match="'gpu', which is not declared"):
        MonitorSpecification(model="m", service=WATCHED)
    with pytest.raises(ValidationError, match="which is of type categorical"):
        MonitorSpecification(model="m", features={"gpu": Feature(type="categorical")}, service=WATCHED)


def test_a_monitor_that_is_made_from_a_table_asks_for_traffic_and_not_for_saturation() -> None:
    columns = rows(2_000, 2, full_from=2_000) | {"at": np.arange(2_000.0) * 60_000}
    assert "traffic" in (asked := infer(Table(source="t", columns=columns), model="m", time="at").service.monitors)
    assert "saturation" not in asked
