"""Probabilities of a pool's batch models, and how far labels say that they may be believed."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import Column
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.adaptive import Learner, member, started
from retrainer.bootstrap import table_examples
from retrainer.trainers import Candidate, TrainingContext
from retrainer.trainers.adaptive_pool import AdaptivePool
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.trainers.shrinkage import drawn, learnt, nothing, shares

TRAINER = ScikitLearnTrainer(iterations=40)
SPECIFICATION = MonitorSpecification.model_validate(
    {"model": "churn", "task": "classification", "features": {"x": {}}, "retrain": {"champion": "adaptive", "online": ["bayes"], "update_every": 200}}
)


def churn(n: int, seed: int, *, turned: bool = False) -> tuple[dict[str, Column], Column]:
    """Events of one feature, above 5 mostly of the one class; or, where the world has turned, of the other."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 10, n)
    is_churn = (x > 5) ^ turned ^ (rng.random(n) < 0.05)
    return {"x": x}, np.where(is_churn, "churn", "stay").astype(object)


def rows(n: int, seed: int, *, turned: bool = False) -> Examples:
    """Events, one a second, whose labels come at once."""
    at = np.arange(1, n + 1, dtype=np.int64) * 1_000
    return replace(table_examples(*churn(n, seed, turned=turned), model="churn", at=0), partition=np.zeros(n, np.int64), predicted_at=at, labelled_at=at)


def trained(seed: int) -> Candidate:
    return TRAINER.train(table_examples(*churn(400, seed), model="churn", at=0), SPECIFICATION, TrainingContext())


@pytest.fixture
def learner() -> Learner:
    known = table_examples(*churn(400, 1), model="churn", at=0)
    pool = started(trained(1), known, SPECIFICATION, cut=0, seed=1).model
    assert isinstance(pool, AdaptivePool)
    return Learner(pool, since=0, learnt={}, update_every=200, most_members=2, most_held=16)


def taught(learner: Learner, found: Examples) -> None:
    for start in range(0, len(found), 200):
        learner.learn(found.take(slice(start, start + 200)))
        learner.hold(int(found.predicted_at[start + 199]))


# --- the share ---


@settings(max_examples=15)
@given(seed=st.integers(0, 100), cut=st.integers(0, 60))
def test_the_same_rows_tell_the_same_however_they_are_batched(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    said, truth, awake = rng.dirichlet(np.ones(3), (2, 60)), np.eye(3, dtype=bool)[rng.integers(0, 3, 60)], rng.random((2, 60)) < 0.8
    whole = learnt(nothing(2), said, truth, awake)
    first = learnt(nothing(2), said[:, :cut], truth[:cut], awake[:, :cut])
    assert np.array_equal(learnt(first, said[:, cut:], truth[cut:], awake[:, cut:]), whole)


@settings(max_examples=25)
@given(seed=st.integers(0, 1_000), classes=st.integers(2, 6))
def test_what_is_drawn_are_probabilities_in_the_models_own_order(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    said, truth = rng.dirichlet(np.ones(classes), (2, 40)), np.eye(classes, dtype=bool)[rng.integers(0, classes, 40)]
    sums = learnt(nothing(2), said, truth, np.ones((2, 40), bool))
    found = drawn(said, sums)
    assert ((shares(sums) >= 0) & (shares(sums) <= 1)).all()
    assert np.allclose(found.sum(axis=2), 1)
    assert (found >= 0).all()
    kept = shares(sums) > 0
    assert np.array_equal(found[kept].argmax(axis=2), said[kept].argmax(axis=2))


def test_the_share_is_the_one_with_the_least_brier_score_on_many_rows() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(3_000) < 0.7
    said = np.tile([0.99, 0.01], (1, 3_000, 1))
    both = np.stack([truth, ~truth], axis=1)
    sums = learnt(nothing(1), said, both, np.ones((1, 3_000), bool))
    newest = slice(-1_500, None)  # six half-lives: what came before hardly counts

    def score(share: float) -> float:
        weight = 0.5 ** (np.arange(1_500)[::-1] / 250)
        return float(weight @ ((0.5 + share * (said[0, newest] - 0.5) - both[newest]) ** 2).sum(axis=1))

    best = min(np.linspace(0, 1, 101), key=score)
    assert shares(sums).item() == pytest.approx(best, abs=0.04)  # the prior's ten rows speak for 1


def test_a_row_that_a_model_was_trained_on_or_says_nothing_of_tells_nothing() -> None:
    said = np.array([[[0.9, 0.1], [0.0, 0.0]]])
    truth = np.array([[False, True], [False, True]])
    assert not learnt(nothing(1), said, truth, np.array([[False, True]])).any()
    sums = learnt(nothing(1), said, truth, np.array([[True, True]]))
    assert shares(sums).item() < 1
    assert drawn(said, sums)[0, 1].tolist() == [0.0, 0.0]


# --- in a pool ---


def test_a_model_whose_world_has_turned_is_believed_no_more_and_again_when_it_comes_back(learner: Learner) -> None:
    features, _ = churn(300, 3)
    taught(learner, rows(600, 2))
    assert shares(learner.pool.sums).item() > 0.8
    taught(learner, rows(600, 4, turned=True))
    assert shares(learner.pool.sums).item() < 0.1
    assert np.abs(learner.pool.outputs(features)[0] - 0.5).max() < 0.05
    taught(learner, rows(2_000, 5))
    assert shares(learner.pool.sums).item() > 0.8


def test_a_revision_answers_by_what_was_known_then(learner: Learner) -> None:
    found = rows(800, 2, turned=True)
    first = learner.predicted(found).tolist()
    taught(learner, found)
    told = learner.predicted(found)
    assert told[:199].tolist() == first[:199]
    assert (told[600:] == found.label[600:]).mean() > (np.array(first[600:]) == found.label[600:]).mean() + 0.5


def test_a_member_that_joins_is_believed_and_one_that_goes_takes_its_share_along(learner: Learner) -> None:
    taught(learner, rows(600, 2, turned=True))
    first = learner.pool.sums[0]
    learner.join(member("second", trained(4), cut=10**6))
    assert learner.pool.sums.tolist() == [first.tolist(), [0.0, 0.0]]
    learner.pool.weights = np.array([0.1, 0.5, 0.4])
    learner.join(member("third", trained(5), cut=10**6))
    assert [one.name for one in learner.pool.members] == ["second", "third"]
    assert not learner.pool.sums.any()


def test_shares_come_back_from_an_artifact_and_one_of_an_earlier_release_has_none(learner: Learner) -> None:
    taught(learner, rows(600, 2, turned=True))
    features, _ = churn(50, 6)
    again = AdaptivePool.from_artifact(learner.pool.artifact())
    assert np.array_equal(again.outputs(features), learner.pool.outputs(features))
    then = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(learner.pool.artifact())) as now, zipfile.ZipFile(then, "w") as packed:
        for name in now.namelist():
            content = now.read(name)
            if name == "pool.json":
                content = json.dumps(json.loads(content) | {"format": 3, "sums": [[0.0] * 5]}).encode()
            packed.writestr(name, content)
    earlier = AdaptivePool.from_artifact(then.getvalue())
    assert earlier.sums.tolist() == [[0.0, 0.0]]
    assert np.array_equal(earlier.outputs(features)[0], earlier.members[0].model.probabilities(features, classes=earlier.classes))
