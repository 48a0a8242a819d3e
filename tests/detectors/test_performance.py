"""Metrics from counts against scikit-learn's from rows."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats
from sklearn import metrics as oracle

from detectors.metric import Metric, histogram_quantile, quantiles, wilson
from detectors.metrics.performance import cost, coverage, performance, performances, regression, services
from detectors.metrics.quality import quality
from detectors.panes.layout import LATENCY_EDGES, PROBABILITY, REGRESSION, TRAFFIC, Layout
from detectors.profile import CategoricalProfile, Profile
from detectors.references.reference import numeric_profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification


def by_name(metrics: tuple[Metric, ...]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


def sums_of_errors(prediction: np.ndarray, label: np.ndarray) -> dict[str, float]:
    error = prediction - label
    columns = (np.ones(len(error)), label, label**2, error, np.abs(error), error**2, error**4, error * np.abs(error))
    return {name: float(column.sum()) for name, column in zip(REGRESSION, columns, strict=True)}


def test_without_a_row_every_metric_is_undefined() -> None:
    found = regression(dict.fromkeys(REGRESSION, 0.0), quantile=0.9)
    assert all(math.isnan(metric.value) for metric in found if metric.name != "rows")
    assert all(math.isnan(bound) for metric in found if metric.name != "rows" for bound in metric.interval)


def test_regression_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    label = random.normal(50, 10, 500)
    prediction = label + random.normal(2, 3, 500)
    found = by_name(regression(sums_of_errors(prediction, label)))
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(label, prediction))
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(label, prediction))
    assert found["r2"] == pytest.approx(oracle.r2_score(label, prediction))
    assert found["bias"] == pytest.approx((prediction - label).mean())


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_pinball_is_that_of_scikit_learn_and_its_interval_holds_the_truth_19_times_in_20(quantile: float) -> None:
    random = np.random.default_rng(6)
    drawn = random.normal(size=(600, 400))
    prediction = stats.norm.ppf(quantile)
    truth = stats.norm.pdf(prediction)  # the smallest that a constant can have, which is that of the quantile
    found = [regression(sums_of_errors(np.full(400, prediction), label), quantile)[-1] for label in drawn]
    assert found[0].name == "pinball"
    assert found[0].value == pytest.approx(oracle.mean_pinball_loss(drawn[0], np.full(400, prediction), alpha=quantile))
    assert 0.92 <= np.mean([low <= truth <= high for low, high in (one.interval for one in found)]) <= 0.98


def test_r2_of_constant_labels_is_undefined() -> None:
    assert math.isnan(by_name(regression(sums_of_errors(np.array([1.0, 2.0]), np.array([0.1, 0.1]))))["r2"])


def test_intervals_hold_the_truth_19_times_in_20() -> None:
    random = np.random.default_rng(2)
    truth = {"mae": math.sqrt(2 / math.pi), "rmse": 1.0, "bias": 0.0}
    held = dict.fromkeys(truth, 0)
    for _ in range(500):
        for metric in regression(sums_of_errors(random.normal(size=400), np.zeros(400))):
            if metric.name in truth:
                held[metric.name] += metric.interval[0] <= truth[metric.name] <= metric.interval[1]
    assert all(0.92 <= count / 500 <= 0.98 for count in held.values())


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (420, 1_000)])
def test_wilson_is_that_of_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-7)


@pytest.mark.parametrize("law", [stats.lognorm(0.3), stats.lognorm(1.0), stats.expon(), stats.pareto(2), stats.gamma(4)], ids=lambda law: law.dist.name)
def test_quantiles_of_smooth_latencies_are_met_to_little_more_than_a_hundredth(law) -> None:
    for typical in np.geomspace(20, 60, 9):
        shares = np.diff(law.cdf(np.array([0, *LATENCY_EDGES, np.inf]) / typical))
        found = quantiles(1e6 * shares[None], np.array(LATENCY_EDGES), (50, 95, 99))[0]
        assert found[:, 0] == pytest.approx(typical * law.ppf([0.5, 0.95, 0.99]), rel=0.012)
        assert (found[:, 1] < found[:, 0]).all()
        assert (found[:, 0] < found[:, 2]).all()


def test_quantiles_of_a_histogram_are_within_a_bin_of_the_rows_own() -> None:
    values = np.random.default_rng(4).lognormal(4, 1, 5_000)
    edges = np.array(LATENCY_EDGES)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).astype(float)
    for percent, (value, low, high, n) in zip((50, 95, 99), quantiles(counts[None], edges, (50, 95, 99))[0].tolist(), strict=True):
        assert value == pytest.approx(np.quantile(values, percent / 100), rel=0.16)
        assert low <= value <= high
        assert n == 5_000


@pytest.mark.parametrize(("counts", "expected"), [((0, 0, 0), math.nan), ((0, 0, 5), 2.0), ((5, 0, 0), 1.0), ((1, 2, 1), math.sqrt(2))])
def test_what_lies_outside_of_a_histogram_is_reported_as_its_edge_and_nothing_as_undefined(counts: tuple[int, ...], expected: float) -> None:
    assert histogram_quantile(np.array([counts], float), np.array([1.0, 2.0]), np.array([[0.5]])) == pytest.approx(np.array([[expected]]), nan_ok=True)


def layout() -> Layout:
    classes = CategoricalProfile(levels=("no", "yes"), counts=(5, 5))
    profile = Profile(rows=10, features={"age": numeric_profile(np.arange(100.0)), "city": CategoricalProfile(levels=("a",), counts=(10,))}, prediction=classes, label=classes)
    features = {"age": Feature(minimum=0), "city": Feature(type="categorical")}
    return Layout(MonitorSpecification(model="churn", features=features, reference=Reference(profile=profile)))


def test_a_vector_tells_loss_coverage_service_and_quality() -> None:
    here = layout()
    random = np.random.default_rng(5)
    label, score = random.random(200) < 0.4, random.uniform(0.05, 0.95, 200)
    losses = -np.log(np.where(label, score, 1 - score))
    briers = (score - label) ** 2
    vector = np.zeros(here.size)
    sums = {"rows": 200, "log_loss": losses.sum(), "log_loss_squared": (losses**2).sum(), "brier": briers.sum(), "brier_squared": (briers**2).sum()}
    vector[here.blocks["probability"]] = [sums[name] for name in PROBABILITY]
    vector[here.blocks["traffic"]] = [{"predictions": 400, "failed": 4, "labels": 200}.get(name, 0) for name in TRAFFIC]
    age = here.blocks["feature:age"]
    vector[age.start], vector[age.stop - 2], vector[age.stop - 1] = 300, 100, 3
    vector[here.blocks["feature:city"]] = [90, 10, 300]
    found = by_name(performance(here, vector))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(label, score))
    assert found["brier"] == pytest.approx(oracle.brier_score_loss(label, score))
    assert found["coverage"] == 0.5
    (served,) = services([(here, vector)])
    assert by_name(served)["failed"] == 0.01
    assert by_name(quality(here, vector)) == {"missing:age": 0.25, "out_of_range:age": 0.01, "missing:city": 0.75, "unseen:city": 0.1}
    assert [metric.name for metric in served][2:] == ["latency_p50", "latency_p95", "latency_p99", "label_delay_p50", "label_delay_p90"]


def test_costs_are_those_of_the_rows_and_their_interval_holds_the_mean_19_times_in_20() -> None:
    costs, shares = {"yes": {"no": 20.0}, "no": {"yes": 1.0}}, np.array([0.6, 0.1, 0, 0.05, 0.25, 0, 0, 0, 0])
    random = np.random.default_rng(8)
    found = [cost(random.multinomial(1_000, shares).astype(float), ("no", "yes"), costs) for _ in range(1_000)]
    assert 0.92 <= np.mean([low <= 0.1 + 1.0 <= high for low, high in (one.interval for one in found)]) <= 0.98
    assert cost(np.array([3.0, 2, 9, 1, 4, 9, 9, 9, 9]), ("no", "yes"), costs).value == (2 * 1 + 1 * 20) / 10
    assert math.isnan(cost(np.zeros(9), ("no", "yes"), costs).value)
    here = layout()
    told = MonitorSpecification.model_validate(here.specification.model_dump() | {"costs": costs})
    assert "cost" in by_name(performance(Layout(told), np.ones(here.size)))
    assert told.digest == here.specification.digest
    with pytest.raises(ValidationError, match=r"got 'maybe'; the known classes are: no, yes"):
        MonitorSpecification.model_validate(here.specification.model_dump() | {"costs": {"maybe": {"no": 1}}})


def test_windows_of_different_models_are_measured_together_as_they_are_alone() -> None:
    classes = CategoricalProfile(levels=("a", "b", "c"), counts=(5, 5, 5))
    three = Layout(MonitorSpecification(model="three", reference=Reference(profile=Profile(rows=10, features={}, prediction=classes, label=classes))))
    prices = Layout(MonitorSpecification(model="prices", task="regression", quantile=0.9))
    none = Layout(MonitorSpecification(model="unknown"))
    random = np.random.default_rng(7)
    asked = [(one, random.poisson(5, one.size).astype(float)) for one in (layout(), three, prices, none, layout(), three)]
    together = performances(asked)
    for one, (of, vector) in zip(together, asked, strict=True):
        (alone,) = performances([(of, vector)])
        assert [metric.name for metric in one.metrics] == [metric.name for metric in alone.metrics]
        numbers = [np.array([(metric.value, metric.n, *metric.interval) for metric in found.metrics]) for found in (one, alone)]
        np.testing.assert_allclose(*numbers, rtol=1e-12)
        assert list(one.by_class) == list(of.specification.classes)
    assert [metric.name for metric in together[2].metrics] == ["rows", "mae", "rmse", "bias", "r2", "pinball", "coverage"]
    assert {"roc_auc", "pr_auc", "ece"} <= set(by_name(together[0].metrics))
    assert "roc_auc" not in by_name(together[1].metrics)
    assert math.isnan(by_name(together[3].metrics)["accuracy"])


def test_labels_that_catch_up_pass_a_coverage_of_one_without_an_interval() -> None:
    here = layout()
    vector = np.zeros(here.size)
    vector[here.blocks["traffic"]] = [{"predictions": 10, "labels": 15}.get(name, 0) for name in TRAFFIC]
    found = coverage(here, vector)
    assert found.value == 1.5
    assert math.isnan(found.interval[0])
