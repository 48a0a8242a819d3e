"""A restart between any two inputs changes nothing that a pool is told to be: not its evidence, not its revisions, not a byte of its artifacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.rows.examples import Examples
from retrainer.announced import Announced
from retrainer.learners import Learners
from retrainer.loop import RetrainLoop, Told
from retrainer.registry.files import FilesRegistry
from retrainer.saved import SavedLoop
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Request
from streams.by_hand import decided
from tests.retrainer.concepts import SECOND, alert, specification, stream
from tests.retrainer.test_adaptive import bootstrapped, told

TRAINER = ScikitLearnTrainer(iterations=3)
POOL = {
    "champion": "adaptive",
    "online": ["bayes"],
    "update_every": 60,
    "refresh": [100],
    "gate": {"min_validation_time": "0s", "min_evidence": 50, "wander": 0, "block": 20},
}
A_PERSONS_CLOCK = 10**12
Step = Callable[[RetrainLoop], list[Told]]


class Retrainer:
    """A loop that may be ended and taken up again before each of its inputs, as a process that dies is."""

    def __init__(self, root: Path, *, dies: bool, **retrain: object) -> None:
        _, self.registry, records = bootstrapped(root)
        self.specification, self.dies = specification(**POOL | retrain), dies
        self.loop = RetrainLoop(self.specification, TRAINER, self.registry, records=records)
        self.taken: list[Examples] = []
        self.told: list[Told] = []

    def restart(self) -> None:
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(self.loop.save()), type=SavedLoop)
        self.loop = RetrainLoop(self.specification, TRAINER, self.registry, records=self.loop.records)
        assert self.loop.resume(saved, self.taken) == []

    def take(self, step: Step) -> None:
        if self.dies:
            self.restart()
        self.told += step(self.loop)

    def feed(self, rows: Examples) -> None:
        for start in range(0, len(rows), 50):
            part = rows.take(slice(start, start + 50))
            self.take(lambda loop, part=part: loop.on_examples(part))  # type: ignore[misc]
            self.taken.append(part)

    def promote(self, version: str) -> None:
        record = decided(self.loop.records, version, "promoted", by="ada", why="I know better", at=A_PERSONS_CLOCK)
        self.take(lambda loop: loop.on_version(record))


def both(root: Path, story: Callable[[Retrainer, Examples], None], rows: Examples, **retrain: object) -> list[Told]:
    """What a retrainer says that runs on; one that is restarted before each input has said the same."""
    said = []
    for dies in (False, True):
        retrainer = Retrainer(root / str(dies), dies=dies, **retrain)
        story(retrainer, rows)
        said.append(retrainer.told)
    assert said[0] == said[1]
    return said[0]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    _, registry, records = bootstrapped(tmp_path_factory.mktemp("first"))
    return stream([(200, "old"), (800, "new")], registry.fetch(records[-1].uri, records[-1].digest), delay=0)


def changed(retrainer: Retrainer, rows: Examples, row: int, name: str = "a1") -> None:
    at = int(rows.labelled_at[row])
    retrainer.take(lambda loop: loop.on_alert(alert(name, at), at))


def test_a_pool_on_trial_is_judged_by_the_same_revisions_after_a_restart(tmp_path: Path, rows: Examples) -> None:
    def story(retrainer: Retrainer, rows: Examples) -> None:
        retrainer.feed(rows.take(slice(0, 250)))
        changed(retrainer, rows, 200)
        retrainer.feed(rows.take(slice(250, None)))

    said = both(tmp_path, story, rows)
    promoted = told(said, "promoted")[0]
    assert promoted.gate["labels"] > POOL["update_every"], "it was judged by more than one revision"


def test_a_pool_that_waited_for_approval_goes_on_with_what_it_had_learnt(tmp_path: Path, rows: Examples) -> None:
    def story(retrainer: Retrainer, rows: Examples) -> None:
        retrainer.feed(rows.take(slice(0, 250)))
        changed(retrainer, rows, 200)
        retrainer.feed(rows.take(slice(250, 700)))
        assert retrainer.loop.state.champion == "1"
        retrainer.promote("2")
        retrainer.feed(rows.take(slice(700, None)))

    said = both(tmp_path, story, rows, approval="manual")
    assert any(getattr(one, "instruction", "") == "AskApproval" for one in said)
    assert len(told(said, "updated")) > 2


def test_a_pool_that_was_refused_and_is_promoted_by_a_person_learns_nothing_of_the_time_between(tmp_path: Path, rows: Examples) -> None:
    def story(retrainer: Retrainer, rows: Examples) -> None:
        retrainer.feed(rows.take(slice(0, 250)))
        changed(retrainer, rows, 200)
        retrainer.feed(rows.take(slice(250, 350)))
        changed(retrainer, rows, 349, "a2")
        retrainer.feed(rows.take(slice(350, 380)))
        retrainer.promote("2")
        retrainer.feed(rows.take(slice(380, 600)))

    said = both(tmp_path, story, rows, gate=POOL["gate"] | {"min_evidence": 400})
    assert told(said, "rejected")[0].version == "2"
    learnt = [one for one in told(said, "updated") if not one.cause]
    assert learnt[0].at == rows.labelled_at[380 + POOL["update_every"] - 1]


def test_a_correction_is_not_learnt_by_a_restart(tmp_path: Path, rows: Examples) -> None:
    ids = rows.event_id.copy()
    ids[310:340] = ids[300:330]
    corrected = replace(rows, event_id=ids)

    def story(retrainer: Retrainer, rows: Examples) -> None:
        retrainer.feed(rows.take(slice(0, 250)))
        changed(retrainer, rows, 200)
        retrainer.feed(rows.take(slice(250, 600)))

    assert told(both(tmp_path, story, corrected), "registered")


def test_a_revision_with_a_new_member_is_in_force_from_its_announcement_not_from_the_members_last_label(tmp_path: Path, rows: Examples) -> None:
    spec, registry, records = bootstrapped(tmp_path, **POOL)
    loop = RetrainLoop(spec, TRAINER, registry, records=records)
    loop.on_examples(rows.take(slice(0, 250)))
    asked = Request(request_id="r1", model="loans", requested_at=int(rows.labelled_at[249]), mode="batch", since=0, until=200 * SECOND)
    joined = told(loop.on_request(asked, asked.requested_at), "updated")[-1]
    assert joined.gate["cut"] < joined.at
    announced = Announced("loans", FilesRegistry(tmp_path))
    for record in loop.records:
        announced.take(record)
    learner = Learners(announced, "t").of("1", spec.retrain)
    assert learner is not None
    in_force = learner.predicted(rows.take(slice(0, 300))) != None  # noqa: E711  elementwise
    assert np.array_equal(in_force, rows.predicted_at[:300] >= joined.at)
