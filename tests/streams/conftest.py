"""What several tests of the retrainer on Kafka begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.topics import Topics
from tests.retrainer.concepts import alert
from tests.streams.retraining_stream import CHANGE, RetrainingStream


@pytest.fixture
def changed(broker: str, topics: Topics, tmp_path: Path) -> Iterator[RetrainingStream]:
    """A stream whose concept has changed, and the alert of it."""
    stream = RetrainingStream(broker, topics, tmp_path)
    rows = stream.rows([(CHANGE, "old"), (2_400, "new")])
    stream.alert(alert("a1", int(rows.labelled_at[CHANGE])))
    stream.publish(rows)
    yield stream
    stream.close()
