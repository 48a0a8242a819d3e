"""Every topic of Driftwarden: its name, its settings, and how it is made.

Retention is by size, not by time: retention by time compares the records' timestamps with the wall clock, so a history of last year, or a demo
that runs in the past, would be deleted before it was read. For the same reason a segment rolls by size only where timestamps are event times.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from detectors.duration import parse_duration
from detectors.errors import DriftwardenError, SettingsError
from streams.unreachable import explained

if TYPE_CHECKING:
    from streams.connection import KafkaConnection

DEFAULT_PARTITIONS = 4
DEFAULT_MAX_AHEAD = parse_duration("1h")

_GIBIBYTE = 2**30
_NEVER = str(2**63 - 1)
_SETTINGS_SECONDS = 10.0


@dataclass(frozen=True)
class Topics:
    """Names of all topics, with an optional prefix so that several installations share a cluster.

    Examples
    --------
    >>> Topics(prefix="staging.").inference_events
    'staging.inference.events'
    """

    prefix: str = ""

    @property
    def inference_events(self) -> str:
        """Predictions, features and labels, by event id."""
        return self.prefix + "inference.events"

    @property
    def dead_letters(self) -> str:
        """What could not be read, as received, with the reason."""
        return self.prefix + "inference.deadletter"

    @property
    def summaries(self) -> str:
        """Bundles of pane summaries, from summarise to detect."""
        return self.prefix + "monitoring.summaries"

    @property
    def examples(self) -> str:
        """Joined rows of features, prediction and label; partitioned as the source."""
        return self.prefix + "monitoring.examples"

    @property
    def metrics(self) -> str:
        """Metric points."""
        return self.prefix + "monitoring.metrics"

    @property
    def alerts(self) -> str:
        """The lives of alerts."""
        return self.prefix + "monitoring.alerts"

    @property
    def monitors(self) -> str:
        """Monitor specifications: read whole, without a group."""
        return self.prefix + "monitors"

    @property
    def requests(self) -> str:
        """Requests to retrain."""
        return self.prefix + "retraining.requests"

    @property
    def decisions(self) -> str:
        """What the retrainer decided, and why; not to retrain is a decision, too."""
        return self.prefix + "retraining.decisions"

    @property
    def versions(self) -> str:
        """The history of every model: registered, promoted, rejected, rolled back."""
        return self.prefix + "models.versions"

    def state_of(self, topic: str) -> str:
        """State of the stage that reads a topic; compacted, a partition for each of the topic's."""
        return f"{self.prefix}driftwarden.state.{topic.removeprefix(self.prefix)}"

    @property
    def state(self) -> tuple[str, ...]:
        """State topics of all stages."""
        return (self.state_of(self.inference_events), self.state_of(self.summaries))

    @property
    def retraining_state(self) -> str:
        """State of the retrainer."""
        return f"{self.prefix}driftwarden.state.retraining"

    @property
    def by_partitions_of_source(self) -> tuple[str, ...]:
        """Topics with as many partitions as the source; Faust assigns topics together only when their counts are equal."""
        return (self.inference_events, self.dead_letters, self.summaries, self.examples, self.metrics, self.alerts, *self.state)

    @property
    def with_one_partition(self) -> tuple[str, ...]:
        """Topics that are read whole and in one order."""
        return (self.monitors, self.requests, self.decisions, self.versions, self.retraining_state)

    @property
    def all(self) -> tuple[str, ...]:
        """Every name."""
        return self.by_partitions_of_source + self.with_one_partition

    def settings(self, *, max_ahead: int = DEFAULT_MAX_AHEAD) -> dict[str, dict[str, str]]:
        """Kafka's settings of each topic.

        Parameters
        ----------
        max_ahead : milliseconds that a record's timestamp may be ahead of the broker's clock; the broker refuses the rest.
        """
        kept_by_size = {"cleanup.policy": "delete", "retention.ms": "-1", "segment.ms": _NEVER, "segment.bytes": str(_GIBIBYTE // 4)}
        short = {**kept_by_size, "retention.bytes": str(4 * _GIBIBYTE)}
        long = {**kept_by_size, "retention.bytes": str(64 * _GIBIBYTE)}
        for_ever = {**kept_by_size, "retention.bytes": "-1"}
        return {
            self.inference_events: {**long, "message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(max_ahead)},
            self.dead_letters: short,
            self.summaries: short,
            self.examples: long,
            self.metrics: short,
            self.alerts: long,
            **{
                name: {"cleanup.policy": "compact", "segment.bytes": str(2**26), "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
                for name in (*self.state, self.retraining_state)
            },
            self.monitors: {"cleanup.policy": "compact", "segment.bytes": str(2**24), "min.cleanable.dirty.ratio": "0.1"},
            self.requests: for_ever,
            self.decisions: for_ever,
            self.versions: for_ever,
        }


@dataclass(frozen=True, kw_only=True)
class TopicChanges:
    """What `create_topics` did, names of topics in each."""

    created: list[str] = field(default_factory=list)
    settings_changed: list[str] = field(default_factory=list)
    partitions_added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def create_topics(
    bootstrap: str | None = None,
    *,
    partitions: int | None = None,
    replication: int = 1,
    prefix: str | None = None,
    max_ahead: int = DEFAULT_MAX_AHEAD,
    allow_repartitioning: bool = False,
    connection: KafkaConnection | None = None,
) -> TopicChanges:
    """Make all topics that are missing, and bring the settings of the others to what they should be.

    Parameters
    ----------
    bootstrap : host:port; default from the environment.
    partitions : of the source topic and of those that go with it; default: what the source topic has, or 4.
    replication : copies of each new topic.
    max_ahead : milliseconds that a record may be ahead of the broker's clock.
    allow_repartitioning : add partitions to existing topics, although labels that are still to come then miss their predictions.

    Raises
    ------
    SettingsError
        If topics exist with another number of partitions, and that may not or cannot be changed.
    """
    from streams.connection import connect  # noqa: PLC0415  it knows the names above

    if (partitions is not None and partitions < 1) or replication < 1:
        raise SettingsError(f"partitions and replication must be >= 1, got {partitions} and {replication}")
    connection = connection or connect(bootstrap, topic_prefix=prefix)
    topics = connection.topics
    with _admin(connection) as admin:
        existing = existing_partitions(admin, topics)
        wanted = _wanted_partitions(topics, existing, partitions, allow_repartitioning=allow_repartitioning)
        settings = topics.settings(max_ahead=max_ahead)
        changes = TopicChanges(created=[name for name in topics.all if name not in existing])
        if changes.created:
            admin.create_topics(
                {name: {"num_partitions": wanted[name], "replication_factor": replication, "configs": settings[name]} for name in changes.created},
                wait_for_metadata=True,
            )
        changes.partitions_added.extend(name for name, count in existing.items() if wanted[name] > count)
        if changes.partitions_added:
            admin.create_partitions({name: wanted[name] for name in changes.partitions_added})
        changes.settings_changed.extend(_apply_settings(admin, {name: settings[name] for name in existing}))
        changes.unchanged.extend(name for name in existing if name not in changes.settings_changed and name not in changes.partitions_added)
    return changes


def existing_partitions(admin: Any, topics: Topics) -> dict[str, int]:
    """Number of partitions of each of our topics that exists."""
    known = set(admin.list_topics())
    names = [name for name in topics.all if name in known]
    if not names:
        return {}
    return {described["name"]: len(described["partitions"]) for described in admin.describe_topics(names)}


def _wanted_partitions(topics: Topics, existing: dict[str, int], partitions: int | None, *, allow_repartitioning: bool) -> dict[str, int]:
    count = partitions or existing.get(topics.inference_events, DEFAULT_PARTITIONS)
    wanted = dict.fromkeys(topics.by_partitions_of_source, count) | dict.fromkeys(topics.with_one_partition, 1)
    for name, has in existing.items():
        if has > wanted[name]:
            raise SettingsError(f"topic {name} has {has} partitions, {wanted[name]} were asked for; Kafka cannot remove partitions: ask for {has}, or delete the topic")
        if has < wanted[name] and not allow_repartitioning:
            raise SettingsError(
                f"topic {name} has {has} partitions, {wanted[name]} were asked for; with more partitions an event id maps to another one, "
                "so labels still to come would miss the predictions that wait for them. Stop the publishers, wait for the label timeout, and pass --allow-repartitioning"
            )
    return wanted


def _apply_settings(admin: Any, wanted: dict[str, dict[str, str]]) -> list[str]:
    if not wanted:
        return []
    changed = _wrong_settings(admin, wanted)
    if not changed:
        return []
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted[name]) for name in changed])
    deadline = time.monotonic() + _SETTINGS_SECONDS  # the controller answers before the broker has applied them
    while _wrong_settings(admin, wanted):
        if time.monotonic() > deadline:
            raise DriftwardenError(f"Kafka accepted new settings of {', '.join(changed)}, but does not apply them; look into the broker's log")
        time.sleep(0.05)
    return changed


def _wrong_settings(admin: Any, wanted: dict[str, dict[str, str]]) -> list[str]:
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted], config_filter="all")
    current = _values_by_topic(described)
    return [name for name, settings in wanted.items() if any(current.get(name, {}).get(key) != value for key, value in settings.items())]


def _values_by_topic(described: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> dict[str, dict[str, str]]:
    return {name: {key: str(entry["value"]) for key, entry in entries.items()} for resources in described.values() for name, entries in resources.items()}


@contextlib.contextmanager
def _admin(connection: KafkaConnection) -> Iterator[Any]:
    with explained(connection):
        client = KafkaAdminClient(**connection.client_arguments(), bootstrap_timeout_ms=10_000)
    try:
        yield client
    except KafkaError as error:
        raise DriftwardenError(f"Kafka refused to change the topics: {error}") from error
    finally:
        client.close()
