"""Metrics of a user's own: what they are worth, how sure they are, and that no code runs that nobody allowed."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from detectors.metric import wilson
from detectors.metrics.performance import outcomes, performance
from detectors.metrics.user_metrics import of_confusion
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import REGRESSION, Layout
from detectors.profile import CategoricalProfile, Profile
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.metric_functions import MetricSettings, functions_of, functions_that_work
from streams.replay import replay
from streams.tables import read_table

ALLOWED = MetricSettings(metric_modules="shop_metrics")
CODE = """
def accuracy_again(confusion, classes): return confusion.trace() / confusion.sum()
def missed(confusion, classes): return confusion[classes.index("yes"), classes.index("no")] / confusion[classes.index("yes")].sum()
def mean_error(sums): return sums["error"] / sums["rows"]
def greedy(confusion, classes):
    confusion *= 0
    return 1.0
def wrong(confusion): return 1.0
def silent(confusion, classes): return None
def infinite(confusion, classes): return float("inf")
def fails_later(confusion, classes):
    if confusion.sum() < 50: raise RuntimeError("too few")
    return 1.0
number = 7
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_metrics.py").write_text(CODE)
    (tmp_path / "broken_metrics.py").write_text("raise SystemError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_metrics", raising=False)


def classifier(**metrics: str) -> MonitorSpecification:
    classes = CategoricalProfile(levels=("no", "yes"), counts=(50, 50))
    return MonitorSpecification(model="shop", metrics=metrics, reference=Reference(profile=Profile(rows=100, features={}, prediction=classes, label=classes)))


def test_a_metric_of_a_users_own_is_told_with_its_interval_beside_the_others() -> None:
    specification = classifier(share_right="shop_metrics:accuracy_again", missed="shop_metrics:missed")
    layout = Layout(specification, functions_of(specification, ALLOWED))
    vector = np.zeros(layout.size)
    vector[layout.blocks["performance"]] = [500, 40, 0, 60, 300, 0, 0, 0, 5]
    found = {metric.name: metric for metric in performance(layout, vector)}
    assert found["share_right"].value == pytest.approx(800 / 900)
    assert found["share_right"].n == 900  # what is of no known class does not count
    assert found["share_right"].interval == pytest.approx(wilson(800, 900), abs=0.002)
    assert found["missed"].value == pytest.approx(1 - found["recall"].value)
    assert found["missed"].interval == pytest.approx([1 - end for end in found["recall"].interval[::-1]], abs=0.005)
    assert set(found) - {metric.name for metric in performance(Layout(specification), vector)} == {"share_right", "missed"}


def test_intervals_hold_the_truth_in_19_of_20_windows() -> None:
    generator, shares = np.random.default_rng(1), np.array([0.6, 0.1, 0.05, 0.25])

    def precision_less_cost(confusion: np.ndarray, classes: tuple[str, ...]) -> float:
        return float(confusion[1, 1] / confusion[:, 1].sum() - 0.5 * confusion[1, 0] / confusion.sum())

    truth = precision_less_cost(shares.reshape(2, 2), ())
    held = 0
    for counts in generator.multinomial(400, shares, size=400):
        low, high = of_confusion("m", precision_less_cost, np.pad(counts.reshape(2, 2), ((0, 1), (0, 1))).ravel().astype(float), ("no", "yes")).interval
        held += low <= truth <= high
    assert 0.92 < held / 400 < 0.98


def test_of_a_regression_a_function_gets_sums_by_name() -> None:
    specification = MonitorSpecification(model="rent", task="regression", metrics={"tilt": "shop_metrics:mean_error"})
    layout = Layout(specification, functions_of(specification, ALLOWED))
    block = np.arange(1.0, 1 + len(REGRESSION))
    (found,) = outcomes([(layout, block, None)])
    assert found.metrics[-1].name == "tilt"
    assert found.metrics[-1].value == pytest.approx(4.0)
    assert np.isnan(outcomes([(layout, np.zeros(len(REGRESSION)), None)])[0].metrics[-1].value)


@pytest.mark.parametrize(
    ("metrics", "story"),
    [
        ({"m": "os:getcwd"}, "may not be imported here; set DRIFTWARDEN_METRIC_MODULES=os"),
        ({"m": "shop_metrics_of_others:f"}, "may not be imported"),
        ({"m": "shop_metrics:nothing"}, "cannot be imported"),
        ({"m": "broken_metrics:f"}, "no licence"),
        ({"m": "shop_metrics:number"}, "fails on a small example"),
        ({"m": "shop_metrics:wrong"}, r"called as f\(confusion, classes\)"),
        ({"m": "shop_metrics:silent"}, "fails on a small example"),
        ({"m": "shop_metrics:infinite"}, "expected a number"),
        ({"accuracy": "shop_metrics:accuracy_again"}, "of this name already"),
    ],
)
def test_what_may_not_or_cannot_be_computed_is_refused_with_its_story_and_a_worker_goes_on_without_it(metrics, story, caplog) -> None:
    allowed = MetricSettings(metric_modules="shop_metrics,broken_metrics")
    with pytest.raises(Exception, match=story):
        functions_of(classifier(**metrics), allowed)
    with caplog.at_level(logging.WARNING):
        assert list(functions_that_work(classifier(**metrics, good="shop_metrics:missed"), allowed)) == ["good"]
    assert len(caplog.records) == 1


def test_by_default_nothing_is_imported(monkeypatch) -> None:
    monkeypatch.delenv("DRIFTWARDEN_METRIC_MODULES", raising=False)
    with pytest.raises(Exception, match="may not be imported"):
        functions_of(classifier(m="shop_metrics:missed"))
    assert "shop_metrics" not in sys.modules
    monkeypatch.setenv("DRIFTWARDEN_METRIC_MODULES", "shop_metrics")
    assert list(functions_of(classifier(m="shop_metrics:missed"))) == ["m"]


@pytest.mark.parametrize("path", ["missed", "shop metrics:f", "a:b:c", ":f", "shop_metrics:f()", "../x:f"])
def test_what_names_no_function_is_refused_by_the_specification(path) -> None:
    with pytest.raises(ValidationError, match="module:function"):
        MonitorSpecification(model="m", metrics={"m": path})


@pytest.mark.parametrize("name", ["Profit", "a-b", "m_low", "m_n", ""])
def test_a_name_that_points_could_not_carry_is_refused(name) -> None:
    with pytest.raises(ValidationError, match="small letters"):
        MonitorSpecification(model="m", metrics={name: "shop_metrics:missed"})


def test_a_failure_in_a_window_is_no_value_and_is_told_once_and_counts_are_safe_from_the_function(caplog) -> None:
    specification = classifier(greedy="shop_metrics:greedy", late="shop_metrics:fails_later")
    layout = Layout(specification, functions_of(specification, ALLOWED))
    vector = np.zeros(layout.size)
    vector[layout.blocks["performance"]] = [20, 0, 0, 5, 10, 0, 0, 0, 0]
    before = vector.copy()
    with caplog.at_level(logging.WARNING):
        for _window in range(3):
            found = {metric.name: metric.value for metric in performance(layout, vector)}
    assert np.isnan(found["late"])
    assert found["greedy"] == 1.0
    assert np.array_equal(vector, before)
    assert len([record for record in caplog.records if "too few" in record.message]) == 1


def test_monitors_find_functions_of_those_that_name_them_only() -> None:
    asked: list[str] = []

    def functions(specification: MonitorSpecification) -> dict[str, object]:
        asked.append(specification.model)
        return {}

    monitors = Monitors([Monitor(specification=MonitorSpecification(model="plain"))], functions_of=functions)  # type: ignore[arg-type]
    monitors.add(Monitor(specification=classifier(m="shop_metrics:missed")))
    assert asked == ["shop"]
    assert classifier().digest == classifier(m="shop_metrics:missed").digest


def test_a_replay_tells_a_metric_of_a_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWARDEN_METRIC_MODULES", "shop_metrics")
    generator = np.random.default_rng(2)
    label = generator.choice(["no", "yes"], 900)
    predicted = np.where(generator.random(900) < 0.8, label, "no")
    path = tmp_path / "rows.csv"
    pd.DataFrame({"time": pd.date_range("2024-01-01", periods=900, freq="2s"), "label": label, "prediction": predicted}).to_csv(path, index=False)
    names = ColumnNames(time="time", label="label", prediction="prediction")
    found = replay([read_table(path)], classifier(missed="shop_metrics:missed"), names)
    points = [point.fields for point in found.points if point.measurement == "performance"]
    assert points
    assert all(fields["missed"] == pytest.approx(1 - fields["recall"]) for fields in points)
