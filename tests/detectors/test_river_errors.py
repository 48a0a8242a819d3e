import json
from collections import Counter
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.alerts.recomputation import MissingEvidenceError, recompute
from detectors.monitors.bank import detectors_of, of_a_later_version
from detectors.monitors.rate_change import Rate
from detectors.monitors.river_errors import FED, OUTSIDE_OF_BUDGET, Method, RiverErrors, made, spread
from detectors.monitors.river_state import plain_of, restored
from detectors.panes.layout import Layout
from detectors.profile import PerformanceProfile
from detectors.scans.scored_windows import Bank
from detectors.settings.watching import Detectors
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from streams.apply import thresholds_of
from streams.state_codec import decode_state, encode_state
from tests.detectors.reference_samples import PANE, pane_vectors, specification_of

METHODS: tuple[Method, ...] = get_args(Method)


def errors(panes: int, seed: int) -> np.ndarray:
    """Of 20 events a pane; the rate goes from .1 to .5 after 150 panes."""
    events = panes * 20
    return np.random.default_rng(seed).random(events) < np.where(np.arange(events) < 3_000, 0.1, 0.5)


def specification(*methods: Method) -> MonitorSpecification:
    return specification_of({}, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), detectors=Detectors(river=methods))


@pytest.mark.parametrize("method", METHODS)
def test_a_detector_goes_on_from_its_plain_state_as_if_nothing_had_been(method) -> None:
    values = errors(220, 1).astype(float)[2_800 : 3_050 if method == "kswin" else 4_000]
    whole, cut = made(method), made(method)
    for place, value in enumerate(values.tolist()):
        if place % 70 == 69:
            cut = restored(made(method), json.loads(json.dumps(plain_of(cut))))
        whole.update(value)
        cut.update(value)
        assert whole.drift_detected == cut.drift_detected
    assert plain_of(whole) == plain_of(cut)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "kswin"])  # which takes half a millisecond an event
def test_an_alarm_is_rivers_own_on_events_that_are_evenly_spread_and_can_be_recomputed(method) -> None:
    asked = specification(method)
    detector = detectors_of(asked)[-1]
    vectors = pane_vectors(Layout(asked), 180, {}, errors=errors(180, 2))
    rivers, said = made(method), []
    block = Layout(asked).blocks["performance"]
    for vector in vectors:
        told = 0
        for value in spread(20, vector[block.start + 1]).tolist():
            rivers.update(value)
            told |= rivers.drift_detected
        said.append(told)
    assert any(said[150:])
    _, verdicts = detector.walk(detector.initial(), vectors, [place * PANE for place in range(180)])
    judged = verdicts.status[:, 0] != Status.LEARNING
    assert (verdicts.status[judged, 0] == Status.DRIFT).tolist() == np.array(said, bool)[judged].tolist()
    alarm = 150 + said[150:].index(1)
    state, _ = detector.walk(detector.initial(), vectors[: alarm + 1], [place * PANE for place in range(alarm + 1)])
    evidence = detector.evidence(state, 0)
    assert (evidence.value, evidence.name) == (1.0, f"error_rate:{method}")
    assert recompute(evidence).value == 1.0
    evidence.basis["last_pane"]["hits"] = 0.0
    assert recompute(evidence).value < 1.0


def test_a_worker_that_was_restarted_says_the_same() -> None:
    asked = specification("adwin", "hddm_w")
    vectors = pane_vectors(Layout(asked), 180, {}, errors=errors(180, 4))
    for detector in detectors_of(asked)[1:]:
        _, whole = detector.walk(detector.initial(), vectors, [place * PANE for place in range(180)])
        state, _ = detector.walk(detector.initial(), vectors[:151], [place * PANE for place in range(151)])
        _, rest = detector.walk(decode_state(encode_state(state), "piece"), vectors[151:], [place * PANE for place in range(151, 180)])
        assert np.array_equal(whole.status[151:], rest.status)
        assert (rest.status == Status.DRIFT).any()


def test_detectors_outside_of_the_budget_leave_it_to_the_others_and_follow_later_versions() -> None:
    alone, beside = (detectors_of(specification(*methods)) for methods in ((), METHODS))
    assert [detector.names for detector in beside] == [("error_rate",), *((f"error_rate:{method}",) for method in METHODS)]
    assert beside[0].bank.looks == alone[0].bank.looks  # type: ignore[attr-defined]
    assert {(detector.kind, detector.group) for detector in beside[1:]} == {("drift", "performance")}
    assert len(of_a_later_version(specification("ddm"), {})) == 2


def test_what_a_budget_comes_to_is_not_known_of_them() -> None:
    looks = {threshold.monitors[0]: threshold.looks for threshold in thresholds_of(specification("ddm"))}
    assert looks["error_rate"] > 0
    assert np.isnan(looks["error_rate:ddm"])


@given(st.integers(0, 3 * FED), st.floats(0, 1))
def test_hits_are_spread_evenly_and_all_of_them_where_the_pane_is_not_too_large(events, share) -> None:
    hits = round(events * share)
    values = spread(events, hits)
    assert len(values) == min(events, FED)
    assert values.sum() == hits if events <= FED else abs(values.sum() / FED - hits / events) <= 0.5 / FED + 1e-12
    gaps = Counter(np.diff(np.flatnonzero(values)).tolist())
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_regression_and_a_name_twice_are_refused() -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        MonitorSpecification(model="m", task="regression", detectors=Detectors(river=("adwin",)))
    with pytest.raises(ValidationError, match="each detector once"):
        MonitorSpecification(model="m", detectors=Detectors(river=("adwin", "adwin")))


def test_a_state_of_another_release_of_river_begins_anew() -> None:
    with pytest.raises(ValueError, match="another release"):
        restored(made("ddm"), {"other": 1})
    detector = detectors_of(specification("ddm"))[-1]
    state = detector.initial() | {"river": np.frombuffer(b'{"other": 1}', np.uint8)}
    vectors = pane_vectors(Layout(specification("ddm")), 180, {}, errors=errors(180, 3))
    _, anew = detector.walk(state, vectors, [place * PANE for place in range(180)])
    _, fresh = detector.walk(detector.initial(), vectors, [place * PANE for place in range(180)])
    assert np.array_equal(anew.status, fresh.status)


def of_release(written: np.ndarray, release: str) -> np.ndarray:
    return np.frombuffer(json.dumps(json.loads(written.tobytes()) | {"river": release}).encode(), np.uint8)


def test_the_same_names_of_another_release_of_river_are_not_taken_for_the_same() -> None:
    asked = specification("page_hinkley")
    detector, vectors = detectors_of(asked)[-1], pane_vectors(Layout(asked), 180, {}, errors=errors(180, 3))
    before, _ = detector.walk(detector.initial(), vectors[:150], [place * PANE for place in range(150)])
    other = before | {"river": of_release(before["river"], "0.0.1")}
    goes_on, anew, fresh = (detector.walk(state, vectors[150:], [place * PANE for place in range(150, 180)])[0]["river"].tobytes() for state in (before, other, detector.initial()))
    assert anew == fresh != goes_on


def test_an_alert_of_another_release_of_river_is_not_recomputed_by_this_one() -> None:
    asked = specification("adwin")
    detector, vectors = detectors_of(asked)[-1], pane_vectors(Layout(asked), 180, {}, errors=errors(180, 2))
    state, _ = detector.walk(detector.initial(), vectors, [place * PANE for place in range(180)])
    evidence = detector.evidence(state, 0)
    assert recompute(evidence).value == evidence.value
    evidence.basis["before"] = of_release(state["river_before"], "0.0.1").tobytes().decode()
    with pytest.raises(MissingEvidenceError, match=r"river 0\.0\.1, expected"):
        recompute(evidence)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_bytes_that_are_cut_short_are_an_error_and_no_panic(share, capfd) -> None:
    whole = made("adwin")
    for value in errors(20, 1).tolist():
        whole.update(float(value))
    plain = plain_of(whole)
    (name,) = (name for name, value in plain.items() if isinstance(value, str))
    with pytest.raises(ValueError, match="damaged or cut short"):
        restored(made("adwin"), plain | {name: plain[name][: int(len(plain[name]) * share) // 2 * 2]})
    assert capfd.readouterr().err == ""


def test_river_raises_no_alarm_before_the_monitor_has_learnt_how_events_depend_on_each_other() -> None:
    bank = Bank(names=("error_rate:adwin",), group="performance", kind="drift", looks=OUTSIDE_OF_BUDGET, pane=PANE, resolve_after=60 * PANE)
    detector = RiverErrors(bank, rate=Rate(hits=[0], events=[0, 1], reference=(1_000, 10_000)), floor=0.0, method="adwin")
    wrong = np.where(np.arange(60) < 2, 0, np.where(np.arange(60) < 50, 90, 10))
    _, verdicts = detector.walk(detector.initial(), np.stack((wrong, 100 - wrong), axis=1).astype(float), range(0, 60 * PANE, PANE))
    alarms = np.flatnonzero(verdicts.status[:, 0] == Status.DRIFT)
    assert verdicts.status[2, 0] == Status.LEARNING  # where the errors rise
    assert alarms.tolist() == [50]  # where they fall again
    assert verdicts.statistic[alarms, 0].tolist() == [1.0]
