"""Which partition a key belongs to: Kafka's default, murmur2, as the Java client and kafka-python do it."""

from __future__ import annotations

from kafka.partitioner.default import murmur2


def partition_of(key: str, partitions: int) -> int:
    """Partition of a key.

    Examples
    --------
    >>> partition_of("churn", 4)
    1
    """
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)
