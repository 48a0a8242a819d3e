"""What an alert says else happened: with figures, ranked by drift and importance, and only what began with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.detection.closed_pane import ClosedPane
from detectors.panes.layout import Layout
from detectors.profile import PerformanceProfile
from detectors.specification import MonitorSpecification
from tests.detectors.reference_samples import PANE, categorical_profile, numeric_profile, pane_vectors, specification_of
from tests.detectors.test_acknowledgement import alerts_of

U = (np.arange(4_000) + 0.5) / 4_000
COLUMNS = {"age": numeric_profile(U), "salary": numeric_profile(U), "city": categorical_profile({"a": 0.6, "b": 0.4})}
PANES, CHANGED = 100, 70


def model(importance: Mapping[str, float]) -> MonitorSpecification:
    specification = specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), lateness=0)
    features = {name: feature.model_copy(update={"importance": importance.get(name)}) for name, feature in specification.features.items()}
    return specification.model_copy(update={"features": features})


def history(
    specification: MonitorSpecification, *, age: float = 0, salary: float = 0, unseen: float = 0, missing: float = 0, traffic: int = 60, drifted: int = CHANGED
) -> list[ClosedPane]:
    """Errors rise at one pane; columns change then or earlier, by as much as is said."""
    random = np.random.default_rng(5)
    events = np.where(np.arange(PANES) < CHANGED, 60, traffic)
    panes = []
    for pane, n in enumerate(events.tolist()):
        u, moved = random.random((5, n)).clip(1e-6, 1 - 1e-6), pane >= drifted
        city = np.where(u[3] < unseen * moved, 2.0, (u[2] > 0.6).astype(float))
        data = {
            "feature:age": np.where(u[3] < missing * moved, np.nan, u[0] ** (1 - age * moved)),
            "feature:salary": u[1] ** (1 - salary * moved),
            "feature:city": city,
        }
        counts = pane_vectors(Layout(specification), 1, data, errors=u[4] < (0.45 if pane >= CHANGED else 0.1))[0]
        counts[Layout(specification).blocks["traffic"].start] = n
        panes.append(ClosedPane(pane * PANE, {("1", ""): counts}))
    return panes


def of_performance(importance: Mapping[str, float], **changes: float) -> Alert:
    specification = model(importance)
    alerts = [alert for alert in alerts_of(specification, history(specification, **changes)) if alert.kind == "performance"]  # type: ignore[arg-type]
    assert alerts[0].status == "opened"
    return alerts[0]


def test_errors_alone_have_no_cause() -> None:
    assert of_performance({}).causes == ()


def test_columns_that_drifted_are_named_by_how_far() -> None:
    first, second = of_performance({}, age=0.5, salary=0.8).causes
    assert first.startswith("feature:salary: its mean went up by ")
    assert second.startswith("feature:age: its mean went up by ")
    assert "(shift in sigma +1.1" in first


def test_columns_are_ranked_by_drift_times_importance() -> None:
    first, second = of_performance({"age": 0.9, "salary": 0.01}, age=0.5, salary=0.8).causes
    assert first.startswith("feature:age")
    assert first.endswith("importance 0.9)")
    assert second.endswith("importance 0.01)")


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"missing": 0.5}, "missing:age: the rate went from 0 % (0 of 4,000) to "), ({"unseen": 0.5}, "unseen:city: the rate went from 0 % (0 of 10,000) to ")],
    ids=["missing values", "a category"],
)
def test_faults_of_the_inputs_are_told(changes: dict[str, float], told: str) -> None:
    causes = of_performance({}, **changes).causes
    assert any(cause.startswith(told) for cause in causes)


def test_a_category_that_appeared_is_named() -> None:
    assert any("new: (unseen)" in cause for cause in of_performance({}, unseen=0.5).causes)


def test_traffic_that_doubled_is_told_with_both_figures() -> None:
    (cause,) = of_performance({}, traffic=120).causes
    said = re.fullmatch(r"traffic: (\d+) rows a pane since about 1970-01-01T00:11:\d+\.000Z, 60 before, ([\d.]+) times as many", cause)
    assert said is not None
    assert 80 < int(said[1]) <= 120  # the change may be told a pane early
    assert int(said[1]) / 60 == pytest.approx(float(said[2]), rel=0.01)


def test_a_drift_that_lasted_for_long_before_is_no_cause() -> None:
    assert of_performance({}, salary=0.8, drifted=25).causes == ()


def test_an_alert_is_no_cause_of_itself_and_tells_each_cause_once_with_its_latest_figures() -> None:
    specification = model({})
    alerts = alerts_of(specification, history(specification, age=0.6, salary=0.5, missing=0.5, unseen=0.5))
    for alert in alerts:
        named = [cause.partition(": ")[0] for cause in alert.causes]
        assert len(named) == len(set(named))
        assert not {evidence.name for evidence in alert.monitors} & set(named)
    assert any("missing:age" in cause for alert in alerts if alert.kind == "drift" for cause in alert.causes)
    assert {alert.status for alert in alerts} == {"opened", "updated"}


def test_the_importance_of_a_column_changes_no_bins() -> None:
    assert model({"age": 0.9}).digest == model({}).digest
