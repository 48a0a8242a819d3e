"""Classes that became more frequent: how frequent they are, how right the model is then, and what is told apart from them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.alerts.explanation import explain
from detectors.event_batch import Float64, Int64
from detectors.profile import OutcomeProfile
from detectors.references.reference_outcomes import outcome_profile
from detectors.specification import MonitorSpecification
from detectors.unlabelled.class_shares import Priors
from detectors.unlabelled.estimated_performance import Calibration
from detectors.unlabelled.label_shift import Explanation, Moved, priors_of
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
    pure = [explanation.explains(_moved(drawn(2_000, random.dirichlet(np.ones(K)), random)[0]))[0] for _ in range(100)]
    assert np.mean(pure) >= 0.97
    moved = [explanation.explains(_moved(drawn(2_000, NOW, random)[0] + 0.5 * np.eye(D)[place % D]))[0] for place in range(30)]
    assert not any(moved)
    without_columns = Explanation(outcomes.model_copy(update={"means": {}, "deviations": {}}), _confusion(outcomes), (), floor=0.1)
    assert not without_columns.explains(_moved(drawn(2_000, NOW, random)[0]))[0]


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


def test_a_touched_share_of_a_class_is_found() -> None:
    random = np.random.default_rng(17)
    found = replayed(drawn(1_500, BEFORE, random)[0], drawn(1_000, NOW, random)[0])
    (alert,) = [alert for alert in found.opened if alert.kind == "label shift"]
    alert.monitors[0].basis["priors"][0] += 0.1
    wrong = explain([_again(alert)]).wrong
    assert [figure.name for figure in wrong] == ["share of the class a"]


def _again(alert: Alert) -> Alert:
    return decode_alert(encode_alert(alert))
