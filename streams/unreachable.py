"""What is told of a Kafka that does not answer, or does not let us in: which settings to look at, and never the secrets among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka.errors import KafkaError, SaslAuthenticationFailedError

from detectors.errors import DriftwardenError

if TYPE_CHECKING:
    from streams.connection import KafkaConnection


@contextmanager
def explained(connection: KafkaConnection) -> Iterator[None]:
    """Turn an error of the client into one that says what to do."""
    try:
        yield
    except KafkaError as error:
        raise DriftwardenError(f"no Kafka answers on {connection.bootstrap} ({type(error).__name__}); {what_to_do(connection, error)}") from error


def what_to_do(connection: KafkaConnection, error: KafkaError) -> str:
    """Which settings to look at; a cluster that lets nobody in most often looks to a client much like one that is away.

    Examples
    --------
    >>> from streams.connection import KafkaConnection
    >>> print(what_to_do(KafkaConnection(security_protocol="SSL"), KafkaError()))
    it may be away, or not trust these certificates, or not be trusted: see DRIFTWARDEN_SSL_CAFILE and the other settings in docs/settings.md
    """
    if connection.sasl_username is not None:
        may = "does" if isinstance(error, SaslAuthenticationFailedError) else "may be away, or does"
        return (
            f"it {may} not let in the user {connection.sasl_username!r} by {connection.security_protocol} and {connection.sasl_mechanism}: "
            "see DRIFTWARDEN_SASL_USERNAME, DRIFTWARDEN_SASL_PASSWORD and the other settings in docs/settings.md"
        )
    if connection.uses_tls:
        return "it may be away, or not trust these certificates, or not be trusted: see DRIFTWARDEN_SSL_CAFILE and the other settings in docs/settings.md"
    return "start one with: driftwarden broker start; where it asks for TLS or a password, set DRIFTWARDEN_SECURITY_PROTOCOL, see docs/settings.md"
