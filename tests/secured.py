"""Listeners of the tests' Kafka that ask who comes, or encrypt, or both, beside the one that does neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from streams.broker import free_port
from tests.certificates import Authority
from tests.waiting import eventually

USER, PASSWORD, KEY_PASSWORD = "ada", "lovelace-1815", "difference-engine-1822"
TENANT, TENANT_PASSWORD = "grace", "hopper-1906"
_PROTOCOLS = {"SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL", "TLS": "SSL", "MUTUAL": "SSL"}


def _free_ports() -> dict[str, int]:
    ports: dict[str, int] = {}
    for name in _PROTOCOLS:
        ports[name] = next(port for port in iter(free_port, None) if port not in ports.values())
    return ports


@dataclass
class SecuredKafka:
    """What the broker is told to listen on, and what a process is told to come by it.

    ``SASL`` asks for a password, ``SASLTLS`` encrypts as well; ``TLS`` encrypts, ``MUTUAL`` asks for a certificate as well.
    Everybody may do everything, but ``TENANT``, who may do what a test permits.
    """

    folder: Path
    ports: dict[str, int] = field(default_factory=_free_ports)

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder, "authority")
        self.stranger = Authority(self.folder, "stranger")
        self._server = self.authority.sign("server")
        self.client = self.authority.sign("client", password=KEY_PASSWORD)
        (self.folder / "keystore.pem").write_bytes(self._server.key.read_bytes() + self._server.certificate.read_bytes())

    def properties(self) -> dict[str, str]:
        """Kafka's settings."""
        users = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}" user_{TENANT}="{TENANT_PASSWORD}";'
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        addresses = ",".join(f"{name}://{{host}}:{port}" for name, port in self.ports.items())
        return {
            "listeners": f"PLAINTEXT://{{host}}:{{port}},CONTROLLER://{{host}}:{{controller_port}},{addresses}",
            "advertised.listeners": f"PLAINTEXT://{{host}}:{{port}},{addresses}",
            "listener.security.protocol.map": ",".join(["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", *(f"{name}:{protocol}" for name, protocol in _PROTOCOLS.items())]),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.sasltls.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl.plain.sasl.jaas.config": users,
            "listener.name.sasl.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.sasltls.scram-sha-512.sasl.jaas.config": scram,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "keystore.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "listener.name.mutual.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{USER};User:CN=client",
        }

    def add_users(self, bootstrap: str) -> None:
        """Those who come by SCRAM, whom a broker keeps among its data."""
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # a request may name a user once
                told = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(USER, mechanism, PASSWORD)])
                assert told == {USER: None}, told
            eventually(lambda: len(admin.describe_user_scram_credentials([USER])[USER]["credential_infos"]) == 2, "credentials of both mechanisms")
        finally:
            admin.close()

    def with_password(self, mechanism: str = "PLAIN") -> dict[str, str]:
        """To come by ``SASL``."""
        return self._sasl("SASL", mechanism)

    def as_tenant(self) -> dict[str, str]:
        """To come by ``SASL`` as one who may do only what was permitted."""
        return self._sasl("SASL", "PLAIN") | {"DRIFTWARDEN_SASL_USERNAME": TENANT, "DRIFTWARDEN_SASL_PASSWORD": TENANT_PASSWORD}

    def with_password_and_tls(self) -> dict[str, str]:
        """To come by ``SASLTLS``."""
        return self._sasl("SASLTLS", "SCRAM-SHA-512") | self._trust()

    def with_tls(self) -> dict[str, str]:
        """To come by ``TLS``."""
        return self._address("TLS") | self._trust()

    def with_certificate(self) -> dict[str, str]:
        """To come by ``MUTUAL``; the key's file has a password."""
        own = {"CERTFILE": str(self.client.certificate), "KEYFILE": str(self.client.key), "PASSWORD": KEY_PASSWORD}
        return self._address("MUTUAL") | self._trust() | {f"DRIFTWARDEN_SSL_{name}": value for name, value in own.items()}

    def _address(self, name: str) -> dict[str, str]:
        return {"DRIFTWARDEN_BOOTSTRAP": f"127.0.0.1:{self.ports[name]}", "DRIFTWARDEN_SECURITY_PROTOCOL": _PROTOCOLS[name]}

    def _trust(self) -> dict[str, str]:
        return {"DRIFTWARDEN_SSL_CAFILE": str(self.authority.certificate)}

    def _sasl(self, name: str, mechanism: str) -> dict[str, str]:
        return self._address(name) | {"DRIFTWARDEN_SASL_MECHANISM": mechanism, "DRIFTWARDEN_SASL_USERNAME": USER, "DRIFTWARDEN_SASL_PASSWORD": PASSWORD}
