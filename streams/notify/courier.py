"""One receiver's courier: reads alerts, versions and what a person is asked for as a consumer group of its own, and tells the receiver what its routes say.

Receivers do not wait for each other: each has its own place in the topics, and one that is away holds up nobody else. A place is committed when all that lies before it is
delivered, or refused for good. What is open, and which canary serves, is no state that is kept: at each assignment the partition is read again from its beginning, and nobody
is told of what lies before the committed place. Where there is none yet, a receiver is told of what is open, or waits for a person, and not of what is over.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from detectors.errors import EventError
from streams.connection import KafkaConnection
from streams.group_commits import GroupCommits
from streams.notify.approvals import Approvals
from streams.notify.canaries import Canaries
from streams.notify.delivery import Delivery, sender_of, wall_clock
from streams.notify.desk import BEFORE_ALL, Batch, Desk
from streams.notify.forms import form_of
from streams.notify.notice import Notice, alert_notice, approval_notice, version_notice
from streams.notify.open_alerts import OpenAlerts
from streams.notify.owners import Owners
from streams.notify.routing import receivers_of
from streams.notify.sample import sample_batch
from streams.notify.settings import NotifySettings
from streams.subscription import subscribe
from streams.telemetry.figures import Figures
from streams.wire import decode_alert, decode_decision, decode_version

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 100
RECORDS_AT_ONCE = 50
FETCH_BYTES = 4 * 2**20
COMMIT_EVERY = 1_000
LEAVE_AFTER = 10_000
"""Milliseconds after which a partition that was lost is forgotten: a group that meets anew takes all away, and most often gives the same back."""
FIGURES_EVERY = 1_000
LOOK_EVERY = 1_000
"""Milliseconds between two looks for alerts that somebody has acknowledged."""


@dataclass(kw_only=True)
class _Partition:
    """What is known of one partition.

    Attributes
    ----------
    known_until : offset before which the receiver has been told, or need not be.
    first_time : whether no place was committed: then the receiver is told of what is open.
    is_read : whether all up to ``known_until`` was read again.
    next : offset after the last record that was read, or ``known_until``.
    versions : names of the notices of versions, and of what a person was asked for, that were read, the newest.
    asked : before all is read for the first time, what a person was asked for.
    """

    alerts: OpenAlerts
    canaries: Canaries
    known_until: int
    first_time: bool
    is_read: bool = False
    next: int = 0
    versions: OrderedDict[str, None] = field(default_factory=OrderedDict)
    asked: list[Notice] = field(default_factory=list)


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Which partitions came and went since it was asked last."""

    def __init__(self) -> None:
        self.gained: set[TopicPartition] = set()
        self.lost: set[TopicPartition] = set()
        self.came = False

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self.lost |= set(revoked)
        self.gained -= set(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.gained |= set(assigned)
        self.came = True


class Courier:
    """Tells one receiver.

    Several processes may run it: they share the partitions, and all alerts of a model are in one.

    Parameters
    ----------
    name : of the receiver, in ``settings``.
    owners : of the models; read to its end before `run`.
    approvals : what became of the versions; as ``owners``.
    stopping : ends it.
    figures : take what it tells of itself.
    """

    def __init__(
        self,
        name: str,
        settings: NotifySettings,
        connection: KafkaConnection,
        owners: Owners,
        approvals: Approvals,
        stopping: threading.Event,
        figures: Figures,
        *,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        receiver = settings.receivers[name]
        self.name = name
        self._settings = settings
        self._receiver = receiver
        self._connection = connection
        self._owners = owners
        self._approvals = approvals
        self._stopping = stopping
        self._clock = clock
        self._has_told_forgotten = False
        self._form = form_of(name, receiver, sample=sample_batch(settings.page_address))
        self._delivery = Delivery(name=name, form=self._form, sender=sender_of(receiver), retry_at_most=settings.retry_at_most, stopping=stopping, clock=clock)
        self._desk = Desk(grouping=self._form.grouping, group_wait=settings.group_wait, rate=receiver.rate_limit, max_waiting=settings.max_waiting, now=clock())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"notify-{name}")
        self._under_way: tuple[Future[bool], Batch] | None = None
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._commits = GroupCommits(f"receiver '{name}'")
        self._committed: dict[TopicPartition, int] = {}
        self._commit_at = self._look_at = self._again_at = self._figures_at = 0
        self._figures = figures
        self._figures_told: Counter[str] = Counter()
        self._acknowledged: set[str] = set()  # alerts of which the receiver knows that somebody acknowledged them
        self._assignment = _Assignment()
        self._has_joined = False
        self._leaving: dict[TopicPartition, int] = {}  # partitions that were lost, and when

    @property
    def sent(self) -> int:
        """Requests that the receiver has taken."""
        return self._delivery.sent

    @property
    def refused(self) -> int:
        """Messages that it refused for good."""
        return self._delivery.refused

    @property
    def waiting(self) -> int:
        """Notices that are read, and not delivered."""
        return len(self._desk)

    @property
    def is_ready(self) -> bool:
        """Whether its group has given it partitions, or none, and it knows what is open there."""
        return self._has_joined and all(state.is_read for state in list(self._partitions.values()))

    def run(self) -> None:
        """Read and tell until told to stop."""
        topics = self._connection.topics
        consumer = KafkaConsumer(
            **self._connection.client_arguments(),
            group_id=self._connection.group(f"{self._settings.group}.{self.name}"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            max_poll_records=RECORDS_AT_ONCE,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            subscribe(consumer, [topics.alerts, *([topics.versions, topics.decisions] if self._form.takes_versions else [])], self._assignment)
            while not self._stopping.is_set():
                self._poll(consumer)
                self._settle()
                self._commit(consumer)
                self._begin()
                self._tell_figures(consumer)
            if self._under_way is not None:
                self._under_way[0].result()  # it ends soon: a try is bounded, and there is no other after the one under way
                self._settle()
            self._commit(consumer, at_once=True)
        finally:
            self._stopping.set()
            self._thread.shutdown()
            consumer.close(autocommit=False)
            self._delivery.close()

    def _poll(self, consumer: Any) -> None:
        """Read what there is; nothing where enough waits. A consumer that does not poll is taken for dead, so it does, without partitions."""
        held = consumer.assignment() if self._desk.is_full else set()
        consumer.pause(*held)
        polled = consumer.poll(self._wait())
        consumer.resume(*(held & consumer.assignment()))
        came = self._follow_assignment(consumer)
        for partition, records in polled.items():
            state = self._partitions.get(partition)
            if state is None or partition in came:
                continue  # it is read from its beginning first
            for record in records:
                self._take(record, partition, state)
            state.next = max(state.next, records[-1].offset + 1)
        for partition, state in self._partitions.items():
            if not state.is_read and partition in consumer.assignment() and consumer.position(partition) >= state.known_until:
                self._begin_telling(partition, state)

    def _wait(self) -> int:
        """Milliseconds for which to wait for records; none where the message under way has been waited for, so that the next one goes out when it is done."""
        if self._under_way is None:
            return POLL_MILLISECONDS
        wait([self._under_way[0]], POLL_MILLISECONDS / 1_000)
        return 0

    def _follow_assignment(self, consumer: Any) -> set[TopicPartition]:
        """Forget partitions that are somebody else's now, and begin those that came, which are given back."""
        lost = self._assignment.lost
        gained: set[TopicPartition] = self._assignment.gained & consumer.assignment()
        self._assignment.lost, self._assignment.gained = set(), set()
        now = self._clock()
        self._leaving |= dict.fromkeys(lost & self._partitions.keys(), now)
        for partition in [partition for partition, since in self._leaving.items() if partition not in gained and now - since > LEAVE_AFTER]:
            self._forget(partition)
        for partition in gained:
            self._leaving.pop(partition, None)
            state, committed = self._partitions.get(partition), consumer.committed(partition)
            if state is not None and state.is_read and committed == self._committed.get(partition):
                consumer.seek(partition, state.next)  # the group met anew, and nobody else has settled anything
                continue
            self._forget(partition)
            end = consumer.end_offsets([partition])[partition]
            if committed is not None and committed > end:
                logger.warning("%s[%d] ends at %d, before the place of this group (%d): it was made anew, and is read whole", partition.topic, partition.partition, end, committed)
                committed = 0
            known = end if committed is None else committed
            self._partitions[partition] = _Partition(
                alerts=OpenAlerts(self._settings.max_open, max_resolved=self._settings.max_remembered),
                canaries=Canaries(),
                known_until=known,
                first_time=committed is None,
                next=known,
            )
            if committed is not None:
                self._committed[partition] = committed
            consumer.seek_to_beginning(partition)
        self._has_joined = self._assignment.came
        return gained

    def _forget(self, partition: TopicPartition) -> None:
        self._leaving.pop(partition, None)
        self._partitions.pop(partition, None)
        self._committed.pop(partition, None)
        self._desk.drop(partition)

    def _take(self, record: Any, partition: TopicPartition, state: _Partition) -> None:
        """A record: what it changes, and whether the receiver is told of it."""
        try:
            notice = self._notice(record, state)
        except EventError as error:
            logger.warning("%s[%d], offset %d: a record that cannot be read is left out: %s", record.topic, record.partition, record.offset, error)
            return
        if notice is None:
            return
        routed = self.name in receivers_of(self._settings.routes, model=notice.model, kind=notice.kind, severity=notice.severity, owner=notice.owner)
        if not routed and not (notice.alert_id and state.alerts.holds(notice.alert_id)):
            return
        told = state.alerts.take(notice) if notice.alert_id else _new_version(state, notice, self._settings.max_remembered)
        self._tell_forgotten(state)
        if told is None:
            return
        if record.offset < state.known_until:
            if state.first_time and told.kind == "approval":
                state.asked.append(told)
            return
        if not self._is_wanted(told):
            return
        self._desk.add(told, partition=partition, offset=record.offset, now=self._clock())

    def _tell_forgotten(self, state: _Partition) -> None:
        """Say, once, that open alerts are more than are remembered."""
        if state.alerts.forgotten and not self._has_told_forgotten:
            self._has_told_forgotten = True
            logger.warning(
                "%s: more than %d alerts of a partition are open: the oldest are forgotten, so that nothing is posted again of them and their updates are told as if they opened; "
                "set a larger max_open in notify.yaml",
                self.name,
                self._settings.max_open,
            )

    def _notice(self, record: Any, state: _Partition) -> Notice | None:
        page = self._settings.page_address
        if record.topic == self._connection.topics.alerts:
            alert = decode_alert(record.value or b"")
            return alert_notice(alert, owner=self._owners.owner(alert.model), page_address=page)
        if record.topic == self._connection.topics.decisions:
            decision = decode_decision(record.value or b"")
            return approval_notice(decision, owner=self._owners.owner(decision.model), page_address=page)
        version = decode_version(record.value or b"")
        return version_notice(version, was_canary=state.canaries.take(version), owner=self._owners.owner(version.model), page_address=page)

    def _is_wanted(self, notice: Notice) -> bool:
        if notice.status == "updated":
            return self._receiver.send_updated and notice.alert_id not in self._owners.acknowledged
        return notice.status != "resolved" or self._receiver.send_resolved

    def _begin_telling(self, partition: TopicPartition, state: _Partition) -> None:
        """All that lies before the place was read."""
        state.is_read = True
        if not state.first_time:
            return
        for notice in (*(msgspec.structs.replace(notice, status="opened") for notice in state.alerts.notices), *state.asked):
            self._desk.add(notice, partition=partition, offset=BEFORE_ALL, now=self._clock())
        state.asked = []

    def _settle(self) -> None:
        """Take note of what came of the message under way."""
        if self._under_way is None or not self._under_way[0].done():
            return
        future, batch = self._under_way
        self._under_way = None
        if future.result() and batch.event == "told":
            self._desk.settle()

    def _begin(self) -> None:
        """Send what is due: what is new first, then that somebody has acknowledged an alert, then again what is open."""
        if self._under_way is not None or self._stopping.is_set():
            return
        now = self._clock()
        self._desk.discard(self._is_answered)
        batch = self._desk.due(now)
        if batch is not None:
            self._under_way = self._thread.submit(self._delivery.deliver, batch), batch
            return
        if self._desk or not all(state.is_read for state in self._partitions.values()):
            return
        acknowledged = self._newly_acknowledged(now)
        if acknowledged:
            batch = Batch(notices=acknowledged, event="acknowledged")
            self._under_way = self._thread.submit(self._delivery.deliver, batch), batch
        elif self._form.again_every is not None and now >= self._again_at:
            self._again_at = now + self._form.again_every
            notices = self._open_notices()
            if notices:
                batch = Batch(notices=notices, event="again")
                self._under_way = self._thread.submit(self._delivery.deliver_once, batch), batch

    def _is_answered(self, notice: Notice) -> bool:
        return notice.kind == "approval" and self._approvals.is_over(notice.model, notice.version)

    def _newly_acknowledged(self, now: int) -> tuple[Notice, ...]:
        if not self._form.takes_acknowledgements or now < self._look_at:
            return ()
        self._look_at = now + LOOK_EVERY
        open_notices = self._open_notices()
        found = tuple(notice for notice in open_notices if notice.alert_id in self._owners.acknowledged - self._acknowledged)
        self._acknowledged &= {notice.alert_id for notice in open_notices}
        self._acknowledged |= {notice.alert_id for notice in found}
        return found

    def _open_notices(self) -> tuple[Notice, ...]:
        return tuple(notice for partition, state in self._partitions.items() if partition not in self._leaving for notice in state.alerts.notices)

    def _tell_figures(self, consumer: Any) -> None:
        now = self._clock()
        if now < self._figures_at:
            return
        self._figures_at = now + FIGURES_EVERY
        counted = Counter(notify_messages_sent=self.sent, notify_messages_refused=self.refused)
        for name, count in counted.items():
            self._figures.count(name, self.name, by=count - self._figures_told[name])
        self._figures_told = counted
        still_open = len(self._open_notices())
        behind = sum(max(0, (consumer.highwater(partition) or 0) - state.next) for partition, state in self._partitions.items() if partition in consumer.assignment())
        for name, value in (
            ("notify_notices_waiting", self.waiting),
            ("notify_notices_held", self._desk.held(now)),
            ("notify_receiver_away", self._delivery.is_away and bool(still_open or self.waiting)),  # where nothing is to be sent nobody learns that it is back
            ("notify_lag_records", behind),
            ("notify_alerts_open", still_open),
        ):
            self._figures.set(name, value, self.name)

    def _commit(self, consumer: Any, *, at_once: bool = False) -> None:
        """The places before which everything is settled."""
        now = self._clock()
        if now < self._commit_at and not at_once:
            return
        self._commit_at = now + COMMIT_EVERY
        places = {partition: place for partition, state in self._partitions.items() if (place := self._place(partition, state)) is not None}
        changed = {partition: OffsetAndMetadata(place, "", -1) for partition, place in places.items() if self._committed.get(partition) != place}
        changed = {partition: place for partition, place in changed.items() if partition in consumer.assignment()}
        if not changed:
            return
        if self._commits.commit(consumer, changed):
            self._committed |= {partition: place.offset for partition, place in changed.items()}

    def _place(self, partition: TopicPartition, state: _Partition) -> int | None:
        unsettled = self._desk.first_unsettled(partition)
        if not state.is_read or unsettled == BEFORE_ALL:
            return None
        return state.next if unsettled is None else min(state.next, unsettled)


def _new_version(state: _Partition, notice: Notice, most: int) -> Notice | None:
    """The notice, unless it was read before; what is forgotten with its partition is new again."""
    if notice.name in state.versions:
        return None
    state.versions[notice.name] = None
    if len(state.versions) > most:
        state.versions.popitem(last=False)
    return notice
