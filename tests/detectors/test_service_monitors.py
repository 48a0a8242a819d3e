"""Monitors of the service: failures, latency, duplicates, late events."""

import itertools

import numpy as np
import pytest

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.recomputation import recompute
from detectors.detector import Detector
from detectors.monitors.bank import detectors_of
from detectors.panes.layout import LATENCY_EDGES, TRAFFIC, Layout
from detectors.settings.watching import Service
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from tests.detectors.reference_samples import first_drift, replay
from tests.detectors.test_contract import same

RATES = ("failed_rate", "duplicate_rate", "late_rate")
SPECIFICATION = MonitorSpecification(model="m", service=Service(monitors=(*RATES, "latency")), false_alarms="1 per 100000 events", events_per_pane=100.0)
LAYOUT = Layout(SPECIFICATION)


def vectors_of(predictions: np.ndarray, *, latencies: np.ndarray | None = None, **counters: np.ndarray) -> np.ndarray:
    """(panes, size) of predictions and other counters by pane; latencies are those of the predictions, one after another."""
    vectors = np.zeros((len(predictions), LAYOUT.size))
    for counter, counts in {"predictions": predictions, **counters}.items():
        vectors[:, LAYOUT.blocks["traffic"].start + TRAFFIC.index(counter)] = counts
    if latencies is not None:
        pane_of = np.repeat(np.arange(len(predictions)), predictions)
        np.add.at(vectors, (pane_of, LAYOUT.blocks["latency"].start + np.searchsorted(LATENCY_EDGES, latencies, side="right")), 1)
    return vectors


def bank_of(name: str, specification: MonitorSpecification = SPECIFICATION) -> Detector:
    return next(detector for detector in detectors_of(specification) if name in detector.names)


def test_only_what_is_asked_for_is_watched_and_shares_the_budget_of_its_group() -> None:
    assert detectors_of(MonitorSpecification(model="m")) == ()
    assert [detector.names for detector in detectors_of(SPECIFICATION)] == [RATES, ("latency",)]
    shared = SPECIFICATION.model_copy(update={"service": Service(monitors=("failed_rate", "silence"))})
    (only,) = detectors_of(shared)
    assert only.bank.share == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", RATES)
def test_a_rate_that_rises_is_found_by_its_own_monitor_only(name) -> None:
    random = np.random.default_rng(1)
    changed = np.arange(400) >= 200
    counters = {
        counter: random.binomial(100, np.where(changed & name.startswith(monitor), 0.12, 0.01)) for counter, monitor in (("failed", "f"), ("duplicates", "d"), ("late", "l"))
    }
    bank = bank_of(name)
    state, verdicts = replay(bank, vectors_of(np.full(400, 100), **counters))
    for monitor, other in enumerate(bank.names):
        found = first_drift(verdicts, monitor)
        assert (found is not None) == (other == name)
        assert found is None or 200 <= found <= 204
    evidence = bank.evidence(state, bank.names.index(name))
    assert recompute(evidence).value == pytest.approx(evidence.value)
    assert 1_000 <= evidence.n_reference <= 20_000


def latencies_of(panes: int, seed: int, times: float, tail: float = 0.0) -> np.ndarray:
    """Lognormal milliseconds, of which the last half takes so many times as long; a share of it 20 times."""
    random = np.random.default_rng(seed)
    taken = random.lognormal(np.log(80), 0.5, panes * 100)
    late = np.arange(len(taken)) >= len(taken) // 2
    return taken * np.where(late, np.where(random.random(len(taken)) < tail, 20.0, times), 1.0)


@pytest.mark.parametrize(("times", "tail"), [(1.6, 0.0), (1.0, 0.12)])
def test_a_service_that_becomes_slow_is_found_be_it_all_of_it_or_its_tail(times, tail) -> None:
    bank = bank_of("latency")
    state, verdicts = replay(bank, vectors_of(np.full(400, 100), latencies=latencies_of(400, 2, times, tail)))
    found = first_drift(verdicts)
    assert found is not None
    assert 200 <= found <= 206
    evidence = bank.evidence(state, 0)
    limit = float(str(evidence.basis["slower_than"]))
    assert 80 * np.exp(1.64 * 0.5) <= limit <= 1.4 * 80 * np.exp(1.64 * 0.5)
    assert f"the share of predictions slower than {limit:.4g} ms went from" in what_changed(evidence)
    assert recompute(evidence).value == pytest.approx(evidence.value)


def test_a_service_that_stays_or_becomes_faster_raises_nothing_and_learns_its_limit_first() -> None:
    for times in (1.0, 0.5):
        _, verdicts = replay(bank_of("latency"), vectors_of(np.full(400, 100), latencies=latencies_of(400, 3, times)))
        assert first_drift(verdicts) is None
        assert all(verdict.status[0] == Status.LEARNING for verdict in verdicts[:10])
        assert verdicts[-1].status[0] == Status.OK


def test_without_latencies_the_limit_is_learnt_for_ever() -> None:
    _, verdicts = replay(bank_of("latency"), vectors_of(np.full(100, 100)))
    assert {int(verdict.status[0]) for verdict in verdicts} == {Status.LEARNING}


@pytest.mark.parametrize("cuts", [(0, 1, 4, 5, 64, 400), (0, 7, 300, 400)])
def test_the_limit_is_the_same_however_panes_come(cuts) -> None:
    bank, vectors = bank_of("latency"), vectors_of(np.full(400, 100), latencies=latencies_of(400, 4, 1.6))
    whole, verdicts = bank.walk(bank.initial(), vectors, range(0, 4_000_000, 10_000))
    state, statistics = bank.initial(), []
    for first, behind in itertools.pairwise(cuts):
        state, some = bank.walk(state, vectors[first:behind], range(first * 10_000, behind * 10_000, 10_000))
        statistics += some.statistic[:, 0].tolist()
    assert same(whole, state)
    assert np.array_equal(verdicts.statistic[:, 0], statistics, equal_nan=True)


def test_bursts_of_arrivals_in_which_more_fail_are_no_alarm() -> None:
    """Half a minute in which nine times as many arrive and ten times as many of them fail, every now and then, for ever."""
    random = np.random.default_rng(5)
    burst = np.repeat(random.random(300) < 0.2, 3)
    predictions = random.poisson(np.where(burst, 70, 8))
    slow = random.lognormal(np.log(80), 0.5, predictions.sum()) * np.repeat(np.where(burst, 1.5, 1.0), predictions)
    vectors = vectors_of(predictions, failed=random.binomial(predictions, np.where(burst, 0.1, 0.01)), latencies=slow)
    for name in ("failed_rate", "latency"):
        bank = bank_of(name)
        state, verdicts = bank.walk(bank.initial(), vectors, range(0, 9_000_000, 10_000))
        assert not (verdicts.status == Status.DRIFT).any(), name
        assert state["inflation"][0] > 1.1
