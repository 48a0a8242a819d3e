"""When a change is over: never by chance while it lasts, and within a sensible time when it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detectors.alerts.lifecycle import Alarm, Lifecycle, Resolution
from detectors.detector import Detector
from detectors.event_batch import Float64
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.loss_change import LossChange
from detectors.monitors.numeric_drift import NumericDrift
from detectors.monitors.rate_change import KNOWN, Rate, RateChange
from detectors.panes.layout import REGRESSION
from detectors.profile import CategoricalProfile, PerformanceProfile
from detectors.references.learnt_reference import LEARN_EVENTS
from detectors.scans.scored_windows import Bank
from detectors.verdict import AlertKind, Group, Status
from tests.detectors.event_samples import specification
from tests.detectors.reference_samples import PANE, numeric_profile

CHANGE = 200  # the pane that it begins with
SPECIFICATION = specification()
Draw = Callable[[np.random.Generator, int, bool], Float64]
"""A pane's vector, of so many events, changed or not."""


def settings(name: str, group: Group, kind: AlertKind) -> Bank:
    return Bank(names=(name,), group=group, kind=kind, looks=500_000, pane=PANE, resolve_after=SPECIFICATION.alerts.resolve_after)


def error_rate(*, floor: float = 0.02, reference: tuple[float, float] | None = (1_000, 10_000)) -> RateChange:
    return RateChange(settings("error_rate", "performance", "performance"), rates=[Rate(hits=[1], events=[0, 1], reference=reference)], floor=floor)


def errors(after: float) -> Draw:
    def draw(generator: np.random.Generator, events: int, changed: bool) -> Float64:
        hits = generator.binomial(events, after if changed else 0.1)
        return np.array([events - hits, hits], np.float64)

    return draw


def plans(*, floor: float = 0.05) -> CategoricalDrift:
    profile = CategoricalProfile(levels=tuple("abcde"), counts=(2_000,) * 5)
    return CategoricalDrift(settings("feature:plan", "features", "drift"), profiles=[profile], blocks=[slice(0, 7)], floor=floor)


def moved(mass: float) -> Draw:
    def draw(generator: np.random.Generator, events: int, changed: bool) -> Float64:
        shares = np.full(5, 0.2) + changed * np.array([mass, -mass / 2, -mass / 2, 0, 0])
        return np.append(generator.multinomial(events, shares), [0.0, 0.0])

    return draw


AGES = numeric_profile(np.random.default_rng(0).normal(size=100_000))


def ages(*, floor: float = 0.1) -> NumericDrift:
    size = len(AGES.counts) + 2
    return NumericDrift(settings("feature:age", "features", "drift"), profiles=[AGES], blocks=[slice(0, size)], shift=floor, deviation_ratio=1.15 if floor else 1.0)


def normal(shift: float, deviation: float = 1.0) -> Draw:
    def draw(generator: np.random.Generator, events: int, changed: bool) -> Float64:
        values = generator.normal(size=events) * (deviation if changed else 1) + shift * changed
        return np.bincount(np.searchsorted(AGES.edges, values, side="right"), minlength=len(AGES.counts) + 2).astype(np.float64)

    return draw


def loss() -> LossChange:
    reference = PerformanceProfile(rows=5_000, loss=0.8, deviation=0.6)
    return LossChange(settings("loss", "performance", "performance"), block=slice(0, len(REGRESSION)), reference=reference, relative=0.1)


def stretched(factor: float) -> Draw:
    def draw(generator: np.random.Generator, events: int, changed: bool) -> Float64:
        wrong = np.abs(generator.normal(size=events)) * (factor if changed else 1)
        sums = {"rows": events, "absolute_error": wrong.sum(), "squared_error": (wrong**2).sum()}
        return np.array([sums.get(name, 0.0) for name in REGRESSION], np.float64)

    return draw


def told(detector: Detector, draw: Draw, *, events: int, panes: int, change: int = CHANGE, back: int | None = None, seed: int = 1) -> list[tuple[str, int]]:
    """What is said of a change from a pane on, until it went back: status and pane of every alert record."""
    generator, state, lifecycle = np.random.default_rng(seed), detector.initial(), Lifecycle(SPECIFICATION)
    (name,), kind = detector.names, detector.kind
    records = []
    for pane in range(panes):
        changed = pane >= change and (back is None or pane < back)
        state, verdicts = detector.step(state, draw(generator, events, changed), pane * PANE)
        drifted = verdicts.status[0] == Status.DRIFT and not lifecycle.knows(kind, name)
        alarms = [Alarm(kind=kind, evidence=detector.evidence(state, 0), change_at=int(verdicts.change_at[0]))] if drifted else []
        held = lifecycle.held(kind)
        resolutions = {name: Resolution(known=not np.isnan(verdicts.recent_effect[0]), gone=bool(detector.gone(state)[0]))} if held else {}
        found, well = lifecycle.step((pane + 1) * PANE, "1", alarms, resolutions)
        records += [(record.status, pane) for record in found]
        if well:
            state = detector.restart(state, 0, (pane + 1) * PANE)
    return records


@pytest.mark.parametrize(
    ("detector", "draw", "events", "panes"),
    [(error_rate(), errors(0.2), 2, 3_500), (error_rate(), errors(0.15), 10, 2_500), (plans(), moved(0.2), 2, 1_500)],
    ids=["error rate, 2 labels a pane", "smaller, 10 labels a pane", "categories"],
)
def test_a_change_for_ever_is_told_once_and_stays_open(detector, draw, events, panes) -> None:
    ((status, at),) = told(detector, draw, events=events, panes=panes)
    assert status == "opened"
    assert CHANGE < at < 1_000


@pytest.mark.parametrize(
    ("detector", "draw", "events", "within"),
    [
        (error_rate(), errors(0.3), 10, 500),
        (error_rate(floor=0), errors(0.3), 50, 500),  # as surely as the reference allows
        (error_rate(floor=0, reference=(0.1 * KNOWN, KNOWN)), errors(0.3), 50, 500),  # a stated reference allows anything
        (error_rate(reference=None), errors(0.3), 10, 500),
        (plans(), moved(0.3), 10, 500),
        (plans(floor=0), moved(0.3), 10, 1_000),
        (ages(), normal(0.5), 10, 500),
        (ages(), normal(0, 2), 10, 500),
        (ages(floor=0), normal(0.5), 50, 1_000),
        (loss(), stretched(1.5), 10, 500),
    ],
    ids=["error rate", "without a floor", "stated", "learnt", "categories", "without a floor", "numbers", "scale", "numbers without a floor", "loss"],
)
def test_a_change_that_went_back_is_resolved_once_and_not_told_again(detector, draw, events, within) -> None:
    (opened, resolved) = told(detector, draw, events=events, panes=600 + within, back=600)
    assert (opened[0], resolved[0]) == ("opened", "resolved")
    assert 600 + SPECIFICATION.alerts.resolve_after // PANE <= resolved[1]


def test_a_change_that_lasted_for_long_is_not_itself_taken_for_dependence_that_delays_the_resolution() -> None:
    (_, resolved) = told(error_rate(), errors(0.6), events=2, panes=2_060, back=1_500)
    assert resolved[0] == "resolved"


def test_what_was_before_a_change_is_no_proof_that_it_is_over() -> None:
    for detector, draw in ((error_rate(), errors(0.3)), (ages(), normal(0.5)), (plans(), moved(0.2))):
        ((status, _),) = told(detector, draw, events=50, panes=1_000, change=800)
        assert status == "opened"


def test_a_few_events_are_no_proof_that_a_change_is_over() -> None:
    detector, generator = error_rate(), np.random.default_rng(2)
    state = detector.initial()
    for pane in range(300):
        state, verdicts = detector.step(state, errors(0.3)(generator, 50, pane >= CHANGE), pane * PANE)
    assert verdicts.status[0] == Status.DRIFT
    gone = []
    for pane in range(300, 1_400):  # two labels a pane, and later twenty, wrong as often as those of the reference
        labels, wrong = (2.0, pane % 5 == 0) if pane < 1_000 else (20.0, 2.0)
        state, verdicts = detector.step(state, np.array([labels - wrong, wrong]), pane * PANE)
        gone.append(bool(detector.gone(state)[0]))
        if pane == 400:
            assert verdicts.recent_effect[0] < 0.01  # the last ten minutes alone look well
    assert not any(gone[:200])
    assert gone[-1]


@pytest.mark.parametrize("reference", [(50, 500), (1_000, 10_000)], ids=["small reference", "large reference"])
def test_a_change_that_lasts_is_never_taken_for_gone_though_some_stretches_are_good_by_chance(reference: tuple[float, float]) -> None:
    for seed in (1, 2, 3):
        detector, generator = error_rate(reference=reference), np.random.default_rng(seed)
        counts = np.stack([errors(0.22)(generator, 5, pane >= CHANGE) for pane in range(2_000)])
        _, verdicts = detector.walk(detector.initial(), counts, np.arange(len(counts)) * PANE, gone=True)
        alarm = int((verdicts.status[:, 0] == Status.DRIFT).argmax())
        assert CHANGE < alarm < 800
        assert not verdicts.gone[alarm:].any()


def test_a_resolution_leaves_a_learnt_reference_as_it_is() -> None:
    generator = np.random.default_rng(3)
    for detector, draw in ((error_rate(reference=None), errors(0.3)), (LossChange(loss().bank, block=slice(0, len(REGRESSION)), reference=None, relative=0.1), stretched(1.5))):
        state = detector.initial()
        for pane in range(100):
            state, _ = detector.step(state, draw(generator, 50, False), pane * PANE)
        learnt = state["learnt"]
        state = detector.restart(state, 0, 100 * PANE)
        state, verdicts = detector.step(state, draw(generator, 50, True), 100 * PANE)
        assert np.array_equal(state["learnt"], learnt)
        assert learnt.max() >= LEARN_EVENTS
        assert verdicts.status[0] != Status.LEARNING
