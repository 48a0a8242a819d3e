"""Health of a container: Kafka answers with this container's settings, and Driftwarden's topics are there.

A fault of Driftwarden itself needs no check: the process exits with 1, and the restart policy starts it again.
"""

from __future__ import annotations

import sys

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from detectors.errors import DriftwardenError
from streams.connection import connect


def fault() -> str | None:
    """What is wrong, None if nothing is."""
    try:
        connection = connect()
    except DriftwardenError as error:
        return str(error)
    try:
        client = KafkaAdminClient(**connection.client_arguments(), bootstrap_timeout_ms=5_000, request_timeout_ms=5_000)
        try:
            missing = sorted(set(connection.topics.all) - set(client.list_topics()))
        finally:
            client.close()
    except KafkaError as error:
        return f"no Kafka answers on {connection.bootstrap} ({type(error).__name__})"
    return f"topics are missing: {', '.join(missing)}; make them with: driftwarden topics apply" if missing else None


if __name__ == "__main__":
    found = fault()
    if found:
        sys.exit(found)
