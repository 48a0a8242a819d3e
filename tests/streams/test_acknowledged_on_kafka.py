"""A learnt reference and an acknowledgement on a real Kafka: a worker takes them up, and the worker that follows it says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.references.reference import profile_of
from detectors.settings.watching import Reference
from streams.acknowledge import acknowledge
from streams.apply import apply_monitor
from streams.connection import connect
from streams.monitor_file import load_specification
from streams.topics import Topics
from streams.whole_topic import read_monitors
from tests.streams.command_line import run
from tests.streams.delivery_stream import START, STEP, delivery_stream

pytestmark = pytest.mark.kafka

LEARN = 1_000


def test_a_worker_learns_a_reference_and_once_killed_after_an_acknowledgement_resolves_the_alert_once_and_raises_no_other(broker: str, topics: Topics, tmp_path: Path) -> None:
    connection = connect(broker, topic_prefix=topics.prefix)
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply(reference=Reference(learn=LEARN))
        first = stream.worker("w0")
        stream.publish(1_500)
        stream.publish_while(lambda: len(read_monitors(connection).of("churn")) == 1, "a reference that is learnt")
        stream.publish(8_400)
        stream.publish(1_200, drifted=True)
        stream.publish_while(lambda: not stream.alerts(), "an alert", drifted=True)
        word = acknowledge(stream.alerts(), by="ann", note="new market", connection=connection)
        assert word.new
        stream.publish_while(lambda: stream.alerts()[-1].acknowledged is None, "the alert's end", drifted=True)
        first.kill()
        stream.worker("w0")
        stream.publish(6_000, drifted=True)
        stream.finish()
        assert stream.counted(revisions=2) == (stream.predictions, stream.labels)
        told = stream.alerts()
        assert [alert.status for alert in told] == ["opened", "resolved"]
        assert {alert.monitors[0].name for alert in told} == {"feature:age"}
        assert told[1].acknowledged is not None
        assert (told[1].acknowledged.by, told[1].updated_at) == ("ann", word.acknowledgement.effective_from)
        assert all(b'"churn"' in record for record in stream.alert_records())

        declared, learnt = read_monitors(connection).of("churn")
        age, plan, outcome = (np.array(column, object) for column in zip(*stream.rows[:LEARN], strict=True))
        profile = profile_of({"age": age.astype(float), "plan": plan}, features=declared.specification.features, task="classification", prediction=outcome)
        assert learnt.specification.reference.profile == profile
        assert learnt.effective_from > START + LEARN * STEP
        again = apply_monitor(declared.specification, connection)
        assert (again.new, again.monitor.revision) == (False, 2)
        shown = run("monitor", "show", "churn", "-o", tmp_path / "monitor.yaml", "--bootstrap", broker, "--prefix", topics.prefix)
        assert "learnt from 1,000 events" in shown.stdout
        assert load_specification(tmp_path / "monitor.yaml").digest == learnt.specification.digest
