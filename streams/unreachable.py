"""What is told of a Kafka that does not answer, or does not let us in: which settings to look at, and never the secrets among them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError

from detectors.errors import DriftwardenError
from streams.refusals import is_refusal, refused_tls

if TYPE_CHECKING:
    from streams.connection import KafkaConnection

_OTHERS = "and the other settings in docs/settings.md"


@contextmanager
def explained(connection: KafkaConnection) -> Iterator[None]:
    """Turn an error of the client into one that says what to do."""
    try:
        yield
    except KafkaError as error:
        what = f"no connection to Kafka on {connection.bootstrap}" if is_refusal(error) else f"no Kafka answers on {connection.bootstrap}"
        raise DriftwardenError(f"{what} ({type(error).__name__}); {what_to_do(connection, error)}") from error


def what_to_do(connection: KafkaConnection, error: KafkaError) -> str:
    """Which settings to look at; a cluster that lets nobody in may look to a client much like one that is away.

    Examples
    --------
    >>> from streams.connection import KafkaConnection
    >>> print(what_to_do(KafkaConnection(security_protocol="SSL"), KafkaError()))
    it may be away, or speak no TLS there, or not be trusted, or not trust us: see DRIFTWARDEN_SSL_CAFILE and the other settings in docs/settings.md
    """
    refused = refused_tls(error)
    if refused is not None:
        return _of_tls(refused)
    if connection.sasl_username is not None:
        return _of_identity(connection, error)
    if connection.uses_tls:
        return f"it may be away, or speak no TLS there, or not be trusted, or not trust us: see DRIFTWARDEN_SSL_CAFILE {_OTHERS}"
    return "start one with: driftwarden broker start; where it asks for TLS or a password, set DRIFTWARDEN_SECURITY_PROTOCOL, see docs/settings.md"


def _of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return f"its certificate is not trusted ({why}): see DRIFTWARDEN_SSL_CAFILE, and whether the certificate names the host of DRIFTWARDEN_BOOTSTRAP"
    why = (error.reason or "no reason was given").lower().replace("_", " ")
    if "alert" in why:
        return f"it does not take our certificate, or that we have none ({why}): see DRIFTWARDEN_SSL_CERTFILE, DRIFTWARDEN_SSL_KEYFILE {_OTHERS}"
    return f"TLS does not come about ({why}), most likely since it is not spoken there: see DRIFTWARDEN_SECURITY_PROTOCOL {_OTHERS}"


def _of_identity(connection: KafkaConnection, error: KafkaError) -> str:
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"it does not know users by {connection.sasl_mechanism} there: see DRIFTWARDEN_SASL_MECHANISM {_OTHERS}"
    if isinstance(error, IllegalSaslStateError):
        return f"it asks nobody for a password there: see DRIFTWARDEN_SECURITY_PROTOCOL {_OTHERS}"
    may = "does" if isinstance(error, SaslAuthenticationFailedError) else "may be away, or does"
    return (
        f"it {may} not let in the user {connection.sasl_username!r} by {connection.security_protocol} and {connection.sasl_mechanism}: "
        f"see DRIFTWARDEN_SASL_USERNAME, DRIFTWARDEN_SASL_PASSWORD {_OTHERS}"
    )
