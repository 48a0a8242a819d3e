"""How columns go together: sums that merge, a null law that holds, changes that are found, and figures that can be computed again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import special, stats

from detectors.acknowledgement import Present
from detectors.alerts.explanation import explain
from detectors.columns.normal_scores import normal_scores
from detectors.errors import SettingsError
from detectors.evaluation import Correlated, CorrelationMonitor, changed_streams, delays_of, false_alarms_of, null_streams, oracle_at
from detectors.metrics.correlation_distance import CorrelationDistance
from detectors.monitors.bank import detectors_of
from detectors.monitors.correlation_drift import CorrelationDrift
from detectors.panes.correlation_sums import CorrelationSums, block_size
from detectors.panes.layout import Layout
from detectors.references.correlation_reference import correlation_profile, pairs_of
from detectors.references.reference import numeric_profile
from detectors.rows.row_groups import RowGroups
from detectors.scans.scored_windows import Bank, Windows
from detectors.settings.watching import Alerts, Floors
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from streams.wire import decode_alert, encode_alert
from tests.detectors.reference_samples import first_drift, pane_vectors, replay, specification_of
from tests.detectors.test_explanation import alerts_of, lives

NAMES = ("age", "salary", "height")
NO_FLOORS = Alerts(floors=Floors(rate=0, shift=0, deviation_ratio=1, categories=0, correlation=0))


def normal(rows: int, seed: int, *, correlation: float = 0.0) -> dict[str, np.ndarray]:
    """Three columns; the first two go together."""
    one, other, third = np.random.default_rng(seed).normal(size=(3, rows))
    return dict(zip(NAMES, (one, correlation * one + np.sqrt(1 - correlation**2) * other, third), strict=True))


REFERENCE = normal(10_000, 1, correlation=0.5)
PROFILES = {name: numeric_profile(values) for name, values in REFERENCE.items()}
TOGETHER = correlation_profile(REFERENCE, PROFILES)
MODEL = specification_of(PROFILES, together=TOGETHER, task="regression", alerts=NO_FLOORS)


def monitor(specification: MonitorSpecification = MODEL) -> CorrelationDrift:
    (found,) = (one for one in detectors_of(specification) if isinstance(one, CorrelationDrift))
    return found


def panes(columns: dict[str, np.ndarray], events: int = 50, specification: MonitorSpecification = MODEL) -> np.ndarray:
    data = {f"feature:{name}": values for name, values in columns.items()}
    return pane_vectors(Layout(specification), len(columns["age"]) // events, data)


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_the_whole_rows_of_each_group_to_the_last_bit(groups: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.choice(np.append(normal_scores(PROFILES["age"]), np.nan), size=(rows, 3))
    of = generator.integers(0, groups, rows)
    block = np.zeros((groups, block_size(3)))
    sums = CorrelationSums([], starts=[], places=range(3), size=0)
    for some in np.array_split(generator.permutation(rows), 3):  # in any order, in any number of parts
        sums.add(block, RowGroups([(0, "", "")] * groups, of[some], len(some)), scores[some])
    for group in range(groups):
        mine = scores[of == group]
        mine = mine[~np.isnan(mine).any(axis=1)]
        assert block[group].tolist() == [len(mine), *mine.sum(axis=0), *(mine.T @ mine)[np.triu_indices(3)]]


def test_the_reference_says_how_correlations_vary_from_sample_to_sample() -> None:
    generator = np.random.default_rng(3)
    n, samples = 200, 2_000
    heavy = generator.standard_t(3, size=(n * samples, 1)) * generator.normal(size=(n * samples, 3))  # large together, and not correlated
    columns = dict(zip(NAMES, heavy.T, strict=True))
    profiles = {name: numeric_profile(values) for name, values in columns.items()}
    found = correlation_profile({name: values[:20_000] for name, values in columns.items()}, profiles)
    scores = np.stack([stats.rankdata(values) for values in columns.values()], axis=1) / (n * samples + 1)
    first, second = pairs_of(3)
    of_samples = np.array([np.corrcoef(sample.T)[first, second] for sample in np.split(special.ndtri(scores), samples)])
    assert np.sqrt(n) * of_samples.std(axis=0) == pytest.approx(found.deviations, rel=0.06)
    assert min(found.deviations) > 1.2  # where independent columns would have 1
    sums = (np.sqrt(n) * of_samples / found.deviations).sum(axis=1)
    law = np.repeat(found.sum_values, found.sum_counts)
    assert sums.var() == pytest.approx(law.var(), rel=0.1)


@pytest.mark.parametrize(("correlation", "features"), [(0.0, 12), (0.5, 6)])
def test_by_chance_each_question_is_answered_no_oftener_than_its_scale_says(correlation: float, features: int) -> None:
    law, n = Correlated(correlation, correlation, features=features), 30
    generator = np.random.default_rng(4)
    watched = CorrelationMonitor(features=features, pane=n)
    bank, counts_of = watched.prepare(_bank(), law.draw(generator, np.zeros((10_000, 1))).astype(np.float64))
    sums = bank.sums_of(counts_of(law.draw(generator, np.zeros((n * 10_000, 1)))), [0] * 10_000)
    channels = bank.channel_sums.shape[1]
    known = Windows(sums[:, None], np.zeros((10_000, 1), int), np.ones((1, channels)), np.full((1, channels), 1e9))
    detail = bank.score(known, bank.initial()).detail
    for question in ("all", "many"):
        for side in (1, -1) if question == "all" else (1,):
            beyond = np.mean(side * detail[question] > 2.5)
            assert 0 < beyond < 2 * special.ndtr(-2.5)
    pairs = features * (features - 1) / 2
    assert np.mean(detail["one"] > 4.5) < 4 * pairs * special.ndtr(-4.5) + 3e-4


def _bank() -> Bank:
    return Bank(names=("correlation",), group="features", kind="drift", looks=1e4, pane=1_000, resolve_after=10_000)


def test_panes_one_by_one_give_the_bits_of_many_at_once() -> None:
    generator = np.random.default_rng(5)
    features = tuple(f"f{place}" for place in range(8))
    reference = dict(zip(features, generator.normal(size=(8, 2_000)), strict=True))
    profiles = {name: numeric_profile(values) for name, values in reference.items()}
    specification = specification_of(profiles, together=correlation_profile(reference, profiles), task="regression", alerts=NO_FLOORS)
    bank = monitor(specification)
    counts = pane_vectors(Layout(specification), 120, {f"feature:{name}": generator.normal(size=6_000) for name in features})
    starts = range(0, 120 * 1_000, 1_000)
    together, verdicts = bank.walk(bank.initial(), counts, starts)
    alone = bank.initial()
    said = []
    for place, start in enumerate(starts):
        alone, of_pane = bank.walk(alone, counts[place : place + 1], [start])
        said.append(of_pane.statistic[0, 0])
    assert np.array_equal(said, verdicts.statistic[:, 0], equal_nan=True)
    assert np.array_equal(alone["sums"], together["sums"])


def test_changes_of_all_correlations_are_found_and_little_else() -> None:
    law = Correlated(0.0, 0.3, features=20)
    streams = changed_streams(law, streams=5, before=1_500, after=300, seed=5, phases=10)
    delays = delays_of(CorrelationMonitor().watch(streams), streams.change)
    assert delays.found(60) == 1
    oracle = oracle_at(law, budget=100_000, events=100_000, seed=1)
    assert delays_of(oracle.watch(streams), streams.change).median <= delays.median
    nothing = null_streams(law, streams=3, events=3_000, seed=6)
    assert false_alarms_of(CorrelationMonitor().watch(nothing)).alarms == 0


@pytest.mark.parametrize("now", [0.0, 0.9, -0.5])
def test_one_pair_that_changes_is_found_and_named(now: float) -> None:
    columns = {name: np.concatenate((one, other)) for (name, one), other in zip(normal(6_000, 7, correlation=0.5).items(), normal(3_000, 8, correlation=now).values(), strict=True)}
    state, verdicts = replay(monitor(), panes(columns, 25))
    found = first_drift(verdicts)
    assert found is not None
    assert 240 <= found <= 252
    evidence = monitor().evidence(state, 0)
    assert evidence.reference["age ~ salary"] == pytest.approx(0.5, abs=0.03)
    assert evidence.current["age ~ salary"] == pytest.approx(now, abs=0.1)
    assert evidence.current["salary ~ height"] == pytest.approx(0, abs=0.06)


def test_columns_that_move_widen_or_miss_values_by_themselves_are_not_told_here() -> None:
    columns = normal(12_000, 9, correlation=0.5)
    since = np.arange(12_000) >= 6_000
    columns["age"] = columns["age"] + 0.8 * since
    columns["salary"] = columns["salary"] * (1 + 0.5 * since) + 0.8 * since
    columns["height"] = np.where(since & (np.random.default_rng(1).random(12_000) < 0.5), np.nan, columns["height"])
    _, verdicts = replay(monitor(), panes(columns))
    assert first_drift(verdicts) is None


def test_a_difference_within_the_floor_is_none_however_long_it_lasts() -> None:
    tolerant = specification_of(PROFILES, together=TOGETHER, task="regression")
    columns = normal(60_000, 10, correlation=0.5 - 0.8 * 3 * 0.05)  # of one pair in three: a mean of .8 of the floor
    _, verdicts = replay(monitor(tolerant), panes(columns, 200, tolerant))
    assert first_drift(verdicts) is None
    _, verdicts = replay(monitor(), panes(columns, 200))
    assert first_drift(verdicts) is not None


def test_every_figure_of_its_alert_comes_out_again_and_a_touched_one_does_not() -> None:
    columns = {name: np.concatenate((one, other)) for (name, one), other in zip(normal(6_000, 11, correlation=0.5).items(), normal(3_000, 12).values(), strict=True)}
    alerts = [decode_alert(encode_alert(alert)) for alert in alerts_of(MODEL, panes(columns))]
    (life,) = [life for life in lives(alerts) if life[0].kind == "drift"]
    explained = explain(life)
    assert [one.name for one in explained.monitors] == ["correlation"]
    assert "age ~ salary from 0.5" in explained.monitors[0].changed
    assert explained.wrong == ()
    life[0].monitors[0].current["age ~ height"] = 0.7
    assert [figure.name for figure in explain(life).wrong] == ["largest difference between correlations and sums"]


def test_an_acknowledged_window_is_what_is_compared_with() -> None:
    now = normal(6_000, 13, correlation=-0.2)
    state, verdicts = replay(monitor(), panes(now))
    assert verdicts[-1].status[0] == Status.DRIFT
    present = monitor().present(state, 0, 0)
    assert present.events > 5_000
    accepted = monitor().acknowledged(present)
    _, verdicts = replay(accepted, panes(normal(6_000, 14, correlation=-0.2)))
    assert first_drift(verdicts) is None
    _, verdicts = replay(accepted, panes(normal(6_000, 15, correlation=0.5)))
    assert first_drift(verdicts) is not None
    _, verdicts = replay(monitor().acknowledged(Present()), panes(now))
    assert all(verdict.status[0] == Status.LEARNING for verdict in verdicts)


def test_the_distance_of_a_window_is_told_with_what_chance_makes_of_it() -> None:
    block = Layout(MODEL).blocks["correlation"]
    measured = CorrelationDistance(TOGETHER, block)
    told = [measured.fields(panes(normal(400, seed, correlation=0.5), 400)[0]) for seed in range(100, 500)]
    assert 0.92 < np.mean([fields["difference"] < fields["difference_by_chance"] for fields in told]) < 0.98
    fields = measured.fields(panes(normal(400, 1, correlation=-0.4), 400)[0])
    assert fields["n"] == 400
    assert fields["difference_low"] < 0.9 / 3 < fields["difference_high"]
    assert fields["difference"] == pytest.approx(0.9 / 3, abs=0.06)
    assert all(np.isnan(value) for name, value in measured.fields(np.zeros(block.stop)).items() if name != "n")


def test_what_is_no_reference_is_refused() -> None:
    few = {name: values[:400] for name, values in REFERENCE.items()}
    with pytest.raises(SettingsError, match="correlations need 500 rows in which no column misses a value, got 400"):
        correlation_profile(few, PROFILES)
    for names, story in {("age", "age"): "2 to 30 different", ("age", "city"): "got 'city'", ("age", "height"): "its reference is of age, salary, height"}.items():
        with pytest.raises(ValidationError, match=story):
            MonitorSpecification(model="m", features=MODEL.features, reference=MODEL.reference, correlation=names)


def test_a_model_that_does_not_ask_for_correlations_has_neither_their_block_nor_another_digest() -> None:
    without = MODEL.model_copy(update={"correlation": ()})
    assert "correlation" not in Layout(without).blocks
    assert Layout(MODEL).size == Layout(without).size + block_size(3)
    bare = without.reference.model_copy(update={"profile": None if without.reference.profile is None else without.reference.profile.model_copy(update={"correlation": None})})
    assert without.digest == without.model_copy(update={"reference": bare}).digest
    assert MODEL.digest != without.digest
