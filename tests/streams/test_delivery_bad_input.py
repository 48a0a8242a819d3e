"""Bad input goes to the dead letters with its reason; its good neighbours are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detectors.monitor import Monitor
from streams.monitor_codec import encode_monitor
from streams.topics import Topics
from tests.detectors.event_samples import specification
from tests.secured import PASSWORD, SecuredKafka
from tests.streams.delivery_stream import REFERENCE, START, delivery_stream

pytestmark = pytest.mark.kafka

GOOD = b'{"event_id":"good%d","model":"churn","prediction":"no"}'
BAD: dict[str, tuple[bytes | None, str, str]] = {
    "not JSON": (b"prediction: yes", "not JSON", ""),
    "not an object": (b"[1, 2]", "expected `object`, got `array`", ""),
    "not UTF-8": (b'{"event_id":"a","model":"churn","prediction":"\xff"}', "'utf-8' codec can't decode", ""),
    "nested beyond reason": (b'{"event_id":"a","model":"churn","prediction":"no","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "recursion", ""),
    "no model": (b'{"event_id":"a","prediction":"no"}', "object missing required field `model`", ""),
    "an unknown kind": (b'{"event_id":"a","model":"churn","kind":"guess"}', "expected one of prediction, label, features, got 'guess'", "kind"),
    "a kind of 700 kB": (b'{"event_id":"a","model":"churn","kind":"' + b"x" * 700_000 + b'"}', "expected one of prediction, label, features, got 'xxx", "kind"),
    "no prediction": (b'{"event_id":"a","model":"churn"}', "a prediction event without a prediction", "prediction"),
    "no label": (b'{"event_id":"a","model":"churn","kind":"label"}', "a label event without a label", "label"),
    "a feature of another type": (b'{"event_id":"a","model":"churn","prediction":"no","features":{"age":"old"}}', "got `str`", "features.age"),
    "no probability": (b'{"event_id":"a","model":"churn","prediction":"no","score":7}', "expected a probability from 0 to 1, got 7", "score"),
    "a time without a zone": (b'{"event_id":"a","model":"churn","prediction":"no","timestamp":"2024-01-01T00:00:00"}', "timezone", "timestamp"),
    "a time before the calendar": (b'{"event_id":"a","model":"churn","prediction":"no","timestamp":-1e300}', "expected a time of the years 1 to 9999", "timestamp"),
    "a time in the future": (b'{"event_id":"a","model":"churn","prediction":"no","timestamp":"2124-01-01T00:00:00Z"}', "after its record's timestamp", "timestamp"),
    "nothing": (b"", "the record's value is empty", ""),
    "no value": (None, "the record has no value", ""),
}


def test_bad_input_is_dead_lettered_with_its_reason_and_its_good_neighbours_are_counted(broker: str, topics: Topics, tmp_path: Path, secured: SecuredKafka):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.send_monitor("churn", 2, b'{"revision": 2, "effective_from": 0, "specification": {"model": "churn", "foresight": true}}')
        worker = stream.worker("w0", environment={**secured.with_password(), "LOG_LEVEL": "DEBUG"})  # with a password, as many clusters ask for one: it costs no worker more
        for place, (value, _, _) in enumerate(BAD.values()):
            neighbours = 0 if value is None or b"\n" in value else 2
            lines = [GOOD % (10 * place + neighbour) for neighbour in range(neighbours)]
            stream.send(f"key{place}", START + place, value if not lines else b"\n".join([lines[0], value or b"", lines[1]]) if value else value)
            if value:
                stream.predictions[START // 10_000 * 10_000] += 2
        stream.published = len(BAD)
        large = b"x" * 1_040_000  # Kafka takes it, and with a dead letter's headers it would not
        stream.send("large", START, large)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        assert worker.printed.count("revision 2 of 'churn' cannot be read by this release, and is left out: foresight: ") == 1
        assert "revision 1 stays in force" in worker.printed
        assert "DEBUG" in worker.printed
        assert PASSWORD not in worker.printed
        told = {record.value: {name: text.decode() for name, text in record.headers} for record in stream.records(topics.dead_letters)}
        cut = told.pop(large[: 1_000_000 - len("large")])
        assert cut["size"] == str(len(b"large" + large))
        assert "not JSON" in cut["reason"]
        assert set(told) == {value for value, _, _ in BAD.values()}
        for value, reason, path in BAD.values():
            assert reason in told[value]["reason"]
            assert told[value]["path"] == path
            assert told[value]["topic"] == topics.inference_events


def test_definitions_that_can_be_decoded_and_not_be_worked_with_stop_no_worker_and_the_one_before_them_stays_in_force(broker: str, topics: Topics, tmp_path: Path):
    cut, uncounted = (stored_definition(revision) for revision in (2, 3))
    cut["specification"]["reference"]["profile"]["features"]["age"]["counts"].pop()
    uncounted["specification"]["false_alarms"] = "1 per 1000 events"
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        for one in (cut, uncounted):
            stream.send_monitor("churn", one["revision"], json.dumps(one).encode())
        worker = stream.worker("w0")
        stream.publish(1_000)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        printed = worker.printed
    assert "revision 2 of 'churn' cannot be read by this release, and is left out" in printed
    assert "features.age.counts: got 2, expected 3" in printed
    assert "revision 3 of 'churn' cannot be read by this release, and is left out: the budget '1 per 1000 events' counts events" in printed
    assert printed.count("revision 1 stays in force") == 2


def stored_definition(revision: int) -> dict[str, Any]:
    """One that is in force from the second pane on, to be spoilt."""
    told = specification(lateness=5_000).model_copy(update={"reference": REFERENCE})
    stored: dict[str, Any] = json.loads(encode_monitor(Monitor(specification=told, revision=revision, effective_from=START + 10_000)))
    return stored
