"""How much is remembered of a model's retraining is a setting, and it is told where that is not enough."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.settings.retraining import Remembered, Retrain
from retrainer.adaptive import Learner, started
from retrainer.bootstrap import table_examples
from retrainer.loop import RetrainLoop
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import TrainingContext
from retrainer.trainers.adaptive_pool import AdaptivePool
from tests.retrainer.closed_loop import TRAINER
from tests.retrainer.concepts import SECOND, alert, specification, stream, table
from tests.retrainer.events import decide, opened


def lived(loop: RetrainLoop, *alerts: str) -> None:
    """Alerts that open and are over before there are rows: each is a cause that ended."""
    for place, name in enumerate(alerts):
        at = 1_000 * (place + 1)
        loop.on_alert(alert(name, at, kind="drift"), at)
        loop.on_alert(alert(name, at, kind="drift", status="resolved", sequence=1), at + 1)


def test_alerts_and_causes_beyond_their_bounds_are_forgotten_the_oldest_first_and_that_is_told(registry: FilesRegistry) -> None:
    loop = RetrainLoop(specification(policy="any", cooldown="0s", remembered={"alerts": 2, "causes": 1}), TRAINER, registry)
    lived(loop, "a1")
    loop.save()
    assert loop.forgotten == {}
    lived(loop, "a1", "a2", "a3", "a4")
    saved = loop.save()
    assert (list(saved.sequences), [name for name, _ in saved.state.finished]) == (["a3", "a4"], ["a4"])
    assert list(loop.forgotten) == ["alerts", "causes"]
    assert loop.forgotten["alerts"].startswith("2 alerts, the oldest, are forgotten")
    assert loop.forgotten["causes"].endswith("retrain.remembered.causes is 1, set a larger one")


def test_without_a_setting_as_much_is_remembered_as_ever(registry: FilesRegistry) -> None:
    loop = RetrainLoop(specification(policy="any", cooldown="0s"), TRAINER, registry)
    lived(loop, *(f"a{number}" for number in range(205)))
    saved = loop.save()
    assert (len(saved.sequences), len(saved.state.finished), saved.state.finished[0][0]) == (205, 200, "a5")
    assert Remembered().model_dump() == {"alerts": 10_000, "causes": 200, "votes": 100, "revisions": 16}


def test_a_vote_beyond_the_bound_makes_room_and_the_reason_says_so() -> None:
    hesitant = Retrain.model_validate({"votes": {"performance": 1, "drift": 0.25}, "votes_needed": 0.75, "remembered": {"votes": 2}})
    state, _ = decide(opened("d1", kind="drift"), retrain=hesitant)
    state, (said,) = decide(opened("d2", kind="drift", at=200), retrain=hesitant, state=state)
    assert said.reason == "votes: 0.5 of 0.75 needed; drift alert d2 waits for others"
    state, (said,) = decide(opened("d3", kind="drift", at=300), retrain=hesitant, state=state)
    assert said.reason == "votes: 0.5 of 0.75 needed; drift alert d3 waits for others; that of d1 is forgotten, as retrain.remembered.votes is 2"
    assert [vote.alert for vote in state.votes] == ["d2", "d3"]


@pytest.mark.parametrize(("most", "unweighed"), [(2, 100), (3, 0)])
def test_a_label_of_a_prediction_from_before_the_revisions_that_are_held_is_counted(most: int, unweighed: int) -> None:
    spec = specification(champion="adaptive", online=["linear"])
    first = table_examples(*table(300, "old", 99), model="loans", at=0)
    pool = started(TRAINER.train(first, spec, TrainingContext()), first, spec, cut=0, seed=1).model
    assert isinstance(pool, AdaptivePool)
    learner = Learner(pool, since=0, learnt={}, update_every=100, most_members=6, most_held=most)
    rows = stream([(200, "new")], pool, delay=1_000 * SECOND)
    for since in (10**12, 2 * 10**12):  # revisions after all of these predictions
        learner.hold(since)
    before = pool.weights.copy()
    learner.learn(rows.take(slice(0, 100)))
    assert learner.unweighed == unweighed
    assert np.allclose(pool.weights, before) == (unweighed > 0), "a member is weighed by what it answered then, which nobody knows any more"
