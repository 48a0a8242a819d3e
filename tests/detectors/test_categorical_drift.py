import numpy as np
import pytest

from detectors.detector import Detector
from detectors.monitors.bank import detectors_of
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.panes.layout import Layout
from detectors.scans.scored_windows import Windows
from detectors.settings.watching import Alerts, Floors
from detectors.verdict import Status
from tests.detectors.reference_samples import PANE, categorical_profile, first_drift, pane_vectors, replay, specification_of

SHARES = {"a": 0.4, "b": 0.3, "c": 0.15, "d": 0.1, "e": 0.05}
LONG_TAIL = {f"l{rank}": 1 / rank / sum(1 / r for r in range(1, 61)) for rank in range(1, 61)}


def categorical_bank(shares, **changes: object) -> tuple[Detector, Layout]:
    generator = np.random.default_rng(9)
    drawn = np.bincount(generator.choice(len(shares), size=20_000, p=list(shares.values())), minlength=len(shares)) / 20_000
    profile = categorical_profile(dict(zip(shares, drawn, strict=True)), rows=20_000)
    specification = specification_of({"city": profile}, false_alarms="1 per 30d", events_per_pane=100.0, detectors={"shares": {"performance": 0, "quality": 0}}, **changes)
    (bank,) = detectors_of(specification)
    return bank, Layout(specification)


def levels(generator: np.random.Generator, shares, events: int) -> np.ndarray:
    return generator.choice(len(shares), size=events, p=list(shares.values())).astype(float)


@pytest.mark.parametrize("floor", [0.05, 0.0])
def test_a_move_of_fifteen_percent_of_the_mass_is_found_soon_with_its_time_and_counts(floor) -> None:
    generator = np.random.default_rng(1)
    moved = SHARES | {"a": 0.25, "c": 0.3}
    values = np.concatenate((levels(generator, SHARES, 20_000), levels(generator, moved, 10_000)))
    bank, layout = categorical_bank(SHARES, alerts=Alerts(floors=Floors(categories=floor)))
    state, verdicts = replay(bank, pane_vectors(layout, 300, {"feature:city": values}))
    found = first_drift(verdicts)
    assert found is not None
    assert 200 <= found <= 212
    assert verdicts[found].change_at[0] == pytest.approx(200 * PANE, abs=4 * PANE)
    evidence = bank.evidence(state, 0)
    assert evidence.effect.value == pytest.approx(0.15, abs=0.02)
    assert sum(evidence.current.values()) == evidence.n_current


@pytest.mark.parametrize("shares", [SHARES, LONG_TAIL, {"a": 0.9995, "b": 0.0005}], ids=["five levels", "sixty levels", "a rare level"])
@pytest.mark.parametrize("floor", [0.05, 0.0])
def test_unchanged_levels_raise_nothing_however_rare_they_are(shares, floor) -> None:
    bank, layout = categorical_bank(shares, alerts=Alerts(floors=Floors(categories=floor)))
    _, verdicts = replay(bank, pane_vectors(layout, 500, {"feature:city": levels(np.random.default_rng(2), shares, 50_000)}))
    assert first_drift(verdicts) is None
    assert verdicts[-1].status[0] == Status.OK


def test_an_immaterial_move_is_no_alarm() -> None:
    moved = SHARES | {"a": 0.37, "c": 0.18}
    bank, layout = categorical_bank(SHARES)
    _, verdicts = replay(bank, pane_vectors(layout, 600, {"feature:city": levels(np.random.default_rng(4), moved, 60_000)}))
    assert first_drift(verdicts) is None


@pytest.mark.parametrize("floor", [0.05, 0.0])
def test_a_level_never_seen_before_is_found(floor) -> None:
    generator = np.random.default_rng(5)
    values = levels(generator, SHARES, 30_000)
    values[20_000:][generator.random(10_000) < 0.15] = len(SHARES)
    bank, layout = categorical_bank(SHARES, alerts=Alerts(floors=Floors(categories=floor)))
    state, verdicts = replay(bank, pane_vectors(layout, 300, {"feature:city": values}))
    found = first_drift(verdicts)
    assert found is not None
    assert 200 <= found <= 212
    assert bank.evidence(state, 0).current["(unseen)"] > 1_000


def test_mass_that_goes_to_one_rare_level_is_found_by_that_level_alone() -> None:
    generator = np.random.default_rng(7)
    moved = SHARES | {"a": 0.37, "e": 0.08}
    bank, layout = categorical_bank(SHARES, alerts=Alerts(floors=Floors(categories=0)))
    assert isinstance(bank, CategoricalDrift)
    counts = pane_vectors(layout, 1, {"feature:city": levels(generator, moved, 1_000)})
    sums = bank.sums_of(counts, [0])[None]
    windows = Windows(sums, np.zeros((1, 1), np.int64), np.ones((1, 6)), np.full((1, 6), 1e9))
    both = bank.score(windows, bank.initial()).statistic[0, 0, 0]
    bank._handicap = np.array([np.inf])
    together = bank.score(windows, bank.initial()).statistic[0, 0, 0]
    assert both > together + 0.1


def test_levels_that_come_in_runs_raise_nothing() -> None:
    generator = np.random.default_rng(6)
    bank, layout = categorical_bank(SHARES, alerts=Alerts(floors=Floors(categories=0)))
    runs = np.repeat(levels(generator, SHARES, 20_000), 5)
    _, verdicts = replay(bank, pane_vectors(layout, 1_000, {"feature:city": runs}))
    assert first_drift(verdicts) is None
