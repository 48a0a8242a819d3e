"""The adaptive champion: a pool whose weights follow the labels, announced again as it learns."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.event_batch import Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer import river_artifact
from retrainer.adaptive import Learner, member, started
from retrainer.bootstrap import bootstrap_champion, table_examples
from retrainer.cadence import PACE
from retrainer.decision import Decision
from retrainer.loop import RetrainLoop, Told
from retrainer.registry import load_model
from retrainer.registry.files import FilesRegistry
from retrainer.saved import SavedLoop
from retrainer.trainers import TrainingContext, TrainingError, answered, trainer_named
from retrainer.trainers.adaptive_pool import SHARE, AdaptivePool, followed
from retrainer.trainers.online_forest import OnlineForest
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Version, champion
from tests.retrainer.concepts import SECOND, alert, specification, stream, table

TRAINER = ScikitLearnTrainer(iterations=20)
ADAPTIVE = {"champion": "adaptive", "update_every": 150, "refresh": [200]}


@pytest.fixture(scope="module")
def pool() -> AdaptivePool:
    return new_pool()


def new_pool() -> AdaptivePool:
    features, label = table(300, "old", 99)
    rows = table_examples(features, label, model="loans", at=0)
    spec = specification(**ADAPTIVE)
    made = started(TRAINER.train(rows, spec, TrainingContext()), rows, spec, cut=0, seed=1).model
    assert isinstance(made, AdaptivePool)
    return made


def bootstrapped(root: Path, **retrain: object) -> tuple[MonitorSpecification, FilesRegistry, list[Version]]:
    spec, registry = specification(**retrain), FilesRegistry(root)
    return spec, registry, bootstrap_champion(*table(300, "old", 99), specification=spec, trainer=TRAINER, registry=registry, at=0)


def fed(loop: RetrainLoop, rows: Examples, batch: int) -> list[Told]:
    return [one for start in range(0, len(rows), batch) for one in loop.on_examples(rows.take(slice(start, start + batch)))]


def told(said: list[Told], status: str) -> list[Version]:
    return [one for one in said if isinstance(one, Version) and one.status == status]


# --- weights ---


@given(losses=st.lists(st.tuples(*[st.floats(0, 1)] * 3), max_size=30), asleep=st.integers(0, 7))
def test_weights_stay_a_distribution_that_gives_every_member_a_chance(losses: list[tuple[float, float, float]], asleep: int) -> None:
    awake = np.repeat([[not asleep & 1], [not asleep & 2], [not asleep & 4]], len(losses), axis=1)
    found = followed(np.full(3, 1 / 3), np.array(losses, np.float64).reshape(-1, 3).T, awake)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= SHARE / 3 - 1e-12


def test_a_member_that_sleeps_keeps_its_share_whatever_its_losses_would_be() -> None:
    weights, losses = np.array([0.2, 0.3, 0.5]), np.array([[0.1] * 50, [0.4] * 50, [1.0] * 50])
    awake = np.array([[True] * 50, [True] * 50, [False] * 50])
    found = followed(weights, losses, awake)
    assert found[2] == pytest.approx(0.5, abs=50 * SHARE / 3)
    assert found[0] > 0.4
    assert np.array_equal(followed(weights, losses, np.zeros((3, 50), bool)), weights)


def test_after_a_change_the_other_member_has_most_of_the_weight_within_a_hundred_labels() -> None:
    losses: Float64 = np.array([[0.1] * 1_000 + [0.4] * 100, [0.4] * 1_000 + [0.1] * 100])
    before = followed(np.array([0.5, 0.5]), losses[:, :1_000], np.ones((2, 1_000), bool))
    assert before[0] > 0.95
    assert followed(before, losses[:, 1_000:], np.ones((2, 100), bool))[1] > 0.9


# --- the model ---


def test_a_pool_and_a_forest_come_back_from_their_artifacts_as_they_were(pool: AdaptivePool) -> None:
    features, _ = table(50, "new", 3)
    forest = pool.online[0]
    assert isinstance(forest, OnlineForest)
    for model in (pool, forest):
        again = load_model(model.artifact())
        assert type(again) is type(model)
        assert again.artifact() == model.artifact()
        assert again.predict(features).tolist() == model.predict(features).tolist()
        assert np.array_equal(again.score(features), model.score(features))


def test_a_pool_that_an_earlier_release_published_goes_on_with_its_forest() -> None:
    features, label = table(300, "old", 99)
    rows, spec = table_examples(features, label, model="loans", at=0), specification(**ADAPTIVE | {"online": ["forest"]})
    made = started(TRAINER.train(rows, spec, TrainingContext()), rows, spec, cut=0, seed=1).model
    then = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made.artifact())) as now, zipfile.ZipFile(then, "w") as packed:
        for name in now.namelist():
            content = now.read(name)
            if name == "pool.json":
                known = json.loads(content) | {"format": 1}
                del known["online"]
                content = json.dumps(known).encode()
            packed.writestr("online.river" if name == "online/forest" else name, content)
    assert AdaptivePool.from_artifact(then.getvalue()).artifact() == made.artifact()


def test_predictions_and_scores_are_told_by_members_that_are_asked_once(pool: AdaptivePool, monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = table(50, "new", 3)
    asked, outputs = [], AdaptivePool.outputs
    separately = pool.predict(features).tolist(), pool.score(features)
    monkeypatch.setattr(AdaptivePool, "outputs", lambda self, *given, **more: asked.append(1) or outputs(self, *given, **more))
    prediction, score = answered(pool, features)
    assert len(asked) == 1
    assert prediction.tolist() == separately[0]
    assert np.isfinite(score).all()
    assert np.array_equal(score, separately[1])
    member = pool.members[0].model
    assert answered(member, features)[0].tolist() == member.predict(features).tolist()


def test_an_artifact_of_river_builds_nothing_else() -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("harm",)

    with pytest.raises(TypeError, match=r"builtins\.print, which is not trusted"):
        river_artifact.load(zlib.compress(pickle.dumps(Harm())))


def test_a_forest_learns_numbers_and_quantities_and_leaves_out_what_is_missing() -> None:
    x = np.linspace(0, 1, 400)
    model = OnlineForest.fresh({"x": x}, "regression", positive=None, seed=1)
    model.learn({"x": x[np.random.default_rng(1).permutation(400)]}, x[np.random.default_rng(1).permutation(400)] * 10)
    low, high, missing = model.predict({"x": np.array([0.1, 0.9, np.nan])}).tolist()
    assert low < 4
    assert high > 6
    assert np.isfinite(missing)
    assert np.isnan(model.score({"x": x})).all()


def test_the_trainer_river_learns_online_and_is_reproducible() -> None:
    features, label = table(300, "old", 5)
    rows, spec = table_examples(features, label, model="loans", at=0), specification(trainer="river")
    one, two = (trainer_named("river").train(rows, spec, TrainingContext(seed=7, mode="online")).model for _ in range(2))
    assert one.artifact() == two.artifact()
    assert float(np.mean(one.predict(features) == label)) > 0.7


# --- learning ---


def test_any_cut_of_the_log_teaches_the_same(pool: AdaptivePool) -> None:
    rows = stream([(300, "new")], pool, delay=60 * SECOND)
    artifacts = []
    for batch in (7, 300):
        learner = Learner(new_pool(), since=0, learnt={}, update_every=1_000, most_members=6, most_held=16)
        for start in range(0, 300, batch):
            learner.learn(rows.take(slice(start, start + batch)))
        artifacts.append(learner.pool.artifact())
    assert artifacts[0] == artifacts[1]


def test_a_new_pool_trusts_its_batch_model_as_much_as_all_others_together(pool: AdaptivePool) -> None:
    assert pool.weights[0] == pytest.approx(0.5)
    assert pool.weights[1:] == pytest.approx(0.5 / len(pool.online))


def test_a_late_label_counts_for_the_revision_that_was_in_force(pool: AdaptivePool) -> None:
    learner = Learner(new_pool(), since=0, learnt={}, update_every=150, most_members=6, most_held=16)
    rows = stream([(300, "new")], pool)
    then = learner.predicted(rows)
    learner.learn(rows.take(slice(0, 150)))
    learner.hold(10**12)  # in force after all of these rows
    assert learner.predicted(rows).tolist() == then.tolist()
    assert learner.pool.predict(rows.features).tolist() != then.tolist()


def test_too_many_members_cost_the_one_with_the_least_weight_never_the_newest(pool: AdaptivePool) -> None:
    learner = Learner(new_pool(), since=0, learnt={}, update_every=150, most_members=2, most_held=16)
    rows = table_examples(*table(100, "new", 4), model="loans", at=0)
    for name in ("second", "third"):
        learner.join(member(name, TRAINER.train(rows, specification(), TrainingContext()), cut=5))
    learner.pool.weights = np.array([0.1, 0.6, 0.3])
    learner.join(member("fourth", TRAINER.train(rows, specification(), TrainingContext()), cut=9))
    assert [one.name for one in learner.pool.members] == ["third", "fourth"]
    assert learner.pool.weights.sum() == pytest.approx(1)


def test_what_is_no_model_of_scikit_learn_cannot_be_a_batch_member() -> None:
    rows, spec = table_examples(*table(50, "old", 4), model="loans", at=0), specification()
    with pytest.raises(TrainingError, match="got OnlineForest"):
        member("m", trainer_named("river").train(rows, spec, TrainingContext()), cut=0)


# --- in the loop ---


def test_a_champion_is_announced_again_every_so_many_labels_however_they_were_batched(tmp_path: Path, pool: AdaptivePool) -> None:
    rows = stream([(490, "new")], pool)
    said = []
    for batch in (60, 500):
        spec, registry, records = bootstrapped(tmp_path / str(batch), **ADAPTIVE)
        said.append(fed(RetrainLoop(spec, TRAINER, registry, records=records), rows, batch))
    assert said[0] == said[1]
    revisions = told(said[0], "updated")
    assert [(one.version, one.revision) for one in revisions] == [("1", 1), ("1", 2), ("1", 3)]
    assert [one.at for one in revisions] == rows.labelled_at[[149, 299, 449]].tolist()
    assert len({one.digest for one in revisions}) == 3
    assert sum(revisions[0].metrics[name] for name in revisions[0].metrics if name.startswith("weight")) == pytest.approx(1)


def test_a_retrainer_that_starts_again_goes_on_from_the_last_revision(tmp_path: Path, pool: AdaptivePool) -> None:
    rows = stream([(490, "new")], pool, delay=0)
    spec, registry, records = bootstrapped(tmp_path, **ADAPTIVE)
    whole = RetrainLoop(spec, TRAINER, registry, records=records)
    said = fed(whole, rows, 100)
    killed = RetrainLoop(spec, TRAINER, registry, records=records)
    before = fed(killed, rows.take(slice(0, 350)), 100)  # fifty labels into the third revision
    after = fed(RetrainLoop(spec, TRAINER, registry, records=[*records, *told(before, "updated")]), rows, 100)
    assert told(before, "updated") + told(after, "updated") == told(said, "updated")


def test_a_training_adds_a_member_and_is_not_done_again(tmp_path: Path, pool: AdaptivePool) -> None:
    rows = stream([(200, "old"), (500, "new")], pool)
    spec, registry, records = bootstrapped(tmp_path, **ADAPTIVE)
    loop = RetrainLoop(spec, TRAINER, registry, records=records)
    said = fed(loop, rows.take(slice(0, 250)), 100) + loop.on_alert(alert("a1", int(rows.labelled_at[200])), int(rows.labelled_at[250]))
    said += fed(loop, rows.take(slice(250, None)), 100)
    joined = [one for one in told(said, "updated") if one.cause == "a1"]
    assert len(joined) == 1
    assert joined[0].trained_on["rows"] == 200
    assert "weight of a1/0" in joined[0].metrics
    assert loop.state.cause is None
    assert champion(loop.records) == told(said, "updated")[-1]
    features, label = table(500, "new", 7)
    latest = told(said, "updated")[-1]
    assert np.mean(registry.fetch(latest.uri, latest.digest).predict(features) == label) > np.mean(pool.predict(features) == label) + 0.1
    again = RetrainLoop(spec, TRAINER, registry, records=loop.records)
    assert again.on_alert(alert("a1", int(rows.labelled_at[200])), int(rows.labelled_at[250]))[0].instruction == "DoNothing"  # type: ignore[union-attr]  # a decision


def test_a_member_that_follows_the_world_earns_the_next_one_soon(tmp_path: Path, pool: AdaptivePool) -> None:
    spec, registry, records = bootstrapped(tmp_path, **ADAPTIVE, cooldown="0s")
    said = fed(RetrainLoop(spec, TRAINER, registry, records=records), stream([(1_050, "new")], pool), 350)
    earned = next(one for one in said if isinstance(one, Decision) and one.event == "PoolLearnt")
    assert earned.instruction == "DoNothing"
    assert "of the weight, and 60% are enough: the next one joins after 500 labelled events, not 4000" in earned.reason
    assert [one.trained_on["rows"] for one in told(said, "updated") if one.cause] == [500, 1_000]


def test_without_an_alert_a_pool_gets_a_member_after_so_many_labels(tmp_path: Path, pool: AdaptivePool) -> None:
    spec, registry, records = bootstrapped(tmp_path, **ADAPTIVE, new_labels=250)
    said = fed(RetrainLoop(spec, TRAINER, registry, records=records), stream([(300, "old")], pool), 100)
    joined = [one for one in told(said, "updated") if one.cause]
    assert len(joined) == 1
    assert joined[0].trained_on["rows"] == 250


def test_a_person_is_asked_for_a_pool_and_not_for_what_it_learns(tmp_path: Path, pool: AdaptivePool) -> None:
    spec, registry, records = bootstrapped(tmp_path, **ADAPTIVE, new_labels=250, approval="manual")
    loop = RetrainLoop(spec, TRAINER, registry, records=records)
    said = fed(loop, stream([(300, "old")], pool), 100)
    assert [one.trained_on["rows"] for one in told(said, "updated") if one.cause] == [250]
    assert champion(loop.records) == told(said, "updated")[-1]
    assert [one for one in said if isinstance(one, Decision) and one.instruction == "AskApproval"] == []


def test_the_labels_that_trainings_take_up_are_counted_through_a_restart_and_a_second_delivery(tmp_path: Path, pool: AdaptivePool) -> None:
    rows, cut = stream([(550, "old"), (350, "new")], pool), 600
    cadences = []
    for restarts in (False, True):
        spec, registry, records = bootstrapped(tmp_path / str(restarts), **ADAPTIVE, cooldown="0s")
        loop = RetrainLoop(spec, TRAINER, registry, records=records)
        fed(loop, rows.take(slice(0, cut)), 130)
        if restarts:
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(loop.save()), type=SavedLoop)
            loop = RetrainLoop(spec, TRAINER, registry, records=loop.records)
            loop.resume(saved, [rows.take(slice(0, cut))])
            fed(loop, rows.take(slice(cut - 80, cut)), 40)
        loop.on_alert(alert("a1", int(rows.labelled_at[550])), int(rows.labelled_at[cut]))
        fed(loop, rows.take(slice(cut, None)), 130)
        cadences.append(loop.state.cadence)
    assert cadences[0] == cadences[1]
    assert (cadences[0].labels, cadences[0].taken) == (750, PACE - 250 + PACE), "one after 500 labels, and one of 200 after the change"


def test_where_a_single_champion_serves_the_first_pool_is_gated_once(tmp_path: Path) -> None:
    single, registry, records = bootstrapped(tmp_path)
    model = registry.fetch(records[-1].uri, records[-1].digest)
    spec = specification(**ADAPTIVE)
    rows = stream([(200, "old"), (1_300, "new")], model)
    loop = RetrainLoop(spec, TRAINER, registry, records=records)
    said = fed(loop, rows.take(slice(0, 250)), 100) + loop.on_alert(alert("a1", int(rows.labelled_at[200])), int(rows.labelled_at[250]))
    said += fed(loop, rows.take(slice(250, None)), 100)
    assert single.retrain.champion == "single"
    assert [(one.version, one.status, one.revision) for one in said if isinstance(one, Version)][:3] == [("2", "registered", 0), ("2", "promoted", 0), ("2", "updated", 1)]
    promoted = told(said, "promoted")[0]
    assert promoted.gate["wealth"] >= promoted.gate["threshold"]
    serving = champion(loop.records)
    assert serving is not None
    made = registry.fetch(serving.uri, serving.digest)
    assert isinstance(made, AdaptivePool)
    assert [one.name for one in made.members][:2] == ["champion", "first"]
    assert len(told(said, "promoted")) == 1
