"""Another release of kafka-python may lack what refusals are watched by."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaConsumer

from streams.refusals import client_that_tells


class _OtherClient:
    """Of a release that is built in another way."""

    def __init__(self, **given: Any) -> None:
        self.given = given


def test_a_client_that_cannot_be_watched_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KafkaConsumer.DEFAULT_CONFIG, "kafka_client", _OtherClient)
    client = client_that_tells(client_id="ada")
    assert isinstance(client, _OtherClient)
    assert client.given == {"client_id": "ada"}
