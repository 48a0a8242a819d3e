"""``monitor apply``: a specification becomes a revision that is in force from a time on.

It takes effect at the start of the first pane that no event of the source topic has reached, so that a pane is judged under one revision on every reading of the log.
Of two that are applied at the same moment, and would be the same revision, the first in the topic is it: the later command puts it back, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec

from detectors.errors import DriftwardenError, EventError, SettingsError
from detectors.event_batch import NO_TIME
from detectors.monitor import Monitor
from detectors.monitors.bank import detectors_of, silence_of
from detectors.monitors.river_errors import OUTSIDE_OF_BUDGET
from detectors.monitors.stale_columns import StaleColumns
from detectors.pane import pane_after
from detectors.references.stream_reference import Learnt, keeping_what_was_learnt
from detectors.specification import MonitorSpecification
from streams.connection import KafkaConnection
from streams.infer import state_bytes
from streams.metric_functions import functions_of
from streams.monitor_codec import decode_monitor, encode_monitor, monitor_key
from streams.topics import existing_partitions
from streams.unreachable import explained
from streams.whole_topic import read_monitors, records_of

_ACKNOWLEDGED_SECONDS = 30.0

_ALLOWANCE = 60_000
"""Milliseconds of event time, or the lateness, that may pass while a learnt reference is put in force: nobody waits for it, and no pane may be counted under two revisions."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What the budget comes to for the monitors of one detector.

    Attributes
    ----------
    group, monitors : share of the budget that they live on, and their names.
    looks : closed panes between two false alarms of one of them.
    heights : smallest and largest threshold, in standard errors (or on the scale of a standard normal); nan of a silence and of stale columns, told after a time that is learnt.
    """

    group: str
    kind: str
    monitors: tuple[str, ...]
    looks: float
    heights: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A revision, and what it costs.

    ``new`` is False where the newest revision says the same already. ``partitions`` are those of the source topic, ``state_bytes`` the state of all of them at most.
    """

    monitor: Monitor
    new: bool
    thresholds: tuple[Threshold, ...]
    partitions: int
    state_bytes: int


def thresholds_of(specification: MonitorSpecification) -> tuple[Threshold, ...]:
    """What the false-alarm budget comes to, by detector; what is outside of it has no known number of looks.

    Raises
    ------
    SettingsError
        If the budget is in events and nobody said how many a pane holds, or a threshold is not a number.

    Examples
    --------
    >>> [(one.kind, one.monitors, round(one.looks)) for one in thresholds_of(MonitorSpecification(model="rent", task="regression"))]
    [('performance', ('loss',), 259200)]
    """
    try:
        detectors = detectors_of(specification)
    except ValueError as error:
        raise SettingsError(f"the monitor of '{specification.model}' cannot be calibrated: {error}") from error
    found = []
    for detector in detectors:
        heights = np.asarray(getattr(detector, "thresholds", ((np.nan,),))[0], np.float64)
        bank = getattr(detector, "bank", None)
        if not isinstance(detector, StaleColumns) and not np.isfinite(heights).all():
            raise SettingsError(f"no calibrated threshold for {', '.join(detector.names[:3])}: the budget '{specification.false_alarms}' is outside of what was calibrated")
        looks = float(bank.looks) if bank is not None and bank.looks < OUTSIDE_OF_BUDGET else float("nan")
        found.append(Threshold(group=detector.group, kind=detector.kind, monitors=detector.names, looks=looks, heights=(float(heights.min()), float(heights.max()))))
    silence = silence_of(specification)
    if silence is not None:
        bank = silence.bank
        found.append(Threshold(group=bank.group, kind=bank.kind, monitors=bank.names, looks=bank.looks, heights=(np.nan, np.nan)))
    return tuple(found)


def checked(specification: MonitorSpecification) -> tuple[Threshold, ...]:
    """What a specification's budget comes to, if it can be applied.

    Raises
    ------
    SettingsError
        If its thresholds cannot be calibrated, or its own metrics not be computed.
    """
    thresholds = thresholds_of(specification)
    functions_of(specification)
    return thresholds


def apply_monitor(specification: MonitorSpecification, connection: KafkaConnection, *, learn_again: bool = False) -> Applied:
    """Write a specification to the topic ``monitors`` as the model's next revision; workers take it up while they run.

    A reference that was learnt from the stream stays, where the specification asks for the same one; with ``learn_again`` it is learnt anew.

    Raises
    ------
    SettingsError
        If its thresholds cannot be calibrated, or its own metrics not be computed.
    DriftwardenError
        If Kafka does not answer, the topics do not exist, or another specification became that revision at the same moment.
    """
    thresholds = checked(specification)
    monitors = read_monitors(connection)
    before = monitors.latest(specification.model)
    if before is not None and not learn_again and (kept := keeping_what_was_learnt(specification, before.specification)) is not specification:
        specification, thresholds = kept, checked(kept)
    partitions, latest = source_of(connection)
    revision = monitors.next_revision(specification.model)
    new = before is None or before.specification.model_dump() != specification.model_dump() or revision > before.revision + 1  # whoever can read what is between them follows that
    if before is not None and not new:
        monitor = before
    else:
        start = pane_after(latest, specification.pane)
        earliest = NO_TIME if before is None else before.effective_from
        monitor = _written(Monitor(specification=specification, revision=revision, effective_from=max(start, earliest)), connection)
    return Applied(monitor=monitor, new=new, thresholds=thresholds, partitions=partitions, state_bytes=state_bytes(specification, partitions))


def apply_learnt(learnt: Learnt, connection: KafkaConnection) -> Monitor | None:
    """Put a reference in force that was learnt from the stream, as the next revision; None where the model has a later one already.

    It rules panes that begin a minute, or the lateness, after everything in the source topic.

    Raises
    ------
    SettingsError
        If its thresholds cannot be calibrated.
    DriftwardenError
        If Kafka does not answer, or another specification became that revision at the same moment.
    """
    thresholds_of(learnt.specification)
    monitors = read_monitors(connection)
    before = monitors.latest(learnt.model)
    if before is None or before.revision != learnt.revision or monitors.next_revision(learnt.model) != learnt.revision + 1:
        return None
    _, latest = source_of(connection)
    start = max(pane_after(latest + max(_ALLOWANCE, learnt.specification.lateness), learnt.specification.pane), before.effective_from)
    return _written(Monitor(specification=learnt.specification, revision=learnt.revision + 1, effective_from=start), connection)


def source_of(connection: KafkaConnection) -> tuple[int, int]:
    """Partitions of the source topic, and its largest record timestamp (`NO_TIME` while it is empty)."""
    topic = connection.topics.inference_events
    with explained(connection):
        admin = KafkaAdminClient(**connection.client_arguments(), bootstrap_timeout_ms=10_000)
    try:
        with explained(connection):
            count = existing_partitions(admin, connection.topics).get(topic)
            if count is None:
                raise DriftwardenError(f"topic {topic} does not exist on {connection.bootstrap}; make it with: driftwarden topics apply")
            # The record with the largest timestamp, which need not be the last one.
            found = admin.list_partition_offsets({TopicPartition(topic, number): OffsetSpec.MAX_TIMESTAMP for number in range(count)})
    finally:
        admin.close()
    return count, max((int(entry.timestamp) for entry in found.values() if entry.offset >= 0 and entry.timestamp >= 0), default=NO_TIME)


def _written(monitor: Monitor, connection: KafkaConnection) -> Monitor:
    """Write a revision, and read back which one it became: the first that was written, which may be of another command."""
    key, mine = monitor_key(monitor.model, monitor.revision), encode_monitor(monitor)
    write_record(key, mine, connection)
    values = [record.value for record in records_of(connection, connection.topics.monitors) if record.key == key]
    if values[-1] != values[0]:
        write_record(key, values[0], connection)  # compaction, and so a worker that starts, keeps the last
    try:
        first = decode_monitor(values[0])
    except EventError as fault:
        raise DriftwardenError(
            f"what another command made revision {monitor.revision} of '{monitor.model}' at the same moment cannot be read by this release ({fault}), and yours is not in force; "
            "apply yours again, or work with the release that the other one is of"
        ) from fault
    if first.specification.model_dump() != monitor.specification.model_dump():
        raise DriftwardenError(
            f"another specification (digest {first.specification.digest}, yours is {monitor.specification.digest}) became revision {monitor.revision} of '{monitor.model}' "
            f"at the same moment, and yours is not in force; look at it with 'driftwarden monitor show {monitor.model}', then apply yours again"
        )
    return first


def write_record(key: bytes, value: bytes, connection: KafkaConnection) -> None:
    """Write a record to the topic ``monitors``, acknowledged."""
    with explained(connection):
        producer = KafkaProducer(**connection.client_arguments(), acks="all", bootstrap_timeout_ms=10_000, max_request_size=4 << 20)
        try:
            producer.send(connection.topics.monitors, key=key, value=value).get(_ACKNOWLEDGED_SECONDS)
        finally:
            producer.close()
