"""The contract of what learns row by row in a pool, kept by every family; and what each of them is there for."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from detectors.event_batch import Column
from detectors.settings.retraining import Online
from retrainer.trainers.online_arrays import HALF_LIFE
from retrainer.trainers.online_member import OnlineMember, fresh, from_artifact
from retrainer.trainers.online_neighbours import NEWEST, OnlineNeighbours
from retrainer.trainers.row_coding import MOST_COLUMNS, RowCoding

FAMILIES = get_args(Online)
Rows = tuple[dict[str, Column], Column]


def plane(n: int, seed: int, *, turned: bool = False, noise: float = 0.3) -> Rows:
    """Numbers of three sizes, some missing, a category that says something, and classes on two sides of a plane."""
    rng = np.random.default_rng(seed)
    x, y, city = rng.normal(0, 1, n), rng.normal(500, 40, n), np.array(["Bonn", "Rome", None], object)[rng.integers(0, 3, n)]
    height = x + (y - 500) / 40 + 0.5 * (city == "Rome") + noise * rng.normal(0, 1, n)
    label = np.where((height > 0) != turned, "yes", "no").astype(object)
    return {"x": np.where(rng.random(n) < 0.05, np.nan, x), "y": y, "city": city, "constant": np.ones(n)}, label


def learnt(name: Online, rows: Rows, *, batch: int | None = None) -> OnlineMember:
    features, label = rows
    (made,) = fresh((name,), features, "classification", positive=None, seed=1)
    for start in range(0, len(label), batch or len(label)):
        part = slice(start, start + (batch or len(label)))
        made.learn({key: column[part] for key, column in features.items()}, label[part])
    return made


def accuracy(member: OnlineMember, rows: Rows) -> float:
    return float(np.mean(member.predict(rows[0]) == rows[1]))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_tells_classes_apart(name: Online) -> None:
    assert accuracy(learnt(name, plane(400, 1)), plane(200, 2)) > 0.75


@pytest.mark.parametrize("name", FAMILIES)
def test_probabilities_are_told_in_the_order_that_is_asked_for_and_an_unknown_class_has_none(name: Online) -> None:
    member, (features, _) = learnt(name, plane(100, 1)), plane(50, 2)
    told = member.probabilities(features, ("yes", "maybe", "no"))
    assert told.shape == (50, 3)
    assert told.sum(axis=1) == pytest.approx(np.ones(50))
    assert not told[:, 1].any()
    assert np.array_equal(told[:, [2, 0]], member.probabilities(features, ("no", "yes")))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_has_learnt_nothing_gives_no_class_a_share(name: Online) -> None:
    features, _ = plane(5, 1)
    (made,) = fresh((name,), features, "classification", positive=None, seed=1)
    assert not made.probabilities(features, ("no", "yes")).any()
    assert made.predict(features).tolist() == [None] * 5


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_rows_teach_the_same_bytes_however_they_are_batched_and_asked(name: Online) -> None:
    rows, (features, _) = plane(120, 1), plane(60, 2)
    one, two = learnt(name, rows), learnt(name, rows, batch=7)
    assert one.artifact() == two.artifact()
    whole = one.probabilities(features, ("no", "yes"))
    single = [one.probabilities({key: column[place : place + 1] for key, column in features.items()}, ("no", "yes"))[0] for place in range(60)]
    assert np.array_equal(whole, np.array(single))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_member_comes_back_from_its_artifact_and_what_is_frozen_learns_no_more(name: Online) -> None:
    member, (features, _) = learnt(name, plane(100, 1)), plane(40, 2)
    then, artifact = member.frozen()
    before = member.probabilities(features, ("no", "yes"))
    member.learn(*plane(100, 3, turned=True))
    again = from_artifact(name, artifact)
    assert again.artifact() == artifact
    for one in (then, again):
        assert np.array_equal(one.probabilities(features, ("no", "yes")), before)
    assert not np.array_equal(member.probabilities(features, ("no", "yes")), before)
    again.learn(*plane(100, 3, turned=True))
    assert np.array_equal(again.probabilities(features, ("no", "yes")), member.probabilities(features, ("no", "yes")))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "bayes"])
def test_a_quantity_is_learnt_and_its_level_is_not_drawn_to_nothing(name: Online) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, 500)
    (made,) = fresh((name,), {"x": x}, "regression", positive=None, seed=1)
    made.learn({"x": x}, 1_000 + 100 * x)
    low, high = made.predict({"x": np.array([0.1, 0.9])}).tolist()
    assert 1_000 < low < 1_040
    assert 1_060 < high < 1_100


def test_naive_bayes_has_no_part_in_a_regression() -> None:
    features = {"x": np.arange(3.0)}
    assert [one.name for one in fresh(FAMILIES, features, "regression", positive=None, seed=1)] == [name for name in FAMILIES if name != "bayes"]


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "forest"])
def test_a_concept_that_turned_round_is_learnt_within_three_half_lives(name: Online) -> None:
    member = learnt(name, plane(1_000, 1))
    assert accuracy(member, plane(300, 3, turned=True)) < 0.3
    member.learn(*plane(3 * HALF_LIFE, 2, turned=True))
    assert accuracy(member, plane(300, 3, turned=True)) > 0.75


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "forest"])
def test_a_class_that_comes_later_is_learnt(name: Online) -> None:
    member, (features, label) = learnt(name, plane(200, 1)), plane(200, 2)
    elsewhere, later = features | {"y": features["y"] + 200}, np.full(200, "maybe", object)
    member.learn(elsewhere, later)
    assert accuracy(member, (elsewhere, later)) > 0.9
    assert accuracy(member, (features, label)) > 0.6


def test_the_neighbours_hold_no_more_than_the_newest_rows() -> None:
    member = learnt("neighbours", plane(NEWEST + 100, 1))
    assert isinstance(member, OnlineNeighbours)
    assert member.rows.shape == (NEWEST, 5)
    assert len(member.target) == NEWEST


def test_a_matrix_has_no_more_columns_than_a_linear_model_can_bear() -> None:
    coding = RowCoding.of({f"x{place}": np.arange(3.0) for place in range(MOST_COLUMNS + 5)})
    assert coding.width == MOST_COLUMNS


def test_a_number_far_outside_counts_as_a_far_one_and_an_infinite_one_as_missing() -> None:
    coding = RowCoding.of({"x": np.array([-1.0, 1.0])})
    assert coding.matrix({"x": np.array([1e300, -1e300, np.inf, np.nan])})[:, 0].tolist() == [10.0, -10.0, 0.0, 0.0]
