import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from detectors.alerts.recomputation import recompute
from detectors.monitors.e_detector import KEPT, RISES, RateEDetector, grown, highest_rate, total, winnings
from detectors.monitors.rate_change import KNOWN, Rate
from detectors.rfc3339 import format_time
from detectors.scans.scored_windows import Bank
from detectors.verdict import Status

PANE, EVENTS = 1_000, 10


def monitors(rates: np.ndarray, *, looks: float, reference: float = KNOWN, base: float = 0.1) -> RateEDetector:
    """One for each column of (events, m), against a reference of so many rows."""
    names = tuple(f"stream:{place}" for place in range(rates.shape[1]))
    bank = Bank(names=names, group="performance", kind="performance", looks=looks, pane=PANE, resolve_after=60_000)
    return RateEDetector(bank, rates=[Rate(hits=[2 * place], events=[2 * place, 2 * place + 1], reference=(base * reference, reference)) for place in range(len(names))], floor=0.0)


def counts(errors: np.ndarray) -> np.ndarray:
    hits = errors.reshape(-1, EVENTS, errors.shape[1]).sum(axis=1)
    return np.stack((hits, EVENTS - hits), axis=2).reshape(len(hits), -1).astype(float)


def test_without_a_rise_the_mean_time_to_an_alarm_is_at_least_the_budget() -> None:
    looks, panes, streams = 100.0, 800, 80
    errors = np.random.default_rng(1).random((panes * EVENTS, streams)) < 0.1
    detector = monitors(errors, looks=looks)
    _, verdicts = detector.walk(detector.initial(), counts(errors), range(0, panes * PANE, PANE))
    drifting = verdicts.status == Status.DRIFT
    alarms, first = drifting.any(axis=0), np.where(drifting.any(axis=0), drifting.argmax(axis=0), panes)
    assert alarms.sum() > 20  # it is not simply silent
    assert stats.poisson.cdf(alarms.sum(), first.sum() / looks) < 0.999
    assert first.sum() / alarms.sum() > looks


def test_dependent_events_raise_about_as_many_alarms_as_the_budget_at_most() -> None:
    looks, panes, streams = 300.0, 600, 40
    noise = np.random.default_rng(2).normal(size=(panes * EVENTS, streams))
    errors = signal.lfilter([np.sqrt(1 - 0.49)], [1, -0.7], noise, axis=0) > stats.norm.isf(0.1)
    detector = monitors(errors, looks=looks)
    _, verdicts = detector.walk(detector.initial(), counts(errors), range(0, panes * PANE, PANE))
    drifting = verdicts.status == Status.DRIFT
    first = np.where(drifting.any(axis=0), drifting.argmax(axis=0), panes)
    assert first.sum() / max(drifting.any(axis=0).sum(), 1) > 0.6 * looks  # for independent events it is guaranteed; as independent ones they were told every 50


def test_a_rate_that_doubles_is_told_later_than_by_the_scan_but_soon() -> None:
    generator, panes = np.random.default_rng(3), 540
    errors = generator.random((panes * EVENTS, 40)) < np.where(np.arange(panes * EVENTS) < 5_000, 0.1, 0.2)[:, None]
    detector = monitors(errors, looks=10_000, reference=10_000)
    _, verdicts = detector.walk(detector.initial(), counts(errors), range(0, panes * PANE, PANE))
    drifting = verdicts.status == Status.DRIFT
    assert not drifting[:500].any()
    assert drifting.any(axis=0).mean() > 0.9
    delay = (drifting.argmax(axis=0) - 499) * EVENTS
    assert 150 < np.median(delay) < 300
    began = np.array([verdicts.change_at[place, stream] for stream, place in enumerate(drifting.argmax(axis=0))])
    assert abs(np.median(began) - 500 * PANE) <= 6 * PANE


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_statistic_is_the_sum_over_all_starts_of_what_a_unit_has_become(panes) -> None:
    of_panes = np.array([[[events], [round(events * share)], [1.0], [0.2]] for events, share in panes], float)
    wealth = grown(np.full((len(RISES), 1), -np.inf), of_panes)
    counted = of_panes[of_panes[:, 0, 0] > 0]
    won = winnings(counted)
    direct = np.array([sum(np.exp(won[start:, bettor, 0].sum()) for start in range(len(won))) for bettor in range(len(RISES))])
    assert np.exp(wealth[-1, :, 0]) == pytest.approx(direct)
    assert total(wealth[-1])[0] == pytest.approx(max(np.log(direct.mean()), 0) if len(won) else 0)


@given(st.integers(1, 40), st.floats(0.01, 0.9), st.floats(1, 3))
def test_a_bet_is_fair_at_the_highest_rate_that_is_tolerated_and_loses_below(events, highest, inflation) -> None:
    hits = np.arange(events + 1)
    of_panes = np.stack([np.full(events + 1, events), hits, np.full(events + 1, inflation), np.full(events + 1, highest)], axis=1)[..., None].astype(float)
    becomes = np.exp(winnings(of_panes))[..., 0]
    at_most = 1 + 1e-9
    assert (stats.binom.pmf(hits, events, highest) @ becomes <= at_most).all()
    assert (stats.binom.pmf(hits, events, highest / 2) @ becomes <= at_most).all()


def test_the_bound_holds_the_rate_for_99_of_100_references() -> None:
    hits = stats.binom.rvs(500, 0.1, size=4_000, random_state=4).astype(float)
    held = (highest_rate(hits, np.full(4_000, 500.0), 0.0) >= 0.1).mean()
    assert 0.985 < held < 0.998
    assert np.isnan(highest_rate(np.zeros(1), np.zeros(1), 0.0)).all()


@pytest.mark.parametrize("after", [3, 200])
def test_an_alert_carries_the_bets_that_its_statistic_is_made_of(after) -> None:
    panes = 300 + after
    errors = np.random.default_rng(5).random((panes * EVENTS, 2)) < np.where(np.arange(panes * EVENTS) < 3_000, 0.1, 0.4)[:, None]
    detector = monitors(errors, looks=10_000, reference=10_000)
    state, verdicts = detector.walk(detector.initial(), counts(errors), range(0, panes * PANE, PANE))
    evidence = detector.evidence(state, 1)
    assert evidence.value == verdicts.statistic[-1, 1]
    assert len(evidence.basis["pane_hits"]) == KEPT
    assert recompute(evidence).value == pytest.approx(evidence.value, rel=1e-12)
    evidence.basis["pane_hits"][-1] += 1
    assert recompute(evidence).value != pytest.approx(evidence.value, rel=1e-3)


def test_after_a_restart_everything_is_put_in_anew() -> None:
    errors = np.random.default_rng(6).random((3_000, 1)) < np.where(np.arange(3_000) < 2_000, 0.1, 0.5)[:, None]
    detector = monitors(errors, looks=10_000, reference=10_000)
    state, verdicts = detector.walk(detector.initial(), counts(errors), range(0, 300 * PANE, PANE))
    assert verdicts.status[-1, 0] == Status.DRIFT
    _, verdicts = detector.walk(detector.restart(state, 0, 300 * PANE), counts(errors[:2_000]), range(300 * PANE, 500 * PANE, PANE))
    assert not (verdicts.status == Status.DRIFT).any()


def test_an_alarm_that_comes_before_any_window_holds_enough_began_after_the_restart() -> None:
    errors = np.random.default_rng(7).random((3_000, 1)) < 0.01
    detector = monitors(errors, looks=1_000, reference=10_000, base=0.01)
    state, _ = detector.walk(detector.initial(), counts(errors), range(0, 300 * PANE, PANE))
    state = detector.restart(state, 0, 300 * PANE)
    _, verdicts = detector.walk(state, np.full((2, 2), 4.0), range(300 * PANE, 302 * PANE, PANE))
    assert verdicts.status[:, 0].tolist() == [Status.DRIFT] * 2
    assert verdicts.change_at[:, 0].tolist() == [300 * PANE] * 2
    state, _ = detector.walk(state, np.full((2, 2), 4.0), range(300 * PANE, 302 * PANE, PANE))
    evidence = detector.evidence(state, 0)
    assert evidence.value == verdicts.statistic[-1, 0] > evidence.threshold
    assert evidence.n_current == 16
    assert evidence.basis["since"] == evidence.basis["earliest"] == format_time(300 * PANE)
    again = recompute(evidence)
    assert (again.value, again.effect.value) == (pytest.approx(evidence.value, rel=1e-12), evidence.effect.value)
