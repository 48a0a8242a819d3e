"""Predictions that became more or fewer than is usual: what is told, and what is not."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import special, stats

from detectors.acknowledgement import Present
from detectors.alerts.alert_summary import summary_of
from detectors.alerts.evidence_words import how_surely, ruled_out, what_changed
from detectors.alerts.recomputation import recompute
from detectors.bundle import Bundle, Summary
from detectors.detect import Detect
from detectors.monitor import Monitor, Monitors
from detectors.monitors.bank import detectors_of
from detectors.monitors.traffic import LONGEST_PAUSE, TrafficChange
from detectors.panes.heard_partitions import FORGOTTEN, HeardPartitions
from detectors.panes.layout import Layout
from detectors.references.hours_of_week import HOUR
from detectors.references.usual_hours import HoursSeen
from detectors.scans.scored_windows import Bank, Windows
from detectors.settings.watching import Alerts, Floors, Service
from detectors.specification import MonitorSpecification
from detectors.statistics.dependence import INDEPENDENT
from detectors.verdict import Status
from streams.state_codec import decode_state, encode_state
from tests.detectors.test_contract import same

PANE, MINUTE = 10_000, 60_000
BEFORE = 200
KNOWN = (10_000.0, 20.0, 20.0)
"""A reference that was acknowledged, where it does not matter how it is learnt: panes, mean and variance."""
BANK = Bank(names=("traffic",), group="service", kind="service", looks=100_000, pane=PANE, resolve_after=10 * MINUTE)
SPECIFICATION = MonitorSpecification(model="churn", lateness=0, service=Service(monitors=("traffic",), traffic_cycle="none"))


def monitor(cycle: str = "none", ratio: float = 1.5, pane: int = PANE, reference: tuple[float, float, float] | None = KNOWN) -> TrafficChange:
    return TrafficChange(replace(BANK, pane=pane), predictions=0, cycle=cycle, ratio=ratio, reference=reference)


def poisson(seed: int, times: float = 1.0, panes: int = BEFORE + 100) -> np.ndarray:
    return np.random.default_rng(seed).poisson(np.where(np.arange(panes) < BEFORE, 20.0, 20.0 * times)).astype(float)


def walked(detector: TrafficChange, counts: np.ndarray, starts: np.ndarray | None = None) -> tuple[dict, np.ndarray]:
    """State and status of every pane."""
    starts = np.arange(len(counts)) * detector.bank.pane if starts is None else starts
    state, verdicts = detector.walk(detector.initial(), counts[:, None], starts.tolist())
    return state, verdicts.status[:, 0]


def until_told(detector: TrafficChange, counts: np.ndarray) -> tuple[dict, int]:
    """State after the first alarm, and the pane of it."""
    _, status = walked(detector, counts)
    (told, *_), *_ = np.nonzero(status == Status.DRIFT)
    return walked(detector, counts[: told + 1])[0], int(told)


@pytest.mark.parametrize(("times", "most"), [(2.0, 35), (0.5, 45)])
def test_traffic_that_doubles_or_halves_is_told_with_figures_that_can_be_recomputed(times, most) -> None:
    detector = monitor()
    state, told = until_told(detector, poisson(1, times))
    assert BEFORE < told <= BEFORE + most
    evidence = detector.evidence(state, 0)
    again = recompute(evidence)
    assert (again.value, again.threshold, again.effect) == (pytest.approx(evidence.value), evidence.threshold, evidence.effect)
    assert abs(evidence.effect.value - np.log(times)) < 0.2
    low, high = evidence.effect.interval
    assert low < np.log(times) < high
    assert f"{np.exp(evidence.effect.value):.3g} times as many" in what_changed(evidence)
    assert f"traffic is {np.exp(evidence.effect.value):.3g} times what is usual" in summary_of("churn", [evidence], 0)
    assert any("panes against" in sentence for sentence in how_surely(evidence, "1 per 30d"))
    assert any("panes' dependence" in sentence for sentence in ruled_out(evidence))


def test_a_fifth_more_is_told_where_no_ratio_is_harmless_and_not_with_the_usual_floor() -> None:
    counts = poisson(2, 1.2, BEFORE + 300)
    assert (walked(monitor(), counts)[1] != Status.DRIFT).all()
    assert BEFORE < until_told(monitor(ratio=1.0), counts)[1] <= BEFORE + 160


def test_traffic_is_learnt_before_anything_is_said_and_steady_traffic_is_well() -> None:
    state, status = walked(monitor(reference=None), poisson(3, panes=560))
    assert (status[:499] == Status.LEARNING).all()
    assert status[-1] == Status.OK
    panes, total, squares = state["learnt"]
    assert panes == 500
    assert abs(total / panes - 20) < 1
    assert abs(squares / panes - (total / panes) ** 2 - 20) < 5


@pytest.mark.parametrize(("dispersion", "least"), [(np.inf, -0.6), (3.0, -0.55)])
def test_the_statistic_is_never_surer_than_the_exact_tail_and_not_much_less_sure(dispersion, least) -> None:
    """Windows of 20 and of 200 panes of 20 predictions, against a reference without error."""
    mean, variance = 20.0, 20.0 + 400.0 / dispersion
    detector = monitor(ratio=1.0, reference=(1e12, mean, variance))
    for panes in (20.0, 200.0):
        law = stats.poisson(panes * mean) if np.isinf(dispersion) else stats.nbinom(panes * dispersion, dispersion / (dispersion + mean))
        for rises in (True, False):
            tail = law.sf if rises else law.cdf
            totals = np.arange(law.ppf(1e-8), law.isf(1e-8))
            exact = -special.ndtri(tail(totals - 1) if rises else tail(totals))
            totals, exact = totals[(exact > 3) & (exact < 5)], exact[(exact > 3) & (exact < 5)]
            sums = np.stack((np.full_like(totals, panes), totals, totals, np.full_like(totals, panes)), axis=1)
            known = Windows(sums, np.zeros(len(totals), np.int64), np.ones((1, 1)), np.full((1, 1), INDEPENDENT))
            found = detector.score(known, detector.initial()).statistic[:, 0]
            skewness = 2 * np.sqrt(variance / mean**2 / panes) / 3 if rises else 0.0  # which is added on purpose, see `of_skewed`
            assert (found - skewness - exact).max() < 0.15
            assert (found - skewness - exact).min() > least


@given(totals=st.lists(st.integers(1, 10_000), min_size=2, max_size=6, unique=True))
def test_the_farther_from_what_is_usual_the_surer(totals) -> None:
    sums = np.array([[20.0, total, total, 20.0] for total in sorted(totals)])
    detector = monitor(ratio=1.0, reference=(1e4, 20.0, 60.0))
    known = Windows(sums, np.zeros(len(sums), np.int64), np.ones((1, 1)), np.full((1, 1), INDEPENDENT))
    found, above = detector.score(known, detector.initial()).statistic[:, 0], sums[:, 1] > 400
    assert (np.diff(found[above]) > 0).all()
    assert (np.diff(found[~above]) < 0).all()


def test_every_second_pane_without_a_prediction_is_half_the_traffic() -> None:
    counts = poisson(4)
    counts[BEFORE::2] = 0
    assert BEFORE < until_told(monitor(), counts)[1] <= BEFORE + 60


@pytest.mark.parametrize("length", [LONGEST_PAUSE, LONGEST_PAUSE + 1, 60, 5_000])
def test_a_pause_and_a_jump_of_the_clock_are_not_told_however_long(length) -> None:
    counts = poisson(5)
    starts = np.arange(len(counts)) * PANE
    starts[BEFORE:] += length * PANE
    assert (walked(monitor(), counts, starts)[1] != Status.DRIFT).all()


def test_panes_of_which_events_are_missing_are_no_look() -> None:
    counts = poisson(6)
    counts[BEFORE : BEFORE + 60] *= 0.2
    assert (walked(monitor(), counts)[1] == Status.DRIFT).any()
    counts[BEFORE : BEFORE + 60] = np.nan
    state, status = walked(monitor(), counts)
    assert (status != Status.DRIFT).all()
    assert not np.isnan(state["sums"]).any()


DAILY = (10_000.0, 137.5, 400.0)


def daily(seed: int, days: int, pane: int, *, changed_from: float = np.inf) -> np.ndarray:
    """Six hours of every day have eight times the traffic of the others."""
    at = np.arange(days * 24 * HOUR // pane) * pane
    level = np.where(at // HOUR % 24 // 6 == 2, 400.0, 50.0) * np.where(at >= changed_from * 24 * HOUR, 2.0, 1.0)
    return np.random.default_rng(seed).poisson(level).astype(float)


def test_a_daily_cycle_is_learnt_from_two_days_and_is_no_alarm_but_a_doubling_beside_it_is() -> None:
    pane = 10 * MINUTE
    detector, day = monitor("day", pane=pane, reference=DAILY), 144
    counts = daily(7, 6, pane, changed_from=5.5)
    state, status = walked(detector, counts)
    assert (status[: 2 * day] == Status.LEARNING).all()
    assert state["factors"].reshape(4, 6).mean(axis=1).round(1).tolist() == [0.4, 0.4, 2.9, 0.4]
    assert (status[3 * day : int(5.5 * day)] == Status.OK).all()
    told = int(np.argmax(status == Status.DRIFT))
    assert 5.5 * day < told <= 5.5 * day + 45
    evidence = detector.evidence(walked(detector, counts[: told + 1])[0], 0)
    assert recompute(evidence).value == pytest.approx(evidence.value)
    assert "not the hour of the day: panes are counted beside what is usual in theirs" in [*ruled_out(evidence)]
    assert (walked(monitor(pane=pane, reference=DAILY), counts)[1] == Status.DRIFT)[: 5 * day].any()  # which the cycle alone would be


def test_hours_without_a_rhythm_are_taken_for_alike() -> None:
    seen, random = HoursSeen(24), np.random.default_rng(8)
    for start in range(0, 49 * HOUR, 10 * MINUTE):
        seen = seen.with_pane(start, 10 * MINUTE, panes=1, predictions=float(random.poisson(20)))
    usual = seen.usual(10 * MINUTE)
    assert np.abs(usual.factors - 1).max() < 0.1
    assert 0.004 < usual.variance < 0.03  # 1.5 / 120, of a Poisson


@pytest.mark.parametrize("cuts", [(0, 1, 4, 300, 301, 720), (0, 499, 720)])
def test_it_is_the_same_however_panes_come_and_through_saved_state(cuts) -> None:
    detector, counts = monitor("day", pane=20 * MINUTE, reference=DAILY), daily(9, 10, 20 * MINUTE)
    whole, status = walked(detector, counts)
    state, found = detector.initial(), []
    for first, behind in itertools.pairwise(cuts):
        state, some = detector.walk(state, counts[first:behind, None], range(first * 20 * MINUTE, behind * 20 * MINUTE, 20 * MINUTE))
        state = decode_state(encode_state(state), "traffic")
        found += some.status[:, 0].tolist()
    assert same(whole, state)
    assert found == status.tolist()


def test_an_acknowledged_level_is_the_new_reference() -> None:
    counts = poisson(10, 2.0, BEFORE + 600)
    detector = monitor()
    state, _ = walked(detector, counts)
    present = detector.present(state, 0, BEFORE * PANE)
    assert present.events >= 500
    acknowledged = next(one for one in detectors_of(SPECIFICATION, acknowledged={"traffic": present}) if one.names == ("traffic",))
    state = acknowledged.restart(state, 0, len(counts) * PANE)
    more, cell = poisson(11, 2.0, BEFORE + 200)[BEFORE:], np.zeros((200, Layout(SPECIFICATION).size))
    cell[:, 0] = more
    starts = range(len(counts) * PANE, (len(counts) + 200) * PANE, PANE)
    assert acknowledged.walk(state, cell, starts)[1].status[-1, 0] == Status.OK
    few = next(one for one in detectors_of(SPECIFICATION, acknowledged={"traffic": Present()}) if one.names == ("traffic",))
    assert few.walk(few.initial(), cell, starts)[1].status[-1, 0] == Status.LEARNING


LEARNT = 560
"""Panes after which traffic is watched that nobody has acknowledged."""


def alerts_of(specification: MonitorSpecification, panes: dict[int, list[float]], until: int) -> list[tuple[str, list[str]]]:
    """Status and monitors of the alerts of panes with so many predictions in each source partition."""
    stage, alerts = Detect(Monitors([Monitor(specification=specification)])), []
    told = {"model": "churn", "revision": 1, "digest": specification.digest, "version": "1", "segment": ""}
    partitions = len(next(iter(panes.values())))
    for partition in range(partitions):
        summaries = []
        for start, of_partition in panes.items():
            counts = np.zeros(Layout(specification).size)
            counts[0] = of_partition[partition]
            summaries += [Summary(**told, start=start, counts=counts)] * bool(counts[0])
        stage.absorb(Bundle(partition=partition, partitions=partitions, generation=1, epoch=1, high=until, covered=1, summaries=tuple(summaries)), partition)
    alerts += stage.flush().alerts
    return [(alert.status, [one.name for one in alert.monitors]) for alert in alerts]


def test_a_model_that_falls_silent_and_comes_back_is_one_alert() -> None:
    service = Service(monitors=("traffic", "silence"), traffic_cycle="none", silence=5 * MINUTE)
    counts = poisson(12, panes=LEARNT + 80)
    starts = [pane * PANE + (pane >= LEARNT) * 60 * MINUTE for pane in range(len(counts))]
    told = alerts_of(SPECIFICATION.model_copy(update={"service": service}), {start: [count] for start, count in zip(starts, counts, strict=True)}, starts[-1] + PANE)
    assert told == [("opened", ["silence"]), ("resolved", ["silence"])]


def test_a_source_partition_that_is_not_heard_of_is_no_fall_of_the_traffic() -> None:
    random = np.random.default_rng(13)
    panes = {pane * PANE: [float(part) for part in random.poisson(30, 2)] for pane in range(LEARNT + 60)}
    for pane in range(LEARNT, LEARNT + 60):
        panes[pane * PANE][1] = 0.0
    assert alerts_of(SPECIFICATION, panes, (LEARNT + 60) * PANE) == []
    fewer = {start: [first / (2 if start >= LEARNT * PANE else 1) // 1, 0.0] for start, (first, _) in panes.items()}
    assert alerts_of(SPECIFICATION, fewer, (LEARNT + 60) * PANE) == [("opened", ["traffic"])]


def test_a_partition_that_stays_away_is_forgotten_and_one_among_few_events_is_chance() -> None:
    heard = HeardPartitions(PANE)
    assert heard.all_there(0, {0: 30, 1: 30})
    assert heard.all_there(PANE, {0: 3})
    assert not heard.all_there(2 * PANE, {0: 30})
    restored = HeardPartitions(PANE)
    restored.restore(decode_state(encode_state(heard.state()), "heard"))
    assert not restored.all_there(FORGOTTEN * PANE, {0: 30})
    assert restored.all_there((FORGOTTEN + 1) * PANE, {0: 30})


def test_settings_that_would_not_be_used_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"add traffic to service\.monitors"):
        Service(traffic_cycle="day")
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Floors(traffic=0.5)
    found = next(one for one in detectors_of(SPECIFICATION.model_copy(update={"alerts": Alerts(floors=Floors(traffic=3.0))})) if one.names == ("traffic",))
    assert found.floors.tolist() == [np.log(3.0)]
