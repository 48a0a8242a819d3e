"""How to reach Kafka: read from the environment once, never changed, and safe to print.

``DRIFTWARDEN_BOOTSTRAP``, ``DRIFTWARDEN_SECURITY_PROTOCOL``, ``DRIFTWARDEN_SASL_PASSWORD`` and so on; the names are the fields' in capitals.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.errors import SettingsError
from streams.refusals import client_that_tells
from streams.topics import Topics


class KafkaConnection(BaseSettings):
    """Address, encryption and identity of a Kafka client, and the prefix of its installation.

    Examples
    --------
    >>> connection = KafkaConnection(bootstrap="kafka:9093", security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="ada", sasl_password="lovelace")
    >>> connection.sasl_password
    SecretStr('**********')
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_", frozen=True, extra="ignore", validate_default=True, hide_input_in_errors=True)

    bootstrap: str = Field(default="127.0.0.1:9092", min_length=1, description="host:port of one broker or several, separated by commas")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = Field(default=None, description="certificates of the authorities to trust; default: the system's")
    ssl_certfile: Path | None = Field(default=None, description="our own certificate, where the brokers ask for one")
    ssl_keyfile: Path | None = None
    ssl_password: SecretStr | None = Field(default=None, description="of the key file")
    topic_prefix: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]*$", description="put before the name of every topic, consumer group and transactional id of an installation")

    @model_validator(mode="after")
    def _identity_is_complete(self) -> KafkaConnection:
        wanted = self.security_protocol.startswith("SASL")
        given = [self.sasl_mechanism is not None, self.sasl_username is not None, self.sasl_password is not None]
        if wanted and not all(given):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password; set DRIFTWARDEN_SASL_MECHANISM and the others")
        if any(given) and not wanted:
            raise ValueError(f"SASL settings were given, but security_protocol is {self.security_protocol}, which ignores them; set DRIFTWARDEN_SECURITY_PROTOCOL to SASL_SSL")
        files = [name for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile") if getattr(self, name) is not None]
        if files and not self.uses_tls:
            raise ValueError(f"{files[0]} was given, but security_protocol is {self.security_protocol}, which ignores it; set DRIFTWARDEN_SECURITY_PROTOCOL to SSL or SASL_SSL")
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise ValueError("ssl_keyfile was given without the certificate that it is of; set DRIFTWARDEN_SSL_CERTFILE, too")
        return self

    @property
    def topics(self) -> Topics:
        """Names of the topics with this connection's prefix."""
        return Topics(prefix=self.topic_prefix)

    def group(self, name: str) -> str:
        """Consumer group of a name with this connection's prefix, so that installations share none.

        Examples
        --------
        >>> KafkaConnection(topic_prefix="staging.").group("driftwarden")
        'staging.driftwarden'
        """
        return f"{self.topic_prefix}{name}"

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context; None for a connection in the clear.

        Raises
        ------
        SettingsError
            If a file of it cannot be read, is none of its kind, or has another password.
        """
        if not self.uses_tls:
            return None
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
            _require_readable(name, getattr(self, name))
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
        except ssl.SSLError as error:
            raise SettingsError(f"DRIFTWARDEN_SSL_CAFILE: {self.ssl_cafile} holds no certificate that can be read{_reason(error)}; expected PEM") from error
        if self.ssl_certfile is not None:
            password = self.ssl_password.get_secret_value() if self.ssl_password else ""  # without one OpenSSL would ask at the terminal
            try:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password)
            except ssl.SSLError as error:
                key = self.ssl_keyfile or self.ssl_certfile
                raise SettingsError(
                    f"DRIFTWARDEN_SSL_CERTFILE: {self.ssl_certfile} with the key in {key} cannot be used{_reason(error)}; "
                    "expected PEM, the key being that of the certificate, and its password, if it has one, in DRIFTWARDEN_SSL_PASSWORD"
                ) from error
        return context

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments for any client of kafka-python, which then tells of a refusal at once. Holds secrets: do not log it."""
        return self.asyncio_arguments() | {"kafka_client": client_that_tells}

    def asyncio_arguments(self) -> dict[str, Any]:
        """Keyword arguments for any client of aiokafka. Holds secrets: do not log it."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.bootstrap.split(","), "security_protocol": self.security_protocol}
        if self.uses_tls:
            arguments["ssl_context"] = self.ssl_context()
        if self.sasl_password is not None:
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return arguments


def _require_readable(name: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise SettingsError(f"DRIFTWARDEN_{name.upper()}: {path} cannot be read: {error.strerror}") from error


def _reason(error: ssl.SSLError) -> str:
    return f" ({error.reason.lower().replace('_', ' ')})" if error.reason else ""  # a password that does not open the key has none


def connect(bootstrap: str | None = None, *, topic_prefix: str | None = None) -> KafkaConnection:
    """The environment's connection, with what is given here put over it.

    Raises
    ------
    SettingsError
        If the settings contradict each other.
    """
    given: dict[str, Any] = {}
    if bootstrap is not None:
        given["bootstrap"] = bootstrap
    if topic_prefix is not None:
        given["topic_prefix"] = topic_prefix
    try:
        return KafkaConnection(**given)
    except ValidationError as error:
        story = "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'connection'}: {problem['msg']}" for problem in error.errors(include_url=False, include_context=False))
        raise SettingsError(f"cannot connect to Kafka with these settings: {story}") from None
