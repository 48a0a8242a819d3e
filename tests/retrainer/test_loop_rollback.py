"""The closed loop after a promotion: the former champion is judged on, and serves again where it is better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_version

from retrainer.decision import Decision
from retrainer.loop import RetrainLoop
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Model, TrainingContext
from retrainer.versions import Version
from tests.retrainer.closed_loop import CHANGE, TRAINER, feed, run, versions
from tests.retrainer.concepts import SECOND, specification, stream


def test_a_version_that_was_rolled_back_can_be_promoted_again(registry: FilesRegistry, first: list[Version]) -> None:
    registered = [Version(model="loans", version="2", status="registered", at=1), Version(model="loans", version="2", status="promoted", at=2)]
    back_and_forth = [Version(model="loans", version="2", status=status, at=at, by="ana") for at, status in ((3, "rolled_back"), (4, "promoted"))]
    loop = RetrainLoop(specification(), TRAINER, registry, records=[*first, *registered])
    served = []
    for record in back_and_forth:
        loop.on_version(record)
        assert loop.champion is not None
        served.append(loop.champion.version)
    assert served == ["1", "2"]


@pytest.mark.parametrize(("concept", "rolled_back"), [("old", True), ("new", False)])
def test_a_promoted_version_that_disappoints_is_rolled_back(tmp_path: Path, first: list[Version], model: Model, concept: str, rolled_back: bool) -> None:
    registry = FilesRegistry(tmp_path)
    loop, learnt = promoted_a_moment_ago(registry, first, model)
    told = feed(loop, stream([(1_500, concept)], learnt, version="2"))
    assert versions(told) == ([("2", "rolled_back")] if rolled_back else [])
    assert loop.champion is not None
    assert loop.champion.version == ("1" if rolled_back else "2")
    decided = next(one for one in told if isinstance(one, Decision) and one.event.startswith("Gate"))
    assert decided.instruction == ("RollBack" if rolled_back else "DoNothing")
    assert decided.reason.startswith(f"version 1, which served before, is {'' if rolled_back else 'not '}better by")
    if rolled_back:
        back = next(one for one in told if isinstance(one, Version))
        assert (back.cause, back.by, registry.alias("loans", "champion")) == ("a1", "retrainer", "1")
        assert [one.reason for one in told if isinstance(one, Decision)][-1] == "version 1 serves again, as version 2 was rolled back"
        assert back.gate["wealth"] >= back.gate["threshold"] == 40, "half of alpha is for the tests to come"
        again = RetrainLoop(specification(), TRAINER, registry, records=loop.records)
        again.announced.keep("1", model)
        assert versions(feed(again, stream([(1_500, concept)], learnt, version="2"))) == []


def promoted_a_moment_ago(registry: FilesRegistry, first: list[Version], model: Model, **settings: Any) -> tuple[RetrainLoop, Model]:
    """Version 2, which has learnt the new concept, in place of version 1, which knows the old one."""
    draft = Version(model="loans", version="2", status="registered", at=0, parent="1", cause="a1")
    learnt = TRAINER.train(stream([(1_000, "new")], model), specification(), TrainingContext()).model
    uri, digest = registry.register(learnt.artifact(), draft)
    registered = replace_version(draft, uri=uri, digest=digest)
    loop = RetrainLoop(specification(**settings), TRAINER, registry, records=[*first, registered, replace_version(registered, status="promoted")])
    loop.announced.keep("1", model)
    return loop, learnt


def test_a_version_that_a_person_rolled_back_is_told_as_the_reason_why_the_one_before_it_serves(tmp_path: Path, first: list[Version], model: Model) -> None:
    loop, learnt = promoted_a_moment_ago(FilesRegistry(tmp_path), first, model)
    feed(loop, stream([(100, "new")], learnt, version="2"))
    by_ada = [replace_version(loop.records[-1], status=status, by="ada", at=at) for at, status in ((1, "rolled_back"), (2, "promoted"))]
    said = [one.reason for record in by_ada for one in loop.on_version(record) if isinstance(one, Decision)]
    assert said == ["version 1 serves again, as version 2 was rolled back", "version 2 serves: it was chosen, not trained for a cause"]


def test_a_version_that_disappoints_later_is_rolled_back_then(tmp_path: Path, first: list[Version], model: Model) -> None:
    loop, learnt = promoted_a_moment_ago(FilesRegistry(tmp_path), first, model)
    told = feed(loop, stream([(700, "new"), (1_500, "old")], learnt, version="2"))
    stays, back = (one for one in told if isinstance(one, Decision) and one.event.startswith("Gate"))
    assert (stays.instruction, back.instruction) == ("DoNothing", "RollBack")
    assert stays.reason.endswith("; it is judged on")
    assert versions(told) == [("2", "rolled_back")]
    assert next(one for one in told if isinstance(one, Version)).gate["threshold"] == 80, "a quarter of alpha was for the second test"


def test_a_former_champion_is_judged_by_max_wait_labels_at_most(tmp_path: Path, first: list[Version], model: Model) -> None:
    loop, learnt = promoted_a_moment_ago(FilesRegistry(tmp_path), first, model, gate={"max_wait": 1_000, "min_validation_time": "0s"})
    told = feed(loop, stream([(2_500, "new")], learnt, version="2"))
    assert [one.reason.endswith("; it is judged on") for one in told if isinstance(one, Decision) and one.event == "GateRejected"] == [True, False]


def test_the_former_champion_is_judged_from_the_promotion_on_and_not_where_rollback_is_never(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (3_000, "new")], model)
    judged = []
    for rollback in ("auto", "never"):
        loop = RetrainLoop(specification(refresh=[200], rollback=rollback), TRAINER, FilesRegistry(tmp_path / rollback), records=first)
        loop.announced.keep("1", model)
        told = run(loop, rows)
        assert versions(told) == [("2", "registered"), ("2", "promoted")]
        judged.append([one for one in told if isinstance(one, Decision) and one.event == "GateRejected"])
    assert judged[1] == []
    stays, *_ = judged[0]
    promoted = next(one for one in told if isinstance(one, Version) and one.status == "promoted")
    assert (stays.version, stays.instruction) == ("2", "DoNothing")
    assert stays.at >= promoted.at + 500 * SECOND
