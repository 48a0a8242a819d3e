"""Numbers of a pool's batch models, and what labels have told of them."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.adaptive import Learner, member, started
from retrainer.bootstrap import table_examples
from retrainer.trainers import Candidate, TrainingContext
from retrainer.trainers.adaptive_pool import AdaptivePool
from retrainer.trainers.recalibration import learnt, lines, nothing
from retrainer.trainers.scikit_learn import ScikitLearnTrainer

TRAINER = ScikitLearnTrainer(iterations=40)
SPECIFICATION = MonitorSpecification.model_validate(
    {"model": "demand", "task": "regression", "features": {"x": {}}, "retrain": {"champion": "adaptive", "online": ["linear"], "update_every": 200}}
)


def demand(n: int, growth: float, seed: int) -> tuple[dict[str, Float64], Float64]:
    """Events of one feature; its wave is nothing that a linear model knows."""
    x = np.random.default_rng(seed).uniform(0, 10, n)
    return {"x": x}, growth * (100 + 50 * np.sin(2 * x))


def rows(n: int, growth: float, seed: int) -> Examples:
    """Events, one a second, whose labels come at once."""
    at = np.arange(1, n + 1, dtype=np.int64) * 1_000
    return replace(table_examples(*demand(n, growth, seed), model="demand", at=0), partition=np.zeros(n, np.int64), predicted_at=at, labelled_at=at)


def trained(seed: int) -> Candidate:
    return TRAINER.train(table_examples(*demand(400, 1.0, seed), model="demand", at=0), SPECIFICATION, TrainingContext())


@pytest.fixture
def learner() -> Learner:
    known = table_examples(*demand(400, 1.0, 1), model="demand", at=0)
    pool = started(trained(1), known, SPECIFICATION, cut=0, seed=1).model
    assert isinstance(pool, AdaptivePool)
    return Learner(pool, since=0, learnt={}, update_every=200, most_members=2, most_held=16)


def grown(learner: Learner) -> Examples:
    """Labels of a world that has grown by half, learnt in revisions."""
    found = rows(800, 1.5, 2)
    for start in range(0, 800, 200):
        learner.learn(found.take(slice(start, start + 200)))
        learner.hold(int(found.predicted_at[start + 199]))
    return found


# --- the line ---


@settings(max_examples=15)
@given(seed=st.integers(0, 100), cut=st.integers(0, 60))
def test_the_same_rows_tell_the_same_however_they_are_batched(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    numbers, label, awake = rng.normal(size=(3, 60)), rng.normal(size=60), rng.random((3, 60)) < 0.8
    whole = learnt(nothing(3), numbers, label, awake, scale=2.0)
    first = learnt(nothing(3), numbers[:, :cut], label[:cut], awake[:, :cut], scale=2.0)
    assert np.array_equal(learnt(first, numbers[:, cut:], label[cut:], awake[:, cut:], scale=2.0), whole)


def test_a_row_that_a_model_was_trained_on_or_that_has_no_number_tells_nothing() -> None:
    numbers, label = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]]), np.array([2.0, 3.0, np.nan])
    assert not learnt(nothing(2), numbers, label, np.array([[False] * 3, [False, False, True]]), scale=1.0).any()


def test_a_single_wild_label_moves_the_line_no_more_than_an_error_of_three_scales() -> None:
    numbers, awake = np.full((1, 1), 5.0), np.ones((1, 1), bool)
    wild, large = (lines(learnt(nothing(1), numbers, np.array([label]), awake, scale=2.0), 2.0) for label in (1e9, 11.0))
    assert np.array_equal(wild, large)
    assert (wild @ [1, 5]).item() == pytest.approx(5 + 6 / 11)  # one row, and ten that speak for no correction


# --- in a pool ---


def test_a_world_that_grows_by_half_is_answered_without_a_training(learner: Learner) -> None:
    features, label = demand(500, 1.5, 3)
    before = np.abs(learner.pool.predict(features) - label).mean()
    grown(learner)
    alone = np.abs(learner.pool.members[0].model.predict(features) - label).mean()
    after = np.abs(learner.pool.predict(features) - label).mean()
    assert before > 30
    assert alone > 30
    assert after < before / 4


def test_a_revision_answers_by_the_line_that_was_known_then(learner: Learner) -> None:
    found = rows(800, 1.5, 2)
    first = learner.predicted(found).tolist()
    assert grown(learner).offset.tolist() == found.offset.tolist()
    told = learner.predicted(found)
    assert told[:199].tolist() == first[:199]
    assert np.abs(told[600:] - found.label[600:]).mean() < 0.5 * np.abs(np.array(first[600:]) - found.label[600:]).mean()


def test_a_member_that_joins_begins_without_a_correction_and_one_that_goes_takes_its_own_along(learner: Learner) -> None:
    grown(learner)
    first = learner.pool.sums[0]
    learner.join(member("second", trained(4), cut=10**6))
    assert learner.pool.sums.tolist() == [first.tolist(), [0.0] * 5]
    learner.pool.weights = np.array([0.1, 0.5, 0.4])
    learner.join(member("third", trained(5), cut=10**6))
    assert [one.name for one in learner.pool.members] == ["second", "third"]
    assert not learner.pool.sums.any()


def test_lines_come_back_from_an_artifact_and_one_of_an_earlier_release_has_none(learner: Learner) -> None:
    grown(learner)
    features, _ = demand(50, 1.0, 6)
    again = AdaptivePool.from_artifact(learner.pool.artifact())
    assert again.predict(features).tolist() == learner.pool.predict(features).tolist()
    then = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(learner.pool.artifact())) as now, zipfile.ZipFile(then, "w") as packed:
        for name in now.namelist():
            content = now.read(name)
            if name == "pool.json":
                known = json.loads(content) | {"format": 2}
                del known["sums"]
                content = json.dumps(known).encode()
            packed.writestr(name, content)
    assert not AdaptivePool.from_artifact(then.getvalue()).sums.any()
