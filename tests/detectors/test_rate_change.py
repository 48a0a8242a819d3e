import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.detector import Detector
from detectors.monitors.bank import detectors_of
from detectors.monitors.rate_change import excess
from detectors.panes.layout import Layout
from detectors.profile import PerformanceProfile
from detectors.references.learnt_reference import LEARN_EVENTS
from detectors.settings.watching import Alerts, Floors
from detectors.verdict import Status
from tests.detectors.reference_samples import PANE, categorical_profile, first_drift, numeric_profile, pane_vectors, replay, specification_of

DECLARED = PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3)
EVENTS = 40_000


def bank_with(name: str, *, performance: PerformanceProfile | None = DECLARED, **changes: object) -> tuple[Detector, Layout]:
    columns = {"age": numeric_profile(np.random.default_rng(0).normal(size=10_000)), "city": categorical_profile({"a": 0.5, "b": 0.5})}
    specification = specification_of(columns, performance=performance, false_alarms="1 per 100000 events", events_per_pane=100.0, **changes)
    return next(detector for detector in detectors_of(specification) if name in detector.names), Layout(specification)


def rates(before: float, after: float, seed: int, events: int = EVENTS) -> np.ndarray:
    return np.random.default_rng(seed).random(events) < np.where(np.arange(events) < events // 2, before, after)


@pytest.mark.parametrize("performance", [DECLARED, None])
def test_an_error_rate_that_doubles_is_found_with_a_declared_or_a_learnt_reference(performance) -> None:
    bank, layout = bank_with("error_rate", performance=performance)
    state, verdicts = replay(bank, pane_vectors(layout, 400, {}, errors=rates(0.1, 0.2, 1)))
    found = first_drift(verdicts)
    assert found is not None
    assert 200 <= found <= 210
    assert verdicts[found].change_at[0] == pytest.approx(200 * PANE, abs=5 * PANE)
    evidence = bank.evidence(state, 0)
    assert evidence.effect.interval[0] < 0.1 < evidence.effect.interval[1] + 0.02
    assert evidence.n_reference == 5_000 if performance else 5_000 < evidence.n_reference < 20_000  # the older part of what was before


@pytest.mark.parametrize("performance", [DECLARED, None])
def test_an_error_rate_that_stays_or_falls_raises_nothing(performance) -> None:
    for after in (0.1, 0.02):
        bank, layout = bank_with("error_rate", performance=performance)
        _, verdicts = replay(bank, pane_vectors(layout, 400, {}, errors=rates(0.1, after, 2)))
        assert first_drift(verdicts) is None
        assert verdicts[-1].recent_effect[0] < 0.02


def test_without_a_declared_reference_the_first_events_are_learning() -> None:
    bank, layout = bank_with("error_rate", performance=None)
    _, verdicts = replay(bank, pane_vectors(layout, 400, {}, errors=rates(0.1, 0.1, 3)))
    assert all(verdict.status[0] == Status.LEARNING for verdict in verdicts[: LEARN_EVENTS // 100])
    assert all(verdict.status[0] != Status.LEARNING for verdict in verdicts[60:])


@pytest.mark.parametrize("name", ["missing:age", "out_of_range:age", "unseen:city", "missing:city"])
def test_a_jump_of_missing_unseen_and_out_of_range_values_is_found_by_its_own_monitor_only(name) -> None:
    generator = np.random.default_rng(4)
    bank, layout = bank_with(name)
    age, city = generator.normal(size=EVENTS), generator.integers(0, 2, EVENTS).astype(float)
    column, value = {"missing:age": (age, np.nan), "out_of_range:age": (age, -7.0), "unseen:city": (city, 2.0), "missing:city": (city, np.nan)}[name]
    column[rates(0, 0.08, 5)] = value
    _, verdicts = replay(bank, pane_vectors(layout, 400, {"feature:age": age, "feature:city": city}))
    for monitor, other in enumerate(bank.names):
        found = first_drift(verdicts, monitor)
        assert (found is not None) == (other == name)
        assert found is None or 200 <= found <= 206


@pytest.mark.parametrize("floor", [0.02, 0.0])
@pytest.mark.parametrize("rate", [0.3, 0.01, 0.0005])
def test_unchanged_rates_raise_nothing_however_small_they_are(rate, floor) -> None:
    generator = np.random.default_rng(6)
    for seed in range(3):
        reference = PerformanceProfile(rows=5_000, loss=generator.binomial(5_000, rate) / 5_000, deviation=0.3)
        bank, layout = bank_with("error_rate", performance=reference, alerts=Alerts(floors=Floors(rate=floor)))
        _, verdicts = replay(bank, pane_vectors(layout, 400, {}, errors=rates(rate, rate, 60 + seed)))
        assert first_drift(verdicts) is None


def test_an_immaterial_rise_is_no_alarm() -> None:
    bank, layout = bank_with("error_rate")
    _, verdicts = replay(bank, pane_vectors(layout, 400, {}, errors=rates(0.1, 0.115, 7)))
    assert first_drift(verdicts) is None


def test_a_stated_share_of_missing_values_takes_the_place_of_the_references() -> None:
    columns = {"age": numeric_profile(np.random.default_rng(0).normal(size=10_000))}
    specification = specification_of(columns, false_alarms="1 per 100000 events", events_per_pane=100.0)
    stated = specification.model_copy(update={"features": {"age": specification.features["age"].model_copy(update={"max_missing": 0.3})}})
    values = np.random.default_rng(8).normal(size=EVENTS)
    values[rates(0.25, 0.25, 9)] = np.nan
    for asked, alarms in ((specification, True), (stated, False)):
        bank = next(detector for detector in detectors_of(asked) if detector.group == "quality")
        _, verdicts = replay(bank, pane_vectors(Layout(asked), 400, {"feature:age": values}))
        assert (first_drift(verdicts, bank.names.index("missing:age")) is not None) == alarms


@given(st.integers(20, 2_000), st.floats(0.001, 0.6), st.data())
def test_an_excess_over_a_known_rate_is_about_as_unlikely_as_the_binomial_says(events, rate, data) -> None:
    hits = data.draw(st.integers(0, events))
    value = float(excess(np.array([float(hits)]), np.array([float(events)]), np.array([rate * 1e12]), np.array([1e12]), 0.0)[0])
    middle = stats.binom.sf(hits, events, rate) + stats.binom.pmf(hits, events, rate) / 2
    exact = max(stats.norm.isf(max(middle, 1e-300)), 0.0)
    if 0.5 < exact < 8:
        assert 0.9 * exact - 0.05 < value < exact + 0.1  # the error of the approximation, where few hits are expected, is on the side of fewer alarms


def test_a_growing_mean_absolute_error_is_found_and_a_steady_or_falling_one_is_not() -> None:
    generator = np.random.default_rng(10)
    reference = np.abs(generator.normal(size=5_000))
    specification = specification_of(
        {},
        performance=PerformanceProfile(rows=5_000, loss=reference.mean(), deviation=reference.std()),
        task="regression",
        false_alarms="1 per 100000 events",
        events_per_pane=100.0,
    )
    (bank,) = detectors_of(specification)
    for factor, found_between in ((1.3, (200, 215)), (1.05, None), (1.0, None), (0.7, None)):
        errors = np.abs(generator.normal(size=EVENTS)) * np.where(np.arange(EVENTS) < EVENTS // 2, 1, factor)
        _, verdicts = replay(bank, pane_vectors(Layout(specification), 400, {}, absolute_errors=errors))
        found = first_drift(verdicts)
        assert (found is not None) == (found_between is not None)
        assert found is None or found_between[0] <= found <= found_between[1]
