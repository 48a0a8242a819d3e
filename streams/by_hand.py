"""A person has the last word: a version is promoted, or taken back, by a record of its own on ``models.versions``.

The retrainer follows: evidence against another champion is void then (`retrainer.decide.follow_champion`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

import msgspec
from kafka import KafkaProducer
from kafka.errors import InvalidProducerEpochError, ProducerFencedError

from detectors.errors import DriftwardenError
from retrainer.canary import canary
from retrainer.versions import Version, champion, history, next_number
from streams.announcements import Announcements
from streams.connection import KafkaConnection
from streams.unreachable import explained
from streams.version_numbers import NumberTakenError, numbered, refuse_taken
from streams.wire import encode_version

_ACKNOWLEDGED_WITHIN = 30.0


def decided(records: Sequence[Version], version: str, status: Literal["promoted", "rolled_back"], *, by: str, why: str, at: int) -> Version:
    """The record that says so.

    Parameters
    ----------
    records : all of the model's.
    at : epoch milliseconds.

    Raises
    ------
    DriftwardenError
        If the version cannot serve, serves already, or nothing would serve without it.
    """
    told = history(records)[version]
    last = next((record for record in reversed(told) if record.uri), None)
    name, serving = f"version {version} of '{told[0].model}'", champion(records)
    if last is None:
        raise DriftwardenError(f"{name} has no artifact, as its training failed; choose another one")
    if status == "promoted" and serving is not None and serving.version == version:
        raise DriftwardenError(f"{name} serves already")
    record = msgspec.structs.replace(last, status=status, at=at, by=by, share=None, gate={"reason": why})
    if status == "rolled_back":
        beside = canary(records)
        if beside is not None and beside.version == version:
            return record
        if serving is None or serving.version != version:
            raise DriftwardenError(f"{name} does not serve; {'nothing does' if serving is None else f'version {serving.version} does'}")
        if champion([*records, record]) is None:
            raise DriftwardenError(f"nothing would serve without {name}; promote another one instead")
    return record


def declined(records: Sequence[Version], version: str, waiting: Collection[str], *, by: str, why: str, at: int) -> Version:
    """The record that says no to a version that waits for a person.

    Parameters
    ----------
    records : all of the model's.
    waiting : those that wait, see `retrainer.approval.awaiting`.
    at : epoch milliseconds.

    Raises
    ------
    DriftwardenError
        If it does not wait: what the gate is judging gets its verdict there, and what serves is rolled back.
    """
    told = history(records)[version]
    if version not in waiting:
        those = f"those that do: {', '.join(waiting)}" if waiting else "none does"
        raise DriftwardenError(
            f"version {version} of '{told[0].model}' does not wait for a person ({those}), so nobody can reject it; what serves is taken back with: driftwarden models rollback"
        )
    return msgspec.structs.replace(told[-1], status="rejected", at=at, by=by, gate={"reason": why})


def brought(records: Sequence[Version], digest: str, *, model: str, found: Version | None, by: str, at: int) -> Version:
    """The record of a version that a person brings along; it has no artifact yet.

    Parameters
    ----------
    records : all of the model's.
    digest : of the artifact.
    found : what another registry says of its training.
    at : epoch milliseconds.

    Raises
    ------
    DriftwardenError
        If a version has this artifact already.
    """
    known = next((record for record in records if record.digest == digest), None)
    if known is not None:
        raise DriftwardenError(f"version {known.version} of '{model}' has this artifact already; have it serve with: driftwarden models promote {model}@{known.version}")
    serving = champion(records)
    draft = Version(model=model, version=str(next_number(records)), status="registered", at=at, by=by, parent=serving.version if serving is not None else "")
    if found is None:
        return draft
    return msgspec.structs.replace(draft, trained_on=found.trained_on, parameters=found.parameters, metrics=found.metrics, provenance=found.provenance)


@contextmanager
def numbering(connection: KafkaConnection, model: str) -> Iterator[Callable[[Sequence[Version]], None]]:
    """Give a version of a model its number, and announce it: what is read within is what there is when all records are written, or none of them is.

    Of two who do this at once the one who began later is first, and the other one is refused, as it has not seen the number that was given meanwhile. So is one whose number
    the retrainer has given to a training.

    Raises
    ------
    DriftwardenError
        If somebody else has begun meanwhile, or Kafka does not answer.
    """
    with explained(connection):
        announcements = Announcements(connection, f"driftwarden.register.{model}")

    def tell(records: Sequence[Version]) -> None:
        try:
            with explained(connection):
                announcements.write(
                    [(connection.topics.versions, model.encode(), encode_version(record)) for record in records],
                    check=partial(refuse_taken, connection, numbered(records), {}),
                )
        except NumberTakenError as error:
            raise DriftwardenError(f"{error}; look at it with 'driftwarden models history {model}', then register yours again") from error
        except DriftwardenError as error:
            if not isinstance(error.__cause__, InvalidProducerEpochError | ProducerFencedError):
                raise
            raise DriftwardenError(
                f"somebody else registers a version of '{model}' at the same moment, and yours was not announced; "
                f"look at theirs with 'driftwarden models history {model}', then register yours again"
            ) from error

    try:
        yield tell
    finally:
        announcements.close()


def announce(connection: KafkaConnection, record: Version) -> None:
    """Write a record to ``models.versions``; it is acknowledged when this returns."""
    with explained(connection):
        producer = KafkaProducer(**connection.client_arguments(), acks="all")
        try:
            producer.send(connection.topics.versions, key=record.model.encode(), value=encode_version(record)).get(_ACKNOWLEDGED_WITHIN)
        finally:
            producer.close()
