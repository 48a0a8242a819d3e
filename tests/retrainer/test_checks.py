"""What a challenger must not do, and the test for tables that are looked at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.gate.advantages import differences
from detectors.event_batch import Float64
from detectors.settings.retraining import Gate
from detectors.specification import MonitorSpecification
from retrainer.checks import Check, calibration_check, failed, limit_check, proven_worse, segment_checks
from retrainer.held_out import compare
from retrainer.promotion_checks import checks_of
from retrainer.trial import silence_counts


def losses(seed: int, n: int, *, gain: float, disagreement: float = 0.2) -> tuple[Float64, Float64]:
    drawn = differences(np.array([[gain]]), disagreement, np.random.default_rng(seed), 1, n)[0]
    return (drawn > 0).astype(float), (drawn < 0).astype(float)


def test_a_segment_that_is_much_worse_is_proven_and_a_small_one_is_not_told() -> None:
    parts = [losses(seed, n, gain=gain) for seed, n, gain in ((1, 4_000, 0.1), (2, 600, -0.15), (3, 12, -0.15))]
    old, new = (np.concatenate(column) for column in zip(*parts, strict=True))
    segment = np.repeat(np.array(["city=Bonn", "city=Ulm", "city=Rome"], object), [4_000, 600, 12])
    found = {check.name: check for check in segment_checks(old, new, segment, Gate())}
    assert {name: check.state for name, check in found.items()} == {"segment city=Bonn": "passed", "segment city=Rome": "insufficient", "segment city=Ulm": "failed"}
    assert found["segment city=Ulm"].value == pytest.approx(0.15, abs=0.05)
    assert failed(list(found.values())) == found["segment city=Ulm"].reason


def test_a_segment_at_its_margin_is_called_worse_at_most_alpha_of_the_time() -> None:
    drawn = differences(np.array([[-0.02]]), 0.2, np.random.default_rng(5), 600, 2_000).astype(float)
    assert 0 < sum(proven_worse(-one, 0.02, 20) == "failed" for one in drawn) <= 30


def test_a_challenger_with_worse_probabilities_is_told() -> None:
    rng = np.random.default_rng(6)
    truth = rng.random(3_000)
    positive = rng.random(3_000) < truth
    good, bold = truth, np.where(truth > 0.5, 0.999, 0.001)
    worse, better = calibration_check(good, bold, positive, Gate()), calibration_check(bold, good, positive, Gate())
    assert worse is not None
    assert better is not None
    assert (worse.state, better.state) == ("failed", "passed")
    assert calibration_check(good, np.full(3_000, np.nan), positive, Gate()) is None


def test_a_floor_forbids_what_is_better_and_still_too_bad() -> None:
    old, new = np.array(["no"] * 10, object), np.array(["yes"] * 4 + ["no"] * 6, object)
    label, nothing = np.array(["yes"] * 10, object), np.full(10, np.nan)
    spec = MonitorSpecification.model_validate({"model": "loans", "retrain": {"gate": {"max_loss": 0.5}}})
    (check,) = checks_of((old, new), (np.ones(10), (new != label).astype(float)), (nothing, nothing), label, np.full(10, "", object), spec)
    assert (check.name, check.state, check.value) == ("loss", "failed", 0.6)


def test_no_answer_is_a_wrong_answer_to_every_check() -> None:
    n = 400
    label = np.array(["yes", "no"] * (n // 2), object)
    shy = np.where(np.arange(n) % 4 == 0, None, label)
    spec = MonitorSpecification.model_validate({"model": "loans", "positive": "yes", "retrain": {"gate": {"max_loss": 0.1}}})
    sure = (label == "yes").astype(float)
    losses = (np.zeros(n), silence_counts(np.where(shy == None, np.nan, 0.0)))  # noqa: E711  elementwise
    found = checks_of((label, shy), losses, (sure, sure), label, np.full(n, "city=Ulm", object), spec)
    assert {check.name: check.state for check in found} == {"loss": "failed", "segment city=Ulm": "failed", "calibration": "failed"}
    numbers = MonitorSpecification.model_validate({"model": "price", "task": "regression", "retrain": {"gate": {"max_loss": 5}}})
    nothing, price = np.full(4, np.nan), np.arange(4.0)
    (check,) = checks_of((price, np.array([0, 1, 2, np.nan])), (np.zeros(4), np.array([0.0, 0, 0, 1])), (nothing, nothing), price, np.full(4, "", object), numbers)
    assert (check.state, check.reason[:55]) == ("failed", "loss: the challenger gave no number for 1 of 4 rows, so")


def test_what_is_not_known_is_no_failure() -> None:
    check = limit_check("latency", float("nan"), 5.0, "ms")
    assert check is not None
    assert check.state == "insufficient"
    assert failed([check]) == ""


def test_better_is_mcnemars_exact_test_for_classes_and_students_for_numbers() -> None:
    old, new = losses(7, 400, gain=0.05)
    wins, lost = int((old > new).sum()), int((old < new).sum())
    assert compare(old, new, gate=Gate()).better == pytest.approx(stats.binomtest(wins, wins + lost, alternative="greater").pvalue)
    rng = np.random.default_rng(8)
    first, second = rng.random((2, 300))
    assert compare(first, second, gate=Gate()).better == pytest.approx(stats.ttest_rel(first, second, alternative="greater").pvalue)


@pytest.mark.parametrize(("gain", "outcome"), [(0.0, "promoted"), (0.01, "rejected")])
def test_a_table_errs_at_most_alpha_of_the_time(gain: float, outcome: str) -> None:
    drawn = differences(np.array([[gain]]), 0.1, np.random.default_rng(9), 1_000, 2_000).astype(float)
    found = [compare(np.maximum(one, 0), np.maximum(-one, 0), gate=Gate()).outcome for one in drawn]
    assert 0 < found.count(outcome) <= 65  # 50 on average; 65 are more in one of 60 trials  # type: ignore[arg-type]


def test_challengers_of_one_table_share_alpha_and_a_failed_check_outweighs_a_gain() -> None:
    old, new = losses(10, 2_000, gain=0.04)
    assert compare(old, new, gate=Gate()).outcome == "promoted"
    assert compare(old, new, gate=Gate(), challengers=10).alpha == pytest.approx(0.005)
    bad = Check(name="size", state="failed", value=12.0, limit=10.0, n=0, reason="size: 12 MB, at most 10 MB are allowed")
    verdict = compare(old, new, gate=Gate(), checks=[bad])
    assert verdict.outcome == "rejected"
    assert verdict.reason.startswith("size: 12 MB")


def test_no_rows_are_inconclusive() -> None:
    verdict = compare(np.empty(0), np.empty(0), gate=Gate())
    assert (verdict.outcome, verdict.n, np.isnan(verdict.difference)) == ("inconclusive", 0, True)
