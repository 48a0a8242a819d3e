"""Joining a consumer group, when it is known which partitions there are.

A member that joins before it has metadata joins twice, and kafka-python does not take up a second join that a short poll has interrupted: the process would then wait for ever,
without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.errors import DriftwardenError


def subscribe(consumer: Any, topics: Sequence[str], listener: Any = None) -> None:
    """Have a consumer of a group share the partitions of topics; ``listener`` hears which it gets and loses.

    Raises
    ------
    DriftwardenError
        If a topic does not exist.
    """
    missing = [topic for topic in topics if not consumer.partitions_for_topic(topic)]
    if missing:
        raise DriftwardenError(f"topics are missing: {', '.join(missing)}; make them with: driftwarden topics apply")
    consumer.subscribe(list(topics), listener=listener)
    consumer.topics()  # the client compares the partitions that it knows of since it subscribed with those that it joined with: it asks for them now, and not while it joins
