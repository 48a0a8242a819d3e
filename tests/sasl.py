"""A listener of the tests' Kafka that asks for a password, beside the one that does not."""

from __future__ import annotations

USER, PASSWORD = "ada", "lovelace-1815"


def sasl_listener(port: int) -> dict[str, str]:
    """Kafka's settings of it."""
    user = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    return {
        "listeners": f"PLAINTEXT://{{host}}:{{port}},CONTROLLER://{{host}}:{{controller_port}},SASL://{{host}}:{port}",
        "advertised.listeners": f"PLAINTEXT://{{host}}:{{port}},SASL://{{host}}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": user,
    }


def environment_of(port: int) -> dict[str, str]:
    """What a process has to be told to come by it."""
    return {
        "DRIFTWARDEN_BOOTSTRAP": f"127.0.0.1:{port}",
        "DRIFTWARDEN_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "DRIFTWARDEN_SASL_MECHANISM": "PLAIN",
        "DRIFTWARDEN_SASL_USERNAME": USER,
        "DRIFTWARDEN_SASL_PASSWORD": PASSWORD,
    }
