"""What is said in transactions: versions, decisions, and the state that follows from them are written together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaProducer

from streams.connection import KafkaConnection

ACKNOWLEDGED_WITHIN = 30.0  # seconds; a broker that is away for longer stops the process, for its supervisor to start it again

Record = tuple[str, bytes, bytes]
"""Topic, key, value."""

Offsets = Mapping[tuple[str, int], int]
"""By topic and partition."""


class Announcements:
    """Writes as the one writer of a name in an installation, such as its retrainer; from then on, whoever wrote under that name before can write no more."""

    def __init__(self, connection: KafkaConnection, writer: str = "driftwarden.retrainer") -> None:
        self._producer = KafkaProducer(
            **connection.client_arguments(),
            acks="all",
            enable_idempotence=True,
            transactional_id=f"{connection.topic_prefix}{writer}",
            max_request_size=4 << 20,
        )
        self._producer.init_transactions()

    def write(self, records: Sequence[Record], *, check: Callable[[Offsets], None] | None = None) -> None:
        """All records, or none. An error (of the broker, or as another writer took over) is raised, and then nothing was written.

        Parameters
        ----------
        check : is told where they lie, the offset of the first one in each partition, before they count; where it raises an error they never do.
        """
        self._producer.begin_transaction()
        sent = [self._producer.send(topic, key=key, value=value) for topic, key, value in records]
        if check is not None:
            self._check(_first(sent), check)
        self._producer.commit_transaction()
        for future in sent:
            future.get(ACKNOWLEDGED_WITHIN)

    def _check(self, first: Offsets, check: Callable[[Offsets], None]) -> None:
        try:
            check(first)
        except BaseException:
            self._producer.abort_transaction()  # left open, it would hold up everybody who reads what is committed
            raise

    def close(self) -> None:
        """Stop; what is not committed is dropped."""
        self._producer.close(timeout=ACKNOWLEDGED_WITHIN)


def _first(sent: Sequence[Any]) -> Offsets:
    first: dict[tuple[str, int], int] = {}
    for future in sent:
        written = future.get(ACKNOWLEDGED_WITHIN)
        place = (written.topic, written.partition)
        first[place] = min(first.get(place, written.offset), written.offset)
    return first
