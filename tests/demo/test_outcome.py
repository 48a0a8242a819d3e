"""The demonstration succeeds only if its whole story came true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.verdict import Effect, Evidence
from retrainer.versions import Version
from streams.demo.outcome import Counts, Ledger, checks, performance, stretches
from streams.demo.story import Story, loans

EXACT = Counts(predictions=31_000, labels=31_000, counted_predictions=31_000, counted_labels=31_000)
EVIDENCE = Evidence(
    name="feature:loan", statistic="z", value=9.0, threshold=6.0, effect=Effect(name="shift in sigma", value=0.6, interval=(0.5, 0.7), floor=0.1), n_reference=10_001, n_current=180
)


@pytest.fixture(scope="module")
def story() -> Story:
    return loans(1)


def alert(story: Story, kind: str, row: int) -> Alert:
    at = int(story.time[row])
    return Alert(
        alert_id=f"{kind}-{row}",
        sequence=0,
        status="opened",
        kind=kind,
        severity="warning",
        model="loans",
        model_version="1",
        segment="",
        opened_at=at,
        updated_at=at,
        change_at=at,
        summary="loans changed",
        monitors=(EVIDENCE,),
        budget="1 per 30d",
    )


def happy(story: Story) -> tuple[Ledger, list[Alert], list[Version]]:
    rows = len(story)
    change, switch = 20_000, 22_000
    made = np.where(np.arange(rows) < change, 0.05, np.where(np.arange(rows) < switch, 0.5, 0.05))
    static = np.where(np.arange(rows) < change, 0.05, 0.5)
    alerts = [alert(story, "drift", 12_150), alert(story, "performance", 20_150)]
    versions = [
        Version(model="loans", version="2", status="rejected", at=0, cause="ada-1", gate={"labels": 600, "reason": "not better"}),
        Version(model="loans", version="3", status="promoted", at=0, cause="performance-20150", gate={"labels": 700, "reason": "better"}),
    ]
    return Ledger(made=made, static=static, version=["1"] * switch + ["3"] * (rows - switch)), alerts, versions


def failed(story: Story, ledger: Ledger, alerts: list[Alert], versions: list[Version], counts: Counts = EXACT, *, killed: bool = True) -> list[str]:
    return [check.what for check in checks(story, ledger, counts, alerts, versions, killed=killed) if not check.happened]


def test_everything_that_should_happen_is_enough(story):
    assert failed(story, *happy(story)) == []


def test_an_alert_in_the_quiet_phase_fails_it(story):
    ledger, alerts, versions = happy(story)
    assert failed(story, ledger, [alert(story, "drift", 5_000), *alerts], versions) == ["nothing alarmed while nothing material changed"]


def test_a_training_for_the_harmless_drift_fails_it(story):
    ledger, alerts, versions = happy(story)
    trained = Version(model="loans", version="9", status="registered", at=0, cause="drift-12150")
    assert failed(story, ledger, alerts, [*versions, trained]) == ["it was not answered with a training"]


def test_one_prediction_that_was_not_counted_fails_it(story):
    assert failed(story, *happy(story), replace(EXACT, counted_predictions=30_999)) == ["published = counted, though a worker was killed"]


def test_no_killed_worker_fails_it(story):
    assert failed(story, *happy(story), killed=False) == ["published = counted, though a worker was killed"]


def test_a_refusal_without_evidence_fails_it(story):
    ledger, alerts, versions = happy(story)
    refused = Version(model="loans", version="2", status="rejected", at=0, cause="ada-1", gate={"reason": "training failed"})
    assert failed(story, ledger, alerts, [refused, versions[1]]) == ["a challenger that is not better was refused, with evidence"]


def test_a_model_that_is_never_promoted_fails_it(story):
    ledger, alerts, versions = happy(story)
    without = Ledger(made=ledger.static, static=ledger.static, version=["1"] * len(story))
    assert failed(story, without, alerts, versions[:1]) == ["a better one was promoted because of the alert", "the service took it up", "accuracy recovered"]


def test_what_the_service_took_up_first_is_named_though_another_version_serves_in_the_end(story):
    ledger, alerts, versions = happy(story)
    twice = replace(ledger, version=["1"] * 22_000 + ["3"] * 2_000 + ["6"] * (len(story) - 24_000))
    (taken_up,) = (check for check in checks(story, twice, EXACT, alerts, versions, killed=True) if check.what == "the service took it up")
    assert taken_up.seen == "version 3 from row 22,000"


def test_performance_is_measured_before_and_after_the_change_and_after_the_promotion(story):
    ledger, _, _ = happy(story)
    measured = performance(story, ledger)
    assert (measured.before, measured.after_change, measured.after_promotion, measured.without) == pytest.approx((0.05, 0.5, 0.05, 0.5))


def test_of_a_users_own_file_all_rows_are_measured_with_and_without_retraining(story):
    ledger, _, _ = happy(story)
    assert list(stretches(story, ledger)) == ["before the change", "after the change", "after the promotion", "without retraining"]
    own = stretches(replace(story, own_data=Path("own.csv")), ledger)
    assert own == {"with retraining": pytest.approx(ledger.made.mean()), "without retraining": pytest.approx(ledger.static.mean())}
