"""Whose turn it is to retrain: of all retrainers of an installation one acts, and another takes over when it is gone.

The one that is given the only partition of ``retraining.requests`` by its consumer group acts. One that was stopped for longer than its session, and does not know it yet, is
kept from announcing anything by the transactions of the one that took over (`streams.announcements`).
"""

from __future__ import annotations

from kafka import KafkaConsumer
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from streams.connection import KafkaConnection
from streams.subscription import subscribe

SESSION_MILLISECONDS = 10_000  # after which one that was killed is given up
_TRAINING_MILLISECONDS = 86_400_000  # nobody is polled during a training; heartbeats go on in a thread of their own


class Turn:
    """Membership in the group of retrainers.

    Parameters
    ----------
    name : of this retrainer, another for each; one that is started again under its name has its turn back at once. Default: none, and it waits for the session of the one before.
    """

    def __init__(self, connection: KafkaConnection, name: str | None = None) -> None:
        self._consumer = KafkaConsumer(
            **connection.client_arguments(),
            group_id=connection.group("driftwarden.retrainer"),
            group_instance_id=name,
            partition_assignment_strategy=[StickyPartitionAssignor],
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=SESSION_MILLISECONDS // 3,
            max_poll_interval_ms=_TRAINING_MILLISECONDS,
            enable_auto_commit=False,
        )
        subscribe(self._consumer, [connection.topics.requests])

    def is_mine(self, wait_milliseconds: int = 0) -> bool:
        """Whether this one is to act now."""
        self._consumer.poll(wait_milliseconds)
        assigned = self._consumer.assignment()
        self._consumer.pause(*assigned)  # its records are read by whoever acts, from the place that its state names
        return bool(assigned)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close(autocommit=False)
