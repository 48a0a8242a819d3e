"""Metrics of confusion counts against scikit-learn's of rows, and their intervals against simulation."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from detectors.event_batch import Float64
from detectors.metrics.confusion import OF_CLASSES, OVERALL, Confusions

CLASSES = ["a", "b", "c"]


def drawn(seed: int, unknown: float = 0.0) -> tuple[Float64, Float64, Float64]:
    """Labels and predictions, some of classes that nobody knows, and their counts (4, 4)."""
    random = np.random.default_rng(seed)
    label = random.choice([*CLASSES, "of the label"], 300, p=[0.7 - unknown, 0.25, 0.05, unknown])
    prediction = np.where(random.random(300) < 0.7, label, random.choice([*CLASSES, "of the prediction"], 300, p=[0.6 - unknown, 0.3, 0.1, unknown]))
    prediction[prediction == "of the label"] = "of the prediction"
    counts = np.zeros((4, 4))
    np.add.at(counts, tuple(np.array([CLASSES.index(name) if name in CLASSES else 3 for name in column]) for column in (label, prediction)), 1)
    return label, prediction, counts


def values(counts: Float64) -> dict[str, float]:
    return dict(zip(OVERALL, Confusions(counts[None]).overall[0, :, 0].tolist(), strict=True))


@pytest.mark.parametrize("unknown", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_scikit_learn(seed: int, unknown: float) -> None:
    label, prediction, counts = drawn(seed, unknown)
    found = values(counts)
    assert found["rows"] == 300
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(label, prediction))
    assert found["matthews_corrcoef"] == pytest.approx(oracle.matthews_corrcoef(label, prediction))
    for name, score in (("precision", oracle.precision_score), ("recall", oracle.recall_score), ("f1", oracle.f1_score)):
        for average in ("macro", "weighted"):
            assert found[f"{name}_{average}"] == pytest.approx(score(label, prediction, labels=CLASSES, average=average, zero_division=np.nan))
        of_classes = Confusions(counts[None]).by_class[0, :, OF_CLASSES.index(name), 0]
        assert of_classes == pytest.approx(score(label, prediction, labels=CLASSES, average=None, zero_division=np.nan), nan_ok=True)
    if not unknown:
        assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(label, prediction))


def test_a_class_that_nobody_predicted_has_no_precision_instead_of_zero() -> None:
    counts = np.array([[10.0, 0, 0], [5, 0, 0], [0, 0, 0]])
    precision, recall, f1 = Confusions(counts[None]).by_class[0, 1]
    assert np.isnan(precision[:3]).all()
    assert recall[[0, 3]].tolist() == [0, 5]
    assert f1[0] == 0
    assert values(counts)["precision_macro"] == values(counts)["precision_weighted"] == pytest.approx(2 / 3)


def test_an_unknown_class_is_never_right() -> None:
    found = values(np.array([[8.0, 0, 1], [0, 8, 0], [0, 0, 3]]))
    assert found["accuracy"] == 16 / 20
    assert found["balanced_accuracy"] == pytest.approx((8 / 9 + 1) / 2)


def test_without_rows_or_without_classes_all_is_undefined() -> None:
    for counts in (np.zeros((3, 3)), np.zeros((1, 1)), np.full((1, 1), 7.0)):
        assert np.isnan(Confusions(counts[None]).overall[0, 1:, :3]).all()


def test_many_windows_have_the_metrics_of_each_alone() -> None:
    counts = np.random.default_rng(5).poisson([[0.5, 2, 1], [1, 8, 0.2], [0.3, 0.1, 0.2]], size=(50, 3, 3)).astype(float)
    together = Confusions(counts)
    for place, one in enumerate(counts):
        alone = Confusions(one[None])
        np.testing.assert_allclose(together.overall[place], alone.overall[0], rtol=1e-12)
        np.testing.assert_allclose(together.by_class[place], alone.by_class[0], rtol=1e-12)


MILD = np.array([[0.5, 0.08, 0.02, 0], [0.05, 0.2, 0.02, 0], [0.02, 0.01, 0.1, 0], [0, 0, 0, 0]])
RARE = np.array([[0.9, 0.02, 0], [0.03, 0.05, 0], [0, 0, 0]])


@pytest.mark.parametrize("rows", [100, 1_000])
@pytest.mark.parametrize("shares", [MILD, RARE], ids=["three classes", "a rare class"])
def test_intervals_hold_the_truth_19_times_in_20(shares: Float64, rows: int) -> None:
    random = np.random.default_rng(6)
    truth, of_classes = Confusions(1e9 * shares[None]).overall[0, :, 0], Confusions(1e9 * shares[None]).by_class[0, ..., 0]
    found = Confusions(random.multinomial(rows, shares.ravel(), size=4_000).reshape(-1, *shares.shape).astype(float))
    held = ((found.overall[..., 1] <= truth) & (truth <= found.overall[..., 2])).mean(axis=0)[1:]
    held_of_classes = ((found.by_class[..., 1] <= of_classes) & (of_classes <= found.by_class[..., 2])).mean(axis=0)
    assert (held >= (0.92 if rows == 100 else 0.94)).all(), dict(zip(OVERALL[1:], held.tolist(), strict=True))
    assert (held <= 0.975).all()
    assert (held_of_classes >= 0.92).all(), held_of_classes


def test_an_interval_neither_vanishes_nor_leaves_its_range_where_nothing_is_wrong() -> None:
    found = Confusions(np.diag([30.0, 20, 0])[None]).overall[0, 1:]
    np.testing.assert_allclose(found[:, [0, 2]], 1)
    assert (found[:, 1] < 0.95).all()
    worst = Confusions(np.array([[0.0, 30, 0], [20, 0, 0], [0, 0, 0]])[None]).overall[0, 1:]
    assert (worst[:, 1] >= [*[-1e-12] * 8, -1 - 1e-12]).all()
