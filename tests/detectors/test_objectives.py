"""Error budgets and their burn against counting by hand; and what may be asked for."""

import copy
import math

import numpy as np
import pytest
from pydantic import ValidationError

from detectors.metric import wilson
from detectors.metrics.objectives import Objectives, objective_cells
from detectors.panes.layout import TRAFFIC, Layout
from detectors.profile import CategoricalProfile, Profile
from detectors.settings.watching import Objective, Reference
from detectors.specification import MonitorSpecification

CLASSES = CategoricalProfile(levels=("no", "yes"), counts=(5, 5))
HOUR, DAY, PANE = 3_600_000, 86_400_000, 10_000


def layout(**objectives: dict[str, object]) -> Layout:
    profile = Profile(rows=10, features={}, prediction=CLASSES, label=CLASSES)
    return Layout(MonitorSpecification.model_validate({"model": "churn", "pane": "10s", "reference": Reference(profile=profile), "objectives": objectives}))


def pane(here: Layout, predictions: int, failed: int) -> np.ndarray:
    vector = np.zeros(here.size)
    vector[here.blocks["traffic"]] = [{"predictions": predictions, "failed": failed}.get(name, 0) for name in TRAFFIC]
    return vector


def test_good_events_are_counted_where_each_metric_has_them() -> None:
    here = layout()
    vector = np.zeros(here.size)
    vector[here.blocks["performance"]] = [50, 7, 1, 5, 30, 0, 2, 3, 4]  # a row for each label: no, yes, unknown
    vector[here.blocks["latency"]] = 1
    vector[here.blocks["traffic"]] = [{"predictions": 200, "failed": 3}.get(name, 0) for name in TRAFFIC]
    bad = {metric: objective_cells(here, Objective(metric=metric, target=0.9)).of(vector) for metric in ("accuracy", "precision", "recall", "answered")}
    assert bad == {"accuracy": (22, 102), "precision": (10, 40), "recall": (5, 35), "answered": (3, 200)}
    late, latencies = objective_cells(here, Objective(metric="latency", target=0.9, below=100)).of(vector)
    assert (late, latencies) == (48 - 24, 49)  # of 48 edges from .1 ms to a minute the 25th is 89 ms


def test_budget_and_burn_are_those_of_the_events_in_each_window() -> None:
    here = layout(answers={"metric": "answered", "target": 0.99, "period": "30d"})
    objectives, bad = Objectives(here), []
    random = np.random.default_rng(1)
    for number in range(3_000):
        bad.append(int(random.binomial(100, 0.3 if number >= 2_900 else 0.005)))
        objectives.add(number * PANE, pane(here, 100, bad[-1]))
        told = objectives.completed((number + 1) * PANE)
    (point,) = told
    assert (point.time, point.tags) == (3_000 * PANE, {"model": "churn", "objective": "answers"})
    share = sum(bad) / 300_000
    assert point.fields["good"] == pytest.approx(1 - share)
    assert point.fields["budget_left"] == pytest.approx(1 - share / 0.01)
    assert point.fields["budget_left_low"] < point.fields["budget_left"] < point.fields["budget_left_high"]
    assert point.fields["good_n"] == point.fields["burn_slow_n"] == 300_000
    assert point.fields["burn_fast"] == pytest.approx(sum(bad[-360:]) / 36_000 / 0.01, rel=0.02)  # an hour, or a sixtieth more
    recent = [point.fields[f"burn_fast_recent{part}"] for part in ("", "_low", "_high", "_n")]
    assert recent == pytest.approx([sum(bad[-30:]) / 3_000 / 0.01, *(bound / 0.01 for bound in wilson(sum(bad[-30:]), 3_000)), 3_000])
    assert point.fields["burning"] == "slow"  # .3 for a quarter of an hour: 9 times the rate over the hour, where 14.4 is fast, and 1.9 times over six hours
    assert 8 < float(point.fields["burn_fast"]) < 14.4
    assert point.fields["burn_medium"] == pytest.approx(sum(bad[-2_160:]) / 216_000 / 0.01, rel=0.02)


def test_a_burn_that_is_over_is_told_no_more() -> None:
    here = layout(answers={"metric": "answered", "target": 0.999, "period": "30d"})
    objectives = Objectives(here)
    said = []
    for number in range(400):
        objectives.add(number * PANE, pane(here, 100, 10 if number < 300 else 0))
        said += [point.fields["burning"] for point in objectives.completed((number + 1) * PANE)]
    assert said[-60 // 6 * 6 - 1] == "fast"
    assert said[-1] != "fast"


def test_a_handful_of_bad_events_is_no_burn() -> None:
    here = layout(answers={"metric": "answered", "target": 0.9, "period": "30d"})
    objectives = Objectives(here)
    objectives.add(0, pane(here, 2, 1))
    (point,) = objectives.completed(10 * PANE)
    assert point.fields["burn_fast"] == pytest.approx(5)
    assert point.fields["burn_fast_low"] < 1
    assert point.fields["burning"] == ""


def test_what_left_the_period_costs_no_budget() -> None:
    here = layout(answers={"metric": "answered", "target": 0.9, "period": "10m"})
    objectives = Objectives(here)
    objectives.add(0, pane(here, 100, 100))
    objectives.add(20 * 60_000, pane(here, 100, 0))
    (point,) = objectives.completed(DAY)
    assert point.fields["budget_left"] == 1


def test_without_events_an_objective_says_nothing() -> None:
    here = layout(right={"metric": "accuracy", "target": 0.9})
    objectives = Objectives(here)
    assert objectives.completed(DAY) == []
    objectives.add(0, pane(here, 5, 0))  # predictions without labels
    (point,) = objectives.completed(DAY)
    assert math.isnan(float(point.fields["budget_left"]))
    assert point.fields["good_n"] == 0
    assert point.fields["burning"] == ""


def test_a_restart_anywhere_changes_nothing() -> None:
    here = layout(answers={"metric": "answered", "target": 0.99, "period": "1h"}, fast={"metric": "latency", "target": 0.9, "below": "1s", "period": "1d"})
    whole, cut = Objectives(here), Objectives(here)
    random = np.random.default_rng(2)
    for number in range(200):
        vector = pane(here, 50, int(random.binomial(50, 0.02)))
        vector[here.blocks["latency"]] = random.poisson(1, 49)
        for objectives in (whole, cut):
            objectives.add(number * PANE, vector)
        if number % 7 == 3:
            state, cut = copy.deepcopy(cut.state()), Objectives(here)
            cut.restore(state)
        assert whole.completed((number + 1) * PANE) == cut.completed((number + 1) * PANE)


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"metric": "latency", "target": 0.9}, "below is the limit of a latency objective"),
        ({"metric": "answered", "target": 0.9, "below": "1s"}, "below is the limit of a latency objective"),
        ({"metric": "answered", "target": 1}, "less than 1"),
        ({"metric": "answered", "target": 0.9, "period": "1s"}, "the period must be at least a pane"),
        ({"metric": "beauty", "target": 0.9}, "Input should be 'accuracy'"),
    ],
)
def test_an_objective_that_cannot_be_meant_is_refused(objective: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        layout(one=objective)


@pytest.mark.parametrize("metric", ["accuracy", "recall"])
def test_an_objective_that_needs_classes_says_so(metric: str) -> None:
    with pytest.raises(ValidationError, match=f"objectives.one: {metric} needs"):
        MonitorSpecification.model_validate({"model": "churn", "objectives": {"one": {"metric": metric, "target": 0.9}}})
