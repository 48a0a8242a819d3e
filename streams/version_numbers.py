"""No number of a version is given twice: whoever gives one looks, with the announcement written and not yet committed, at what lies before it in the log.

Of two who give the same number at once one lies first there. It does not see the other; the other one sees it as soon as it is known how it ended, and is given up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition

from detectors.errors import DriftwardenError, EventError
from retrainer.versions import Version
from streams.announcements import ACKNOWLEDGED_WITHIN, Offsets
from streams.connection import KafkaConnection
from streams.wire import decode_version

_POLL_MILLISECONDS = 200
_LOOKS_EVERY = 0.05  # seconds


class NumberTakenError(DriftwardenError):
    """Somebody else has announced a version of this number; nothing of ours was announced."""


def numbered(told: Sequence[object]) -> list[Version]:
    """Of what is told those records that give a number: of a version that is registered, or of a training that failed.

    Examples
    --------
    >>> lives = ("registered", "u"), ("promoted", "u"), ("rejected", "u"), ("rejected", "")
    >>> [(one.status, one.uri) for one in numbered([Version(model="churn", version="2", status=status, at=0, uri=uri) for status, uri in lives])]
    [('registered', 'u'), ('rejected', '')]
    """
    return [one for one in told if isinstance(one, Version) and (one.status == "registered" or (one.status == "rejected" and not one.uri))]


def refuse_taken(connection: KafkaConnection, new: Sequence[Version], read: Offsets, first: Offsets) -> None:
    """Look at the versions that were announced before ours, which are written and not committed.

    Parameters
    ----------
    new : those that were given a number.
    read : from which record on others' versions are not known yet; of a partition that is not named nothing is.
    first : where what we wrote begins.

    Raises
    ------
    NumberTakenError
        If one of the numbers was given before.
    DriftwardenError
        If it cannot be told, as somebody else's announcement is neither committed nor given up.
    """
    mine = {(one.model, one.version) for one in new}
    consumer = KafkaConsumer(**connection.client_arguments(), enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed")
    ends = {TopicPartition(*place): offset for place, offset in first.items() if place[0] == connection.topics.versions}
    try:
        for partition, end in ends.items():
            consumer.assign([partition])
            _wait_for_those_before(consumer, partition, end)
            if partition in read:
                consumer.seek(partition, read[partition])
            else:
                consumer.seek_to_beginning(partition)
            while consumer.position(partition) < end:
                for record in consumer.poll(_POLL_MILLISECONDS).get(partition, ()):
                    _refuse(record.value, mine)
    finally:
        consumer.close()


def _wait_for_those_before(consumer: KafkaConsumer, partition: TopicPartition, end: int) -> None:
    """Until every announcement that begins before a place has ended; of those the broker tells, as its end for who reads what is committed."""
    deadline = time.monotonic() + ACKNOWLEDGED_WITHIN
    while consumer.end_offsets([partition])[partition] < end:
        if time.monotonic() > deadline:
            waited = f"somebody else's announcement has been neither committed nor given up for {ACKNOWLEDGED_WITHIN:g} s"
            raise DriftwardenError(f"{partition.topic}: {waited}, so it cannot be told whether it has the same number; nothing of ours was announced, try again")
        time.sleep(_LOOKS_EVERY)


def _refuse(value: bytes | None, mine: set[tuple[str, str]]) -> None:
    try:
        found = decode_version(value or b"")
    except EventError:
        return
    if (found.model, found.version) in mine:
        raise NumberTakenError(f"version {found.version} of '{found.model}' was given to another one at the same moment, by {found.by}, and yours was not announced")
