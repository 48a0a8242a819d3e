"""Performance without labels: it is that of the labels that come later, as often as its interval says; and says when it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.event_batch import Float64, Int64
from detectors.panes.output_cells import cells_of_class, number_of_cells
from detectors.panes.score_bins import bins_of
from detectors.references.reference_outcomes import outcome_profile
from detectors.unlabelled.estimated_performance import ESTIMATED, Calibration
from detectors.unlabelled.support import Support, needed

CLASSES = ("no", "yes")
SIZE = number_of_cells(2, scored=True)


def drawn(n: int, random: np.random.Generator, *, hardness: float = 0.0, prevalence: float = 0.3, concept: float = 0.0) -> tuple[Float64, Int64]:
    """Scores that are far from probabilities, and labels; harder cases have scores in the middle, which mean what they always meant."""
    logit = random.normal(np.log(prevalence / (1 - prevalence)), 2.0 - hardness, n)
    label = random.random(n) < 1 / (1 + np.exp(-logit - concept))
    return 1 / (1 + np.exp(-2.5 * logit - 0.5)), label.astype(np.int64)  # overconfident


def profile(n: int, random: np.random.Generator, **law: float):
    score, label = drawn(n, random, **law)
    names = np.array(CLASSES, object)
    return outcome_profile(names[(score > 0.5).astype(int)], names[label], score, classes=CLASSES, positive="yes", columns={}, profiles={})


def counted(score: Float64) -> Float64:
    return np.bincount((score > 0.5) * cells_of_class(scored=True) + bins_of(score), minlength=SIZE).astype(float)


@pytest.mark.parametrize("law", [{}, {"hardness": 1.0}, {"prevalence": 0.6}], ids=["as in the reference", "harder cases", "more positives"])
@pytest.mark.parametrize("rows", [400, 20_000])
def test_what_is_estimated_without_labels_is_what_they_say_later_as_often_as_the_interval_promises(rows: int, law: dict[str, float]) -> None:
    random = np.random.default_rng(rows)
    held, apart = np.zeros((20, 20, 4), bool), np.zeros((20, 20))
    for reference in range(20):
        calibration = Calibration(profile(rows, random), 2, 1)
        for chunk in range(20):
            score, label = drawn(1_000, random, **law)
            (found,) = calibration.performance(counted(score)[None])
            said = score > 0.5
            hits = (said & (label == 1)).sum()
            true = np.array([(said == label).mean(), hits / said.sum(), hits / label.sum(), 2 * hits / (said.sum() + label.sum())])
            held[reference, chunk] = (found[:, 1] <= true) & (true <= found[:, 2])
            apart[reference, chunk] = found[0, 0] - true[0]
    assert ESTIMATED[0] == "estimated_accuracy"
    assert (held.mean(axis=(0, 1)) > 0.9).all()
    assert held.mean() < 0.995  # it is no interval that holds everything
    assert abs(apart.mean()) < (0.02 if rows == 400 else 0.004)


def test_raw_scores_would_have_been_wrong_where_the_calibrated_ones_are_not() -> None:
    random = np.random.default_rng(5)
    calibration = Calibration(profile(20_000, random), 2, 1)
    score, label = drawn(20_000, random, hardness=1.0)
    true = ((score > 0.5) == label).mean()
    assert abs(calibration.performance(counted(score)[None])[0, 0, 0] - true) < 0.01
    assert abs(np.maximum(score, 1 - score).mean() - true) > 0.05


def test_outcomes_that_go_up_and_down_together_widen_the_interval() -> None:
    random = np.random.default_rng(6)
    score, label = drawn(20_000, random)
    names = np.array(CLASSES, object)
    spell = np.repeat(random.random(100) < 0.5, 200)  # stretches in which labels are turned more often
    turned = np.where(random.random(20_000) < 0.2 * spell, 1 - label, label)

    def calibration(order: Int64) -> tuple[float, Float64]:
        found = outcome_profile(names[(score > 0.5).astype(int)][order], names[turned][order], score[order], classes=CLASSES, positive="yes", columns={}, profiles={})
        return found.dispersion, Calibration(found, 2, 1).performance(counted(score[:1_000])[None])[0, 0]

    (together, wide), (mixed, narrow) = calibration(np.arange(20_000)), calibration(random.permutation(20_000))
    assert mixed < 1.7
    assert together > 3
    assert wide[2] - wide[1] > 1.5 * (narrow[2] - narrow[1])


def test_errors_exceed_what_was_estimated_of_them_only_when_outputs_mean_something_else() -> None:
    random = np.random.default_rng(7)
    calibration = Calibration(profile(20_000, random), 2, 1)
    for law, changed in (({}, False), ({"hardness": 1.0}, False), ({"concept": 1.5}, True)):
        surely = 0
        for _ in range(40):
            score, label = drawn(2_000, random, **law)
            right = np.array([float(((score > 0.5) == label).sum())])
            value, low, high, n = calibration.error(counted(score)[None], right)[0]
            surely += not low <= 0 <= high
            assert n == 2_000
            assert value == pytest.approx(calibration.performance(counted(score)[None])[0, 0, 0] - right[0] / 2_000)
        assert surely == 40 if changed else surely <= 6


def test_a_class_that_was_never_predicted_and_one_that_nobody_knows_are_not_taken_for_right() -> None:
    said, true = (np.array([name] * 200, object) for name in ("no", "no"))
    calibration = Calibration(outcome_profile(said, true, None, classes=CLASSES, positive="yes", columns={}, profiles={}), 2, 1)
    certain, unknown, never = np.eye(3)[[0, 2, 1]] * 1_000
    assert calibration.performance(certain[None])[0, 0, 0] == 1
    assert calibration.performance(unknown[None])[0, 0, 0] == 0
    value, low, high, _ = calibration.performance(never[None])[0, 0]
    assert value == 0.5
    assert high - low > 0.5


@pytest.mark.parametrize(("shift", "columns", "trusted"), [(0.0, 20, True), (0.3, 5, True), (1.0, 1, True), (3.0, 1, False), (1.5, 8, False)])
def test_the_reference_supports_windows_like_it_and_not_those_far_from_it(shift: float, columns: int, trusted: bool) -> None:
    random = np.random.default_rng(8)
    edges = np.quantile(random.normal(size=100_000), np.arange(1, 64) / 64)
    reference = [np.bincount(np.searchsorted(edges, random.normal(size=10_000)), minlength=64).astype(float) for _ in range(columns)]
    support = Support(reference, [np.arange(64) + 64 * column for column in range(columns)])
    window = np.concatenate([np.bincount(np.searchsorted(edges, random.normal(shift, size=1_000)), minlength=64) for _ in range(columns)])
    rows = support.rows(window[None].astype(float), 10_000.0)[0, 0]
    assert (rows >= needed(0.1, 0.02)) == trusted
    if shift == 0:
        assert rows > 8_000
