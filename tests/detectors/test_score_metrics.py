"""Metrics of binned scores against scikit-learn's of the scores themselves, and their intervals against simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from detectors.coded_text import CodedText
from detectors.event_batch import Bool, Float64
from detectors.metrics.score_metrics import OF_SCORES, score_metrics
from detectors.panes.score_bins import BINS, EDGES, SIXTEENTHS, SIZE, STEP, add_scores
from detectors.rows.row_groups import RowGroups


def drawn(random: np.random.Generator, rows: int, positives: float, apart: float) -> tuple[Bool, Float64]:
    """Labels, and scores that are normal on the logit scale."""
    label = random.random(rows) < positives
    logit = np.log(positives / (1 - positives)) + np.where(label, apart, -apart) + 1.2 * random.normal(size=rows)
    return label, 1 / (1 + np.exp(-logit))


def block_of(label: Bool, score: Float64) -> Float64:
    block = np.zeros((1, SIZE))
    add_scores(block, RowGroups([(0, "", "")], None, len(label)), label, score, None)
    return block[0]


def values(label: Bool, score: Float64) -> dict[str, float]:
    return dict(zip(OF_SCORES, score_metrics(block_of(label, score)[None])[0, :, 0].tolist(), strict=True))


def calibration_error(label: Bool, score: Float64) -> float:
    """Over sixteen equal bins, from rows."""
    place = np.minimum(np.floor(score * SIXTEENTHS), SIXTEENTHS - 1)
    return sum(abs(label[place == one].mean() - score[place == one].mean()) * (place == one).mean() for one in np.unique(place))


@pytest.mark.parametrize(("positives", "apart"), [(0.5, 0.75), (0.5, 3.0), (0.05, 0.75), (0.95, 0.75), (0.005, 1.5)])
def test_metrics_are_those_of_scikit_learn_but_for_the_width_of_the_bins(positives: float, apart: float) -> None:
    label, score = drawn(np.random.default_rng(1), 20_000, positives, apart)
    found = values(label, score)
    area = oracle.roc_auc_score(label, score)
    assert found["roc_auc"] == pytest.approx(area, abs=0.005)
    assert abs(found["roc_auc"] - area) <= found["roc_auc_tied"] / 2
    assert found["pr_auc"] == pytest.approx(oracle.average_precision_score(label, score), abs=0.02 if positives < 0.01 else 0.005)
    assert found["ece"] == pytest.approx(calibration_error(label, score), abs=STEP)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40).filter(lambda rows: len({label for label, _ in rows}) == 2))
def test_the_area_is_exactly_that_of_binned_scores_and_off_by_half_of_what_is_tied_at_most(rows: list[tuple[bool, float]]) -> None:
    label, score = np.array([one for one, _ in rows]), np.array([one for _, one in rows])
    found = values(label, score)
    assert found["roc_auc"] == pytest.approx(oracle.roc_auc_score(label, np.searchsorted(EDGES[1:-1], score, side="right")))
    assert abs(found["roc_auc"] - oracle.roc_auc_score(label, score)) <= found["roc_auc_tied"] / 2 + 1e-12
    assert found["ece"] == pytest.approx(calibration_error(label, score), abs=STEP)
    assert 0 <= found["pr_auc"] <= 1 + 1e-12


def test_a_score_of_zero_or_one_has_a_bin_and_nothing_is_lost() -> None:
    block = block_of(np.array([False, False, True, True]), np.array([0.0, 1.0, 1.0, 0.5]))
    assert np.flatnonzero(block[: 2 * BINS]).tolist() == [0, BINS - 1, BINS + 30, 2 * BINS - 1]
    assert block[: 2 * BINS].sum() == 4
    assert EDGES[30] == 0.5


def test_many_rows_in_one_group_count_as_the_same_rows_in_several() -> None:
    label, score = drawn(np.random.default_rng(2), 20_000, 0.3, 0.75)
    groups = RowGroups.by(np.arange(20_000) % 7, 1, CodedText.constant("1", 20_000), None)
    apart = np.zeros((7, SIZE))
    add_scores(apart, groups, label, score, None)
    np.testing.assert_array_equal(apart.sum(axis=0), block_of(label, score))
    some = np.flatnonzero(score > 0.2)
    add_scores(apart, groups, label[some], score[some], some)
    np.testing.assert_array_equal(apart.sum(axis=0), block_of(label, score) + block_of(label[some], score[some]))


def test_one_class_alone_has_no_area_but_a_calibration() -> None:
    found = score_metrics(block_of(np.zeros(50, bool), np.full(50, 0.25))[None])[0]
    assert np.isnan(found[:3, :3]).all()
    assert found[3, 0] == pytest.approx(0.25, abs=STEP)
    assert found[3, 1] <= found[3, 0] <= found[3, 2]


@pytest.mark.parametrize(("positives", "apart", "rows"), [(0.5, 0.75, 200), (0.5, 0.75, 2_000), (0.05, 0.75, 1_000), (0.9, 2.0, 1_000)])
def test_intervals_hold_the_truth_19_times_in_20(positives: float, apart: float, rows: int) -> None:
    random = np.random.default_rng(3)
    truth = score_metrics(block_of(*drawn(random, 1_000_000, positives, apart))[None])[0, :, 0]
    found = score_metrics(np.array([block_of(*drawn(random, rows, positives, apart)) for _ in range(1_000)]))
    held = dict(zip(OF_SCORES, ((found[..., 1] <= truth) & (truth <= found[..., 2])).mean(axis=0).tolist(), strict=True))
    assert held["roc_auc"] >= 0.92
    assert held["pr_auc"] >= 0.92
    assert held["ece"] >= 0.94


def test_classes_that_are_fully_apart_leave_room_for_doubt() -> None:
    area = score_metrics(block_of(np.repeat([False, True], 20), np.repeat([0.1, 0.9], 20))[None])[0, 0]
    assert area[0] == 1
    assert 0.9 < area[1] < 0.96
