"""A canary on a real Kafka: the retrainer is killed while it serves, services choose by what was announced, and its own events decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.rows.examples import Examples
from retrainer.versions import Request
from streams.asking import read_decisions
from streams.model_watcher import ModelWatcher
from streams.retrainer_state import POSITIONS
from streams.topics import Topics
from streams.whole_topic import records_of
from tests.retrainer.concepts import alert
from tests.streams.retraining_stream import CHANGE, RetrainingStream
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka

UNTIL_IT_SERVES = 3_000  # rows that the champion answered


@pytest.fixture
def changed(broker: str, topics: Topics, tmp_path: Path) -> Iterator[RetrainingStream]:
    gate = {"min_validation_time": "5m", "min_evidence": 100, "wander": 0}
    stream = RetrainingStream(broker, topics, tmp_path, gate=gate, canary={"share": 0.5})
    yield stream
    stream.close()


def served(rows: Examples, watcher: ModelWatcher) -> Examples:
    """The rows as a service answers them that asks the watcher for each event."""
    chosen = [watcher.for_event(f"order-{number}") for number in rows.event_id.tolist()]
    prediction, version = rows.prediction.copy(), np.array([one.version.version for one in chosen], object)
    for one in {one.version.version: one for one in chosen}.values():
        mine = np.flatnonzero(version == one.version.version)
        prediction[mine] = one.model.predict(rows.take(mine).features)
    return replace(rows, prediction=prediction, version=version)


def test_a_canary_that_no_labelled_row_ever_judges_is_rolled_back_by_the_clock(changed: RetrainingStream) -> None:
    cause = {"cause": "a1", "kind": "performance", "since": 0, "targets": [200]}
    second = msgspec.structs.replace(changed.first[0], version="2", at=5_000, cause="a1", gate={"cause": cause, "slot": 0, "cut": 4_000, "scale": 1.0})
    began = msgspec.structs.replace(second, status="canary", share=0.5, gate={"until": 7_000})
    for record in (second, began):
        changed.announce(record)
    changed.run_until(lambda: changed.versions()[-1].status == "rolled_back")
    back = changed.versions()[-1]
    assert (back.version, back.by) == ("2", "retrainer")
    assert 7_000 <= back.at < 7_000 + 1_000 * PATIENCE
    assert "no verdict within" in back.gate["reason"]

    def states() -> int:
        return sum(record.key != POSITIONS for record in records_of(changed.connection, changed.topics.retraining_state))

    told: list[int] = []

    def is_left_in_peace() -> bool:
        """Of each request for a model that nobody knows the answer is written with whatever has changed."""
        answers = [one for one in read_decisions(changed.connection) if one.model == "nobody's"]
        if len(answers) == len(told):
            told.append(states())
            changed.ask(Request(request_id=f"r{len(told)}", model="nobody's", requested_at=0))
        return len(answers) == 5

    changed.run_until(is_left_in_peace)
    assert told[-1] == told[-2], "nothing waits for its time any more, so nothing of it changes"


def test_a_canary_goes_on_through_the_deaths_of_the_retrainer_and_is_promoted_by_its_own_events(changed: RetrainingStream) -> None:
    rows = changed.rows([(CHANGE, "old"), (4_400, "new")])
    changed.alert(alert("a1", int(rows.labelled_at[CHANGE])))
    changed.publish(rows.take(slice(0, UNTIL_IT_SERVES)))
    changed.die(("inside", "StartCanary"))
    changed.die(("after", "StartCanary"))
    with ModelWatcher("loans", changed.broker, registry=changed.registry, topic_prefix=changed.topics.prefix) as watcher:
        eventually(lambda: watcher.canary is not None)
        assert watcher.version is not None
        assert watcher.version.version == "1"
        answered = served(rows.take(slice(UNTIL_IT_SERVES, None)), watcher)
        assert set(answered.version) == {"1", "2"}
        changed.publish(answered)
        changed.die(("inside", "Publish"))
        changed.run_until(changed.ended)
        eventually(lambda: watcher.version is not None and watcher.version.version == "2" and watcher.canary is None)
    assert [(one.version, one.status, one.share) for one in changed.versions()] == [("2", "registered", None), ("2", "canary", 0.5), ("2", "promoted", None)]
    assert [one.instruction for one in changed.decisions()][:6] == ["Collect", "Train", "StartGate", "StartCanary", "Publish", "DoNothing"]
    promoted = changed.versions()[-1]
    assert 100 <= promoted.gate["labels"] <= int((answered.version == "2").sum()), "judged by what it answered itself"
    assert changed.fits() == ["a1"]
