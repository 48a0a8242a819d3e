"""What every detector must do; a new detector is covered by being built by `detectors_of`."""

import copy
import itertools
from inspect import isabstract
from itertools import filterfalse

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.acknowledgement import Present
from detectors.detector import Detector, State
from detectors.monitors.bank import detectors_of
from detectors.monitors.e_detector import RateEDetector
from detectors.monitors.given_others import GivenOthers
from detectors.monitors.label_composition import ErrorsByClass, ResidualsByClass
from detectors.monitors.prior_drift import PriorDrift
from detectors.monitors.traffic import TrafficChange
from detectors.panes.layout import Layout
from detectors.profile import GivenOthersProfile, OutcomeProfile, PerformanceProfile
from detectors.references.correlation_reference import correlation_profile
from detectors.scans.window_bank import WindowBank
from detectors.settings.watching import Detectors, Reference
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from tests.detectors.reference_samples import PANE, categorical_profile, first_drift, numeric_profile, pane_vectors, replay, specification_of

SHARES = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.099, "e": 0.001}
NORMAL = numeric_profile(np.random.default_rng(100).normal(size=10_000))
SKEWED = numeric_profile(np.random.default_rng(101).lognormal(size=10_000))
COLUMNS = {"age": NORMAL, "salary": SKEWED, "city": categorical_profile(SHARES)}


APART = dict(zip(("age", "salary"), np.random.default_rng(102).normal(size=(2, 10_000)), strict=True))
TOGETHER = correlation_profile(APART, dict.fromkeys(APART, NORMAL))


def classifier(**changes: object) -> MonitorSpecification:
    performance = PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3)
    return specification_of(COLUMNS, performance=performance, prediction=categorical_profile({"no": 0.5, "yes": 0.5}), together=TOGETHER, **changes)


def regression(**changes: object) -> MonitorSpecification:
    return specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.8, deviation=0.6), prediction=NORMAL, task="regression", **changes)


def estimating() -> MonitorSpecification:
    """The classifier, of which "yes" is wrong more often: by that its errors are estimated."""
    specification = classifier()
    outcomes = OutcomeProfile(labels=(0, 0, 1, 1), cells=(0, 1, 0, 1), counts=(4_900, 900, 100, 4_100))
    profile = specification.reference.profile.model_copy(update={"outcomes": outcomes})
    return specification.model_copy(update={"estimate_performance": True, "reference": Reference(profile=profile)})


def predicting() -> MonitorSpecification:
    """The classifier, whose ages are lower where salaries are high."""
    specification = classifier()
    points = tuple(float(part.mean()) for part in np.array_split(np.sort(1.044 * np.random.default_rng(103).normal(size=6_400)), 64))
    known = GivenOthersProfile(features=("age", "salary"), targets=("age",), rows=10_000, coefficients=((0.0, 0.0, -0.3),), deviations=(1.044,), laws=(points,), counts=(100,) * 64)
    profile = specification.reference.profile.model_copy(update={"given_others": known})
    return specification.model_copy(update={"reference": Reference(profile=profile)})


def weighing() -> MonitorSpecification:
    return specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), sampling="weighted")


def vectors_of(specification: MonitorSpecification, *, events: int = 20_000, panes: int = 200, seed: int, changed_from: float = 1.0) -> np.ndarray:
    """Panes of which the last part is changed in everything; where events are weighed, those of every other pane stand for two."""
    vectors = plain_vectors_of(specification, events=events, panes=panes, seed=seed, changed_from=changed_from)
    if specification.sampling == "weighted":
        cells, weight = Layout(specification).cells, 1.0 + np.arange(panes)[:, None] % 2
        vectors[:, cells:] = vectors[:, :cells] * weight**2
        vectors[:, :cells] *= weight
    return vectors


def plain_vectors_of(specification: MonitorSpecification, *, events: int, panes: int, seed: int, changed_from: float) -> np.ndarray:
    generator = np.random.default_rng(seed)
    change = np.arange(events) >= changed_from * events
    age, salary = generator.normal(size=events), np.log(generator.lognormal(size=events))
    salary = np.exp(np.where(change, 0.9 * age + np.sqrt(0.19) * salary, salary)) * (1 + change)  # as wide as before, but together
    age = age + 1.0 * change
    city = np.where(change & (generator.random(events) < 0.3), 5, generator.choice(5, size=events, p=list(SHARES.values()))).astype(float)
    age = np.where(generator.random(events) < 0.2 * change, np.nan, age)
    age, salary = (np.where(change & (generator.random(events) < 0.2), -7.0, values) for values in (age, salary))
    salary = np.where(change & (generator.random(events) < 0.2), np.nan, salary)
    city = np.where(change & (generator.random(events) < 0.2), np.nan, city)
    columns = {"feature:age": age, "feature:salary": salary, "feature:city": city}
    if specification.task == "regression":
        output, loss = generator.normal(size=events) + change, np.abs(generator.normal(size=events)) * (1 + change)
        return pane_vectors(Layout(specification), panes, columns | {"prediction": output}, absolute_errors=loss)
    output = (generator.random(events) < 0.5 + 0.3 * change).astype(float)
    columns |= {} if specification.reference.profile.prediction is None else {"prediction": output}
    return pane_vectors(Layout(specification), panes, columns, errors=generator.random(events) < 0.1 + 0.2 * change)


def guaranteed() -> MonitorSpecification:
    return classifier(detectors=Detectors(rates="e-detector"))


CASES = [(made, index) for made in (classifier, regression) for index in range(len(detectors_of(made())))]
CASES += [(guaranteed, index) for index, detector in enumerate(detectors_of(guaranteed())) if isinstance(detector, RateEDetector)]
CASES += [(estimating, index) for index, detector in enumerate(detectors_of(estimating())) if detector.names == ("estimated_error_rate",)]
CASES += [(predicting, index) for index, detector in enumerate(detectors_of(predicting())) if isinstance(detector, GivenOthers)]
CASES += [(weighing, index) for index, detector in enumerate(detectors_of(weighing())) if not detector.names[0].startswith("out_of_range")]
every_detector = pytest.mark.parametrize(("made", "index"), CASES, ids=[f"{made.__name__}-{detectors_of(made())[index].names[0]}" for made, index in CASES])


def test_the_contract_is_checked_for_every_bank_and_monitor() -> None:
    assert len(CASES) == 18
    names = [name for made in (classifier, regression) for detector in detectors_of(made()) for name in detector.names]
    quality = ["out_of_range:age", "missing:age", "out_of_range:salary", "missing:salary", "unseen:city", "missing:city"]
    assert sorted(names) == sorted(["feature:age", "feature:salary", "feature:city", "prediction", *quality] * 2 + ["error_rate", "loss", "correlation"])
    kinds = {type(detector) for made in (classifier, regression, estimating, predicting, weighing) for detector in detectors_of(made())}
    elsewhere = {TrafficChange}  # whose events are panes, see test_traffic
    assert kinds == {*filterfalse(isabstract, WindowBank.__subclasses__()), PriorDrift, ErrorsByClass, ResidualsByClass} - elsewhere


def test_columns_given_the_others_are_left_out_where_events_are_weighed() -> None:
    weighed = predicting().model_copy(update={"sampling": "weighted", "correlation": ()})
    assert [detector.names for detector in detectors_of(weighed) if detector.names[0].startswith("given_others")] == []


@every_detector
def test_every_monitor_finds_a_large_change_and_says_when_it_was(made, index) -> None:
    specification = made()
    detector = detectors_of(specification)[index]
    state, verdicts = replay(detector, vectors_of(specification, seed=1, changed_from=0.6))
    assert all((verdict.status != Status.DRIFT).all() for verdict in verdicts[:120])
    assert (verdicts[-1].status == Status.DRIFT).all()
    for monitor in range(len(detector.names)):
        found = first_drift(verdicts, monitor)
        assert found is not None
        assert found <= 140
        assert abs(verdicts[found].change_at[monitor] - 120 * PANE) <= 8 * PANE
    assert (verdicts[-1].recent_effect > detector.floors).all()
    for monitor, name in enumerate(detector.names):
        evidence = detector.evidence(state, monitor)
        assert evidence.name == name
        assert evidence.value == pytest.approx(verdicts[-1].statistic[monitor])
        assert evidence.value > evidence.threshold
        low, high = evidence.effect.interval
        assert low < evidence.effect.value < high
        assert evidence.n_current > 4_400  # some rows lack one of two values
        assert evidence.current.keys() <= evidence.reference.keys()


@every_detector
def test_nothing_changed_is_no_alarm(made, index) -> None:
    specification = made()
    _, verdicts = replay(detectors_of(specification)[index], vectors_of(specification, seed=2))
    statuses = np.array([verdict.status for verdict in verdicts])
    assert not (statuses == Status.DRIFT).any()
    assert (statuses[0] == Status.LEARNING).all()
    assert (statuses[-1] <= Status.WARNING).all()
    assert (statuses[-1] != Status.LEARNING).all()


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(a, b, equal_nan=True) for key in one if key != "cells" for a, b in [(one[key], other[key])])


def through_msgpack(state: State) -> State:
    """As a store would keep it: arrays as bytes, shape and type; everything else as it is."""

    def packed(value):
        return (
            {"array": value.tobytes(), "shape": list(value.shape), "type": str(value.dtype)}
            if isinstance(value, np.ndarray)
            else [packed(v) for v in value]
            if isinstance(value, list)
            else value
        )

    def unpacked(value):
        if isinstance(value, dict):
            return np.frombuffer(value["array"], value["type"]).reshape(value["shape"])  # read-only, so a step that changed its state in place would fail
        return [unpacked(v) for v in value] if isinstance(value, list) else value

    raw = msgspec.msgpack.decode(msgspec.msgpack.encode({key: packed(value) for key, value in state.items()}))
    return {key: unpacked(value) for key, value in raw.items()}


VECTORS = {made: vectors_of(made(), seed=3, panes=120, events=6_000, changed_from=0.7) for made in (classifier, regression, guaranteed, estimating, predicting, weighing)}


@every_detector
@settings(max_examples=3)
@given(cuts=st.sets(st.integers(0, 119), min_size=1, max_size=10))
def test_saving_and_restoring_between_any_two_steps_changes_no_verdict(made, index, cuts) -> None:
    detector = detectors_of(made())[index]
    state = other = detector.initial()
    for pane, counts in enumerate(VECTORS[made]):
        if pane in cuts:
            other = through_msgpack(other)
        state, verdict = detector.step(state, counts, pane * PANE)
        other, again = detector.step(other, counts, pane * PANE)
        for field in ("status", "statistic", "effect", "recent_effect", "change_at"):
            assert np.array_equal(getattr(verdict, field), getattr(again, field), equal_nan=True), field
    assert same(state, other)


@every_detector
def test_panes_taken_together_are_judged_as_one_by_one(made, index) -> None:
    detector = detectors_of(made())[index]
    vectors = np.concatenate((VECTORS[made], *[VECTORS[made][:80]] * 3))
    vectors[150:155] = 0
    state, by_one, gone = detector.initial(), [], []
    for pane, counts in enumerate(vectors):
        state, verdict = detector.step(state, counts, pane * PANE)
        by_one.append(verdict)
        gone.append(detector.gone(state))
    other, together = detector.initial(), []
    for first, behind in itertools.pairwise((0, 1, 4, 97, 130, 200, 360)):
        other, verdicts = detector.walk(other, vectors[first:behind], [pane * PANE for pane in range(first, behind)], gone=True)
        together += [verdicts.of_pane(place) for place in range(behind - first)]
    for field in ("status", "statistic", "effect", "recent_effect", "change_at"):
        assert np.array_equal([getattr(one, field) for one in by_one], [getattr(one, field) for one in together], equal_nan=True), field
    assert np.array_equal(gone, [one.gone for one in together])
    assert not np.any(gone[115:120])
    assert np.all(gone[-1])
    assert same(state, other)


@every_detector
def test_a_step_never_changes_the_state_it_was_given(made, index) -> None:
    detector = detectors_of(made())[index]
    state, _ = replay(detector, VECTORS[made][:50])
    before = copy.deepcopy(state)
    detector.step(state, VECTORS[made][50], 50 * PANE)
    detector.restart(state, 0, 50 * PANE)
    assert same(state, before)


@every_detector
def test_vectors_of_two_partitions_sum_to_the_vector_of_all(made, index) -> None:
    specification = made()
    detector = detectors_of(specification)[index]
    one, other = (vectors_of(specification, seed=seed, panes=60, events=6_000) for seed in (4, 5))
    _, summed = replay(detector, one + other)
    _, swapped = replay(detector, other + one)
    assert all(np.array_equal(a.statistic, b.statistic, equal_nan=True) for a, b in zip(summed, swapped, strict=True))


@every_detector
def test_panes_without_events_are_no_look(made, index) -> None:
    specification = made()
    detector = detectors_of(specification)[index]
    state, _ = replay(detector, VECTORS[made])
    after, verdicts = replay(detector, np.zeros((200, Layout(specification).size)), state=state, start=120 * PANE)
    assert same(state, after)
    assert np.isnan(verdicts[-1].recent_effect).all()


@every_detector
def test_a_restart_forgets_what_was_before_it_and_only_for_its_monitor(made, index) -> None:
    specification = made()
    detector = detectors_of(specification)[index]
    state, verdicts = replay(detector, vectors_of(specification, seed=6, changed_from=0.5))
    assert (verdicts[-1].status == Status.DRIFT).all()
    state = detector.restart(state, 0, 200 * PANE)
    _, verdicts = replay(detector, vectors_of(specification, seed=7), state=state, start=200 * PANE)
    assert verdicts[0].status[0] != Status.DRIFT
    assert all(verdict.status[0] != Status.DRIFT for verdict in verdicts)
    assert (verdicts[0].status[1:] == Status.DRIFT).all()
    assert verdicts[-1].recent_effect[0] < detector.floors[0] / 2


@pytest.mark.parametrize("made", VECTORS, ids=lambda made: made.__name__)
def test_every_detector_goes_on_with_its_state_when_its_reference_is_acknowledged(made) -> None:
    declared, vectors = detectors_of(made()), VECTORS[made]
    present = {name: seen for detector in declared for name, seen in zip(detector.names, detector.seen_in(vectors[:60].sum(axis=0), 0), strict=True)}
    for acknowledged in (dict.fromkeys(present, Present()), present):
        for before, after in zip(declared, detectors_of(made(), acknowledged=acknowledged), strict=True):
            assert (type(after), after.names) == (type(before), before.names)
            state, _ = before.walk(before.initial(), vectors[:60], [pane * PANE for pane in range(60)])
            for monitor in range(len(after.names)):
                state = after.restart(state, monitor, 60 * PANE)
            _, verdicts = after.walk(state, vectors[:60], [pane * PANE for pane in range(60, 120)])
            assert (verdicts.status[-1] == (Status.LEARNING if acknowledged is not present else Status.OK)).all(), after.names


def test_the_budget_is_shared_by_group_and_within_a_group_equally() -> None:
    looks = {name: detector.bank.looks for detector in detectors_of(classifier()) for name in detector.names}  # type: ignore[attr-defined]
    total = 30 * 86_400_000 / PANE
    assert sum(1 / each for each in looks.values()) == pytest.approx(1 / total)
    assert looks["prediction"] == looks["error_rate"] == pytest.approx(total / (0.5 / 0.9) * 2)
    assert looks["feature:age"] == looks["feature:city"] == looks["correlation"] == pytest.approx(total / (0.3 / 0.9) * 4)


def test_without_a_profile_a_classifier_has_no_monitors_and_a_regression_learns_its_loss() -> None:
    assert detectors_of(MonitorSpecification(model="m")) == ()
    (only,) = detectors_of(MonitorSpecification(model="m", task="regression"))
    assert only.names == ("loss",)


def test_the_state_stays_small_however_long_the_stream_is() -> None:
    specification = classifier()
    detector: Detector = detectors_of(specification)[0]
    vectors = vectors_of(specification, seed=8, panes=100, events=5_000)
    state, _ = replay(detector, vectors)
    short = len(state["sizes"])
    for round_of in range(1, 8):
        state, _ = replay(detector, vectors, state=state, start=round_of * 100 * PANE)
    assert len(state["sizes"]) <= short + 3 * 3


@pytest.mark.parametrize(("budget", "seed"), [("1 per 10000000 events", 20), ("1 per 30d", 21)])
def test_two_hundred_thousand_unchanged_events_of_twenty_mixed_features_raise_nothing(budget, seed) -> None:
    generator = np.random.default_rng(seed)
    columns = {f"x{index}": SKEWED if index % 2 else NORMAL for index in range(14)} | {f"c{index}": COLUMNS["city"] for index in range(6)}
    specification = specification_of(columns, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), false_alarms=budget, events_per_pane=200.0)
    events = 200_000
    data = {f"feature:x{index}": generator.lognormal(size=events) if index % 2 else generator.normal(size=events) for index in range(14)}
    data |= {f"feature:c{index}": generator.choice(5, size=events, p=list(SHARES.values())).astype(float) for index in range(6)}
    vectors = pane_vectors(Layout(specification), 1_000, data, errors=generator.random(events) < 0.1)
    for detector in detectors_of(specification):
        _, verdicts = replay(detector, vectors)
        assert all((verdict.status != Status.DRIFT).all() for verdict in verdicts)
        assert (verdicts[-1].status == Status.OK).all()
