"""A share of the events, and a pool that learns: one that is the champion beside a canary, and one that is the canary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.rows.examples import Examples
from retrainer.canary import canary
from retrainer.loop import RetrainLoop
from retrainer.saved import SavedLoop
from retrainer.trainers import Model
from retrainer.trainers.adaptive_pool import AdaptivePool
from retrainer.versions import Version, champion
from tests.retrainer.concepts import specification, stream
from tests.retrainer.service import BATCH, CHANGE, Service, versions
from tests.retrainer.test_adaptive import ADAPTIVE, TRAINER, bootstrapped

SHARED = {"refresh": [200], "gate": {"min_validation_time": "0s", "min_evidence": 100, "wander": 0}, "canary": {"share": 0.4}}


class Following(Service):
    """Answers what the canary does not with the newest revision of the champion."""

    def answered(self, place: int, batch: Examples) -> Examples:
        serving = self.loop.champion
        assert serving is not None
        model = self.registry.fetch(serving.uri, serving.digest)
        prediction, version = model.predict(batch.features), np.full(len(batch), serving.version, object)
        return super().answered(place, replace(batch, prediction=prediction, version=version))


def changing(model: Model, n: int) -> Examples:
    return stream([(CHANGE, "old"), (n - CHANGE, "new")], model)


def errors(model: Model, rows: Examples) -> np.ndarray:
    return np.asarray(model.predict(rows.features) != rows.label, np.float64)


def test_an_adaptive_champion_is_scored_beside_a_canary_by_the_revision_that_was_in_force(tmp_path: Path) -> None:
    _, registry, records = bootstrapped(tmp_path, **ADAPTIVE)
    first = registry.fetch(records[-1].uri, records[-1].digest)
    loop = RetrainLoop(specification(**SHARED, update_every=250), TRAINER, registry, records=records)
    done = Following(loop, registry, changing(first, 2_400))
    while loop.state.cause is not None or len(done.served) * BATCH <= CHANGE + BATCH:
        done.run(len(done.served) * BATCH, (len(done.served) + 1) * BATCH)
    assert [one for one in versions(done.told) if one[0] == "2"][:2] == [("2", "registered"), ("2", "canary")]
    began, ended = (one for one in loop.records if one.version == "2" and one.status in {"canary", "promoted", "rolled_back"})
    served = Examples.concatenate(done.served)
    judged = served.take((served.version == "2") & (served.labelled_at <= ended.at))
    revisions = [one for one in loop.records if one.version == "1" and one.status in {"promoted", "updated"}]
    assert sum(began.at < one.at < ended.at for one in revisions) > 0, "it learnt while it was judged"
    in_force = np.searchsorted([one.at for one in revisions], judged.predicted_at, side="right") - 1
    old = np.full(len(judged), np.nan)
    for place in np.unique(in_force).tolist():
        mine = np.flatnonzero(in_force == place)
        old[mine] = errors(registry.fetch(revisions[place].uri, revisions[place].digest), judged.take(mine))
    new = np.asarray(judged.prediction != judged.label, np.float64)
    assert ended.gate["labels"] == len(judged)
    assert ended.gate["difference"] == pytest.approx((old - new).mean())
    assert (errors(first, judged) - new).mean() > ended.gate["difference"] + 0.02, "its first revision would have been easier to beat"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_pool_serves_its_share_learns_meanwhile_and_is_promoted_by_what_it_answered(tmp_path: Path, restarted: bool) -> None:
    _, registry, records = bootstrapped(tmp_path)
    loop = RetrainLoop(specification(**ADAPTIVE | SHARED), TRAINER, registry, records=records)
    done = Following(loop, registry, changing(registry.fetch(records[-1].uri, records[-1].digest), 2_400)).run_until_it_shares()
    if restarted:
        done.run(len(done.served) * BATCH, (len(done.served) + 1) * BATCH)
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(loop.save()), type=SavedLoop)
        done.loop = RetrainLoop(loop.specification, TRAINER, registry, records=loop.records)
        assert done.loop.resume(saved, done.served) == []
    while canary(done.loop.records) is not None:
        done.run(len(done.served) * BATCH, (len(done.served) + 1) * BATCH)
    mine = [one for one in done.told if isinstance(one, Version) and one.version == "2"]
    statuses = [one.status for one in mine]
    assert statuses[:3] == ["registered", "canary", "updated"]
    assert statuses[-2:] == ["promoted", "updated"]
    assert statuses.count("updated") > 2, "it learnt while it served its share"
    assert {one.share for one in mine if one.at < mine[-1].at} == {None, 0.4}
    assert all(one.share == 0.4 for one in mine[1:-2]), "each revision says which events it answers"
    served = Examples.concatenate(done.served)
    assert mine[-2].gate["labels"] == ((served.version == "2") & (served.labelled_at <= mine[-2].at)).sum()
    serving = champion(done.loop.records)
    assert serving == mine[-1]
    assert isinstance(registry.fetch(serving.uri, serving.digest), AdaptivePool)
