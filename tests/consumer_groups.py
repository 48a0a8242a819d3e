"""What Kafka knows of consumer groups."""

from __future__ import annotations

from kafka import KafkaAdminClient


def members(broker: str, group: str) -> int:
    """How many there are of a group; none of one that Kafka does not know."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        return len(admin.describe_groups([group])[group]["members"])
    finally:
        admin.close()
