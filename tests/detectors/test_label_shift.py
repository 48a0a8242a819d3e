"""Classes that became more frequent: how frequent they are, how right the model is then, and what is told apart from them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.alerts.explanation import explain
from detectors.event_batch import Float64, Int64
from detectors.monitors.output_counts import confusion_of
from detectors.profile import OutcomeProfile
from detectors.references.reference_outcomes import outcome_profile
from detectors.specification import MonitorSpecification
from detectors.unlabelled.class_shares import Priors
from detectors.unlabelled.estimated_performance import Calibration
from detectors.unlabelled.label_shift import Explanation, Moved, Weighed, priors_of
from streams.file_events import ColumnNames
from streams.file_settings import changed
from streams.infer import infer
from streams.replay import Replayed, replay
from streams.tables import Table
from streams.wire import decode_alert, encode_alert

K, D = 6, 6
NAMES = np.array(list("abcdef"), object)
BEFORE = np.array([0.25, 0.2, 0.2, 0.15, 0.1, 0.1])
NOW = np.array([0.05, 0.1, 0.15, 0.2, 0.2, 0.3])
CENTRES = 2.2 * np.eye(K)  # a model that knows them is right four times in five


def drawn(n: int, priors: Float64, random: np.random.Generator) -> tuple[Float64, Int64]:
    label = random.choice(K, size=n, p=priors)
    return CENTRES[label] + random.normal(size=(n, D)), label


def table(x: Float64, label: Int64 | None = None) -> tuple[Table, Int64]:
    """Rows with what a model that knows the laws, and the shares of the reference, says of them."""
    logit = -0.5 * ((x[:, None] - CENTRES) ** 2).sum(axis=2) + np.log(BEFORE)
    said = logit.argmax(axis=1)
    columns = {f"x{place}": x[:, place] for place in range(D)} | {"said": NAMES[said]}
    return Table(source="t", columns=columns | ({} if label is None else {"truth": NAMES[label]})), said


@cache
def specification() -> MonitorSpecification:
    rows, _ = table(*drawn(20_000, BEFORE, np.random.default_rng(12)))
    base = MonitorSpecification(model="m", windows=(1_000_000,), alerts={"resolve_after": 200_000})
    base = changed(base, lateness=0, false_alarms="1 per 100000 events", events_per_pane=10)
    return infer(rows, model="m", label="truth", prediction="said", base=base)


def replayed(*parts: Float64) -> Replayed:
    rows, _ = table(np.concatenate(parts))
    return replay([rows], specification(), ColumnNames(prediction="said"))


def test_priors_are_found_within_a_fiftieth_and_accuracy_within_a_hundredth_of_what_they_are() -> None:
    random = np.random.default_rng(13)
    apart, held = [], []
    for _ in range(10):
        x, label = drawn(20_000, BEFORE, random)
        outcomes = outcome_profile(NAMES[table(x)[1]], NAMES[label], None, classes=tuple(NAMES), positive=None, columns={}, profiles={})
        priors = Priors(outcomes, Calibration(outcomes, K, None), K)
        assert priors.reference == pytest.approx(BEFORE, abs=0.015)
        for _ in range(4):
            x, label = drawn(10_000, NOW, random)
            said = table(x)[1]
            shares, accuracy = priors.estimate(np.bincount(said, minlength=K + 1).astype(float))
            true, right = np.bincount(label, minlength=K) / 10_000, (said == label).mean()
            apart.append([*np.abs(shares[:, 0] - true), abs(accuracy[0] - right)])
            held.append([*((shares[:, 1] <= true) & (true <= shares[:, 2])), accuracy[1] <= right <= accuracy[2]])
            black_box = priors_of(_confusion(outcomes), np.bincount(said, minlength=K))
            assert shares[:, 0] == pytest.approx(black_box, abs=0.01)  # Lipton et al. (2018)
    assert np.mean(apart, axis=0)[:K].max() < 0.02
    assert np.mean(apart, axis=0)[K] < 0.01
    assert 0.9 < np.mean(held) < 0.995


def _confusion(outcomes: OutcomeProfile) -> Float64:
    confusion = np.zeros((K, K))
    confusion[list(outcomes.labels), list(outcomes.cells)] = outcomes.counts
    return confusion


def _moved(x: Float64) -> Moved:
    profile = specification().reference.profile
    said = table(x)[1]
    scored = [np.asarray(one.scores)[np.searchsorted(one.edges, x[:, place], side="right")] for place, one in enumerate(profile.features.values())]
    return Moved(np.bincount(said, minlength=K)[None].astype(float), np.full((1, D), float(len(x))), np.sum(scored, axis=1)[None])


def test_label_shift_is_told_from_inputs_that_moved_by_themselves() -> None:
    random = np.random.default_rng(14)
    outcomes = specification().reference.profile.outcomes
    explanation = Explanation(outcomes, _confusion(outcomes), tuple(outcomes.means), floor=0.1)
    pure = [explanation.weigh(_moved(drawn(2_000, random.dirichlet(np.ones(K)), random)[0])).confirmed[0] for _ in range(100)]
    assert np.mean(pure) >= 0.97
    moved = [explanation.weigh(_moved(drawn(2_000, NOW, random)[0] + 0.5 * np.eye(D)[place % D])).confirmed[0] for place in range(30)]
    assert not any(moved)
    without_columns = Explanation(outcomes.model_copy(update={"means": {}, "deviations": {}}), _confusion(outcomes), (), floor=0.1)
    assert not without_columns.weigh(_moved(drawn(2_000, NOW, random)[0])).confirmed[0]


COEFFICIENTS = np.array([2.0, 1.0, 0.5])


def two_classes(n: int, random: np.random.Generator) -> tuple[Float64, Float64, Int64]:
    """Columns, the probability of the second class given them, and labels."""
    x = random.normal(size=(n, 3))
    probability = 1 / (1 + np.exp(-x @ COEFFICIENTS))
    return x, probability, (random.random(n) < probability).astype(np.int64)


def rows_of(x: Float64, label: Int64 | None = None) -> Table:
    probability = 1 / (1 + np.exp(-x @ COEFFICIENTS))  # what the model says, wherever the columns are
    columns = {f"x{place}": x[:, place] for place in range(3)} | {"said": NAMES[(probability > 0.5).astype(int)], "score": probability}
    return Table(source="t", columns=columns | ({} if label is None else {"truth": NAMES[label]}))


@cache
def specification_of_two() -> MonitorSpecification:
    x, _, label = two_classes(10_000, np.random.default_rng(21))
    base = MonitorSpecification(model="m", windows=(1_000_000,), alerts={"resolve_after": 200_000})
    base = changed(base, lateness=0, false_alarms="1 per 100000 events", events_per_pane=10)
    return infer(rows_of(x, label), model="m", label="truth", prediction="said", score="score", base=base)


def weighed_of_two(x: Float64, events: Int64) -> Weighed:
    """What is said of growing windows with so many events."""
    profile = specification_of_two().reference.profile
    outcomes = profile.outcomes
    confusion = confusion_of(outcomes, 2)
    scored = np.stack([np.asarray(one.scores)[np.searchsorted(one.edges, x[:, place], side="right")] for place, one in enumerate(profile.features.values())], axis=1)
    said = np.eye(2)[(x @ COEFFICIENTS > 0).astype(int)]
    sums = [np.cumsum(part, axis=0)[events - 1] for part in (said, np.ones((len(x), 3)), scored)]
    return Explanation(outcomes, confusion, tuple(outcomes.means), floor=0.1).weigh(Moved(*sums))


def test_a_column_that_moves_by_itself_is_hardly_ever_taken_for_a_label_shift_and_in_the_end_never() -> None:
    random = np.random.default_rng(22)
    found = [weighed_of_two(two_classes(3_000, random)[0] + [1.0, 0, 0], np.arange(50, 3_001, 50)) for _ in range(200)]
    assert np.mean([one.confirmed.any() for one in found]) <= 0.02
    assert all(one.contradicted[-1] for one in found)


def test_of_two_classes_that_became_more_and_less_frequent_both_columns_bear_witness() -> None:
    random = np.random.default_rng(23)
    found = []
    for _ in range(50):
        x, _, label = two_classes(20_000, random)
        kept = np.concatenate([np.flatnonzero(label == 1)[:2_400], np.flatnonzero(label == 0)[:600]])
        found.append(weighed_of_two(x[random.permutation(kept)], np.array([100, 1_500, 3_000])))
    confirmed, contradicted = (np.array([getattr(one, name) for one in found]) for name in ("confirmed", "contradicted"))
    assert confirmed[:, 1].mean() > 0.9
    assert confirmed[:, 2].mean() > 0.95
    assert not contradicted.any()
    one_column = specification_of_two().reference.profile.outcomes.model_copy(update={"witnesses": ("x0",), "covariances": (1.0,)})
    alone = Explanation(one_column, confusion_of(one_column, 2), tuple(one_column.means), floor=0.1)
    weighed = alone.weigh(Moved(np.array([[300.0, 1_200.0]]), np.full((1, 3), 1_500.0), np.array([[480.0, 240.0, 120.0]])))
    assert (weighed.confirmed[0], weighed.contradicted[0]) == (False, True)


def test_a_dominant_column_that_moved_is_told_as_drift_which_says_what_it_is_not() -> None:
    random = np.random.default_rng(24)
    x = np.concatenate([two_classes(1_000, random)[0], two_classes(700, random)[0] + [1.0, 0, 0]])
    found = replay([rows_of(x)], specification_of_two(), ColumnNames(prediction="said", score="score"))
    assert {alert.kind for alert in found.opened} == {"drift"}
    last = [alert for alert in found.alerts if alert.status != "resolved"][-1]
    (predictions,) = [monitor for monitor in last.monitors if monitor.name == "prediction"]
    assert predictions.basis["label_shift"] == "contradicted"
    explained = explain([_again(last)])
    assert not explained.wrong
    assert any("other shares of the classes do not explain it" in monitor.changed for monitor in explained.monitors)
    predictions.basis["label_shift"] = "possible"
    assert any("so would other shares of the classes" in monitor.changed for monitor in explain([_again(last)]).monitors)


def test_pure_label_shift_is_an_alert_of_its_own_kind_that_can_be_recomputed_and_resolves() -> None:
    random = np.random.default_rng(15)
    x = [drawn(n, priors, random) for n, priors in ((2_000, BEFORE), (2_000, NOW), (4_000, BEFORE))]
    found = replayed(*(part for part, _ in x))
    alerts = [alert for alert in found.alerts if any(monitor.name == "label_shift" for monitor in alert.monitors)]
    assert {alert.kind for alert in alerts} == {"label shift"}
    assert [alert.status for alert in alerts][0 :: len(alerts) - 1] == ["opened", "resolved"]
    assert 1_990_000 <= alerts[0].change_at < alerts[0].opened_at <= 2_400_000
    assert not any(monitor.name == "prediction" for alert in found.alerts for monitor in alert.monitors)
    life = [decode_alert(encode_alert(alert)) for alert in alerts]
    explained = explain(life)
    assert not explained.wrong
    assert sum(figure.name.startswith("share of the class") for figure in explained.figures) == K
    assert "the shares of the classes changed" in explained.monitors[0].changed
    last = next(point for point in found.points if point.measurement == "estimate" and point.time == 4_000_000)
    assert last.fields["state"] == "label shift"
    true = np.bincount(x[1][1][-1_000:], minlength=K) / 1_000
    assert [last.fields[f"prior.{name}"] for name in NAMES] == pytest.approx(true, abs=0.04)
    first = next(point for point in found.points if point.measurement == "estimate" and point.time == 2_000_000)
    assert first.fields["state"] == "ok"


def test_inputs_far_from_the_reference_make_estimates_not_trustworthy_and_no_label_shift() -> None:
    random = np.random.default_rng(16)
    found = replayed(drawn(2_000, BEFORE, random)[0], drawn(2_000, BEFORE, random)[0] + 2.5)
    state = {point.time: point.fields["state"] for point in found.points if point.measurement == "estimate"}
    assert state[2_000_000] == "ok"
    assert state[4_000_000] == "not trustworthy"
    assert {alert.kind for alert in found.opened} == {"drift"}


RARE = -2.5
"""Log odds of the second class where all columns are 0: one event of five is of it."""


def rare(n: int, random: np.random.Generator) -> tuple[Table, Int64]:
    x = random.normal(size=(n, 3))
    probability = 1 / (1 + np.exp(-x @ COEFFICIENTS - RARE))
    label = (random.random(n) < probability).astype(np.int64)
    columns = {f"x{place}": x[:, place] for place in range(3)} | {"said": NAMES[(probability > 0.5).astype(int)], "score": probability}
    return Table(source="t", columns=columns | {"truth": NAMES[label]}), label


def test_a_class_that_became_frequent_is_told_once_though_the_estimated_errors_rise_first() -> None:
    random = np.random.default_rng(202)
    rows, _ = rare(10_000, np.random.default_rng(21))
    base = changed(MonitorSpecification(model="m", windows=(1_000_000,)), lateness=0, false_alarms="1 per 100000 events", events_per_pane=10)
    specified = infer(rows, model="m", label="truth", prediction="said", score="score", base=base)
    before, _ = rare(1_000, random)
    after, label = rare(6_000, random)
    kept = random.permutation(np.concatenate([np.flatnonzero(label == 1)[:600], np.flatnonzero(label == 0)[:400]]))
    stream = Table(source="t", columns={name: np.concatenate([before.columns[name], after.columns[name][kept]]) for name in before.columns if name != "truth"})
    found = replay([stream], specified, ColumnNames(prediction="said", score="score"))
    told = [alert for alert in found.alerts if any(evidence.name in {"label_shift", "estimated_error_rate"} for evidence in alert.monitors)]
    assert [(alert.status, alert.kind) for alert in told[:2]] == [("opened", "performance"), ("updated", "label shift")]
    assert len({alert.alert_id for alert in told}) == 1
    assert not explain([_again(alert) for alert in told]).wrong


def test_a_touched_share_of_a_class_is_found() -> None:
    random = np.random.default_rng(17)
    found = replayed(drawn(1_500, BEFORE, random)[0], drawn(1_000, NOW, random)[0])
    (alert,) = [alert for alert in found.opened if alert.kind == "label shift"]
    alert.monitors[0].basis["priors"][0] += 0.1
    wrong = explain([_again(alert)]).wrong
    assert [figure.name for figure in wrong] == ["share of the class a"]
    alert.monitors[0].basis["priors"][0] -= 0.1
    alert.monitors[0].basis["columns"]["x0"]["by_class"][0] += 1.0
    assert [figure.name for figure in explain([_again(alert)]).wrong] == ["mean of x0 that they let expect"]


def _again(alert: Alert) -> Alert:
    return decode_alert(encode_alert(alert))
