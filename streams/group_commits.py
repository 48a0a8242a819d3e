"""Commits of a member of a consumer group, which ends where its group goes on without it.

kafka-python may lose a second join that a short poll has interrupted: from then on every commit is refused as "rebalance in progress", though no rebalance ends. Nothing is lost by
that, and nothing is done either. The process says so and stops; whoever supervises it starts it again, and it joins anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from kafka.errors import CommitFailedError, IllegalGenerationError, KafkaError, RebalanceInProgressError, UnknownMemberIdError

from detectors.errors import DriftwardenError

logger = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds: a rebalance ends within a session of the slowest member, which is less in every consumer here
_OF_THE_GROUP = (RebalanceInProgressError, CommitFailedError, IllegalGenerationError, UnknownMemberIdError)


class GroupCommits:
    """Commits places, and remembers since when the group refuses them.

    A broker that is away is no reason to stop: it is waited for.

    Parameters
    ----------
    who : whose places they are, for messages.
    patience : seconds for which the group may refuse.
    clock : seconds; one that does not go back.
    """

    def __init__(self, who: str, *, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._who = who
        self._patience = patience
        self._clock = clock
        self._refused_since = 0.0
        self._refused_at: float | None = None

    def commit(self, consumer: Any, places: Mapping[Any, Any]) -> bool:
        """Commit; False where it is to be tried again.

        Parameters
        ----------
        consumer : a member of the group.
        places : by partition.

        Raises
        ------
        DriftwardenError
            If the group has refused for longer than ``patience``.
        """
        try:
            consumer.commit(dict(places))
        except KafkaError as error:
            logger.warning("%s: could not commit the place in the topics, which is tried again: %s", self._who, error)
            if not isinstance(error, _OF_THE_GROUP):
                self._refused_at = None
                return False
            now = self._clock()
            if self._refused_at is None or now - self._refused_at > self._patience:  # what was refused so long ago went away with its partition
                self._refused_since = now
            self._refused_at = now
            if now - self._refused_since > self._patience:
                refused = f"its group has refused commits for {now - self._refused_since:.0f} s ({type(error).__name__})"
                raise DriftwardenError(f"{self._who}: {refused}; what it holds is not acknowledged and will be read again: start the process anew") from error
            return False
        self._refused_at = None
        return True
