import numpy as np
import pytest

from detectors.detector import Detector
from detectors.monitors.bank import detectors_of
from detectors.panes.layout import Layout
from detectors.profile import Cycle
from detectors.settings.watching import Alerts, Floors
from detectors.statistics.large_deviation import DeviationTable
from detectors.verdict import Status
from tests.detectors.reference_samples import PANE, first_drift, numeric_profile, pane_vectors, replay, specification_of

REFERENCE = numeric_profile(np.random.default_rng(0).normal(size=20_000))
EVENTS, PANES = 100_000, 1_000


def numeric_bank(*, profile=REFERENCE, features: int = 1, budget: str = "1 per 30d", **changes: object) -> tuple[Detector, Layout]:
    columns = {f"x{index}": profile for index in range(features)}
    specification = specification_of(columns, false_alarms=budget, events_per_pane=100.0, detectors={"shares": {"performance": 0, "quality": 0}}, **changes)
    (bank,) = detectors_of(specification)
    return bank, Layout(specification)


def statuses(values: np.ndarray, panes: int = PANES, **changes: object) -> tuple[np.ndarray, list]:
    bank, layout = numeric_bank(**changes)
    _, verdicts = replay(bank, pane_vectors(layout, panes, {"feature:x0": values}))
    return np.array([verdict.status[0] for verdict in verdicts]), verdicts


def autoregressive(generator: np.random.Generator, correlation: float, events: int) -> np.ndarray:
    from scipy.signal import lfilter

    noise = generator.normal(size=events) * np.sqrt(1 - correlation**2)
    return lfilter([1], [1, -correlation], noise)


def test_half_a_sigma_on_one_feature_of_twenty_is_found_there_and_nowhere_else() -> None:
    generator = np.random.default_rng(1)
    bank, layout = numeric_bank(features=20)
    data = generator.normal(size=(20, 40_000))
    data[7, 30_000:] += 0.5
    state, verdicts = replay(bank, pane_vectors(layout, 400, {f"feature:x{index}": column for index, column in enumerate(data)}))
    found = [first_drift(verdicts, monitor) for monitor in range(20)]
    assert found[7] is not None
    assert 300 <= found[7] <= 304
    assert verdicts[found[7]].change_at[7] == pytest.approx(300 * PANE, abs=2 * PANE)
    assert found[:7] + found[8:] == [None] * 19
    evidence = bank.evidence(state, 7)
    assert evidence.effect.name == "shift in sigma"
    assert 0.35 < evidence.effect.interval[0] < evidence.effect.value < 0.5  # values in an outer bin count as the reference's mean there, so a shift looks smaller
    counts, scores = np.array(evidence.current["counts"]), np.array(REFERENCE.scores)
    assert counts.sum() == evidence.n_current
    assert counts @ scores / counts.sum() == pytest.approx(evidence.effect.value, abs=0.01)


def test_a_fall_is_found_like_a_rise_and_a_wider_or_narrower_column_like_a_shift() -> None:
    generator = np.random.default_rng(2)
    for change, name, value in (
        (lambda x: x - 0.5, "shift in sigma", -0.5),
        (lambda x: 1.5 * x, "log ratio of deviations", np.log(1.5)),
        (lambda x: x / 1.5, "log ratio of deviations", -np.log(1.5)),
    ):
        values = generator.normal(size=20_000)
        values[10_000:] = change(values[10_000:])
        bank, layout = numeric_bank()
        state, verdicts = replay(bank, pane_vectors(layout, 200, {"feature:x0": values}))
        found = first_drift(verdicts)
        assert found is not None
        assert 100 <= found <= 114
        effect = bank.evidence(state, 0).effect
        assert effect.name == name
        assert 0.6 < effect.value / value < 1.2  # values in an outer bin count as the reference's mean there, so a wider column looks less wide


@pytest.mark.parametrize("floor", [0.1, 0.0])
def test_a_harmless_constant_offset_is_no_alarm_under_its_floor_and_is_one_without_a_floor(floor) -> None:
    values = np.random.default_rng(3).normal(size=EVENTS) + 0.08
    seen, _ = statuses(values, alerts=Alerts(floors=Floors(shift=floor)))
    assert (Status.DRIFT in seen) == (floor == 0)


@pytest.mark.parametrize("law", ["normal", "lognormal", "exponential", "student"])
def test_unchanged_columns_of_any_law_raise_nothing_even_without_floors(law) -> None:
    draw = {
        "normal": lambda g, n: g.normal(size=n),
        "lognormal": lambda g, n: g.lognormal(size=n),
        "exponential": lambda g, n: g.exponential(size=n),
        "student": lambda g, n: g.standard_t(3, size=n),
    }[law]
    generator = np.random.default_rng(4)
    profile = numeric_profile(draw(generator, 20_000), bins=64)
    seen, _ = statuses(draw(generator, EVENTS), profile=profile, alerts=Alerts(floors=Floors(shift=0, deviation_ratio=1)))
    assert Status.DRIFT not in seen
    assert Status.OK in seen


@pytest.mark.parametrize("per_pane", [100, 10, 1])
def test_an_autoregression_raises_nothing_whether_it_runs_within_panes_or_across_them(per_pane) -> None:
    panes = 1_000
    for seed in range(2):
        values = autoregressive(np.random.default_rng(40 + seed), 0.7, panes * per_pane)
        seen, _ = statuses(values, panes=panes, alerts=Alerts(floors=Floors(shift=0, deviation_ratio=1)))
        assert Status.DRIFT not in seen


def test_a_shift_in_an_autoregression_is_still_found() -> None:
    values = autoregressive(np.random.default_rng(5), 0.7, EVENTS)
    values[EVENTS // 2 :] += 0.5
    seen, _ = statuses(values)
    first = int(np.argmax(seen == Status.DRIFT))
    assert PANES // 2 <= first < PANES // 2 + 30


def seasonal(generator: np.random.Generator, events: int, period: int) -> tuple[np.ndarray, Cycle]:
    """One sigma of swing on top of one of noise, and its cycle in standard scores."""
    time = np.arange(events) * PANE / 100
    swing = np.sin(2 * np.pi * time / period)
    deviation = np.sqrt(1.5)
    # The square of the standard score, sin^2 / 1.5 about its mean, is -cos(2 angle) / 3.
    return swing + generator.normal(size=events), Cycle(period=period, location=(0.0, 1 / deviation, 0.0, 0.0), square=(0.0, 0.0, -1 / 3, 0.0))


def test_a_learnt_swing_of_one_sigma_is_no_drift_and_a_shift_on_top_of_it_is() -> None:
    generator = np.random.default_rng(6)
    period = 200 * PANE
    reference, cycle = seasonal(generator, 20_000, period)
    values, _ = seasonal(generator, EVENTS, period)
    learnt, _ = statuses(values, profile=numeric_profile(reference, cycles=(cycle,)))
    assert Status.DRIFT not in learnt
    assert (learnt == Status.OK).mean() > 0.9
    values[EVENTS // 2 :] += 0.6
    shifted, _ = statuses(values, profile=numeric_profile(reference, cycles=(cycle,)))
    assert PANES // 2 <= int(np.argmax(shifted == Status.DRIFT)) <= PANES // 2 + 20


def test_a_learnt_swing_of_the_spread_is_no_drift_and_one_that_lasts_is() -> None:
    generator, panes, events = np.random.default_rng(8), 2_000, 30
    swing = 1 + 0.6 * np.sin(2 * np.pi * np.arange(panes * events) / (160 * events))
    reference, values = generator.uniform(-1, 1, (2, panes * events)) * swing
    # The square of the standard score is the square of the swing, 1.18 + 1.2 sin - .18 cos 2, over its mean.
    cycle = Cycle(period=160 * PANE, location=(0.0, 0.0, 0.0, 0.0), square=(0.0, 1.2 / 1.18, -0.18 / 1.18, 0.0))
    profile = numeric_profile(reference, cycles=(cycle,))
    learnt, _ = statuses(values, panes=panes, profile=profile)
    assert Status.DRIFT not in learnt
    values[len(values) // 2 :] *= 1.5
    wider, _ = statuses(values, panes=panes, profile=profile)
    assert panes // 2 <= int(np.argmax(wider == Status.DRIFT)) <= panes // 2 + 60


def test_the_recent_effect_falls_when_the_change_is_over_while_the_evidence_stays() -> None:
    values = np.random.default_rng(7).normal(size=60_000)
    values[30_000:40_000] += 1
    _, verdicts = statuses(values, panes=600)
    assert verdicts[399].recent_effect[0] == pytest.approx(1, abs=0.1)
    assert verdicts[480].recent_effect[0] < 0.05
    assert verdicts[480].status[0] == Status.DRIFT


def test_too_small_a_reference_is_learning_and_too_few_events_say_nothing() -> None:
    generator = np.random.default_rng(8)
    seen, _ = statuses(generator.normal(size=10_000), profile=numeric_profile(generator.normal(size=60), bins=4))
    assert (seen == Status.LEARNING).all()
    sparse, _ = statuses(generator.normal(size=60), panes=60)
    assert Status.INSUFFICIENT_DATA in sparse


def test_a_constant_column_says_nothing() -> None:
    seen, _ = statuses(np.ones(5_000), panes=100, profile=numeric_profile(np.ones(1_000)))
    assert seen[-1] == Status.INSUFFICIENT_DATA


def test_a_large_deviation_is_no_likelier_than_cramers_rate_says() -> None:
    # An exponential law, finely binned: I(x) of a mean 1 + x is x - log(1 + x).
    values = np.linspace(0, 30, 6_001)
    found = DeviationTable.of_means([(values, 1e18 * np.exp(-values))])
    deviations = np.array([[-0.5], [0.1], [1.0], [3.0]])
    exact = np.sqrt(2 * (deviations - np.log1p(deviations))) / np.abs(deviations)
    assert found.at(deviations, np.array([0]))[0] == pytest.approx(exact, rel=0.03)


def test_banks_of_one_reference_share_what_is_known_of_it_and_those_of_another_do_not() -> None:
    first, second, other = (
        numeric_bank(profile=profile)[0] for profile in (REFERENCE, REFERENCE.model_copy(), REFERENCE.model_copy(update={"counts": (1, *REFERENCE.counts[1:])}))
    )
    assert first._reference is second._reference
    assert first._reference is not other._reference
    assert numeric_bank(profile=REFERENCE, features=2)[0]._reference is not first._reference
