"""What a process tells of itself, and where: read from the environment once."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.duration import parse_duration
from detectors.errors import SettingsError

LOOPBACK = "127.0.0.1"


class MetricsSettings(BaseSettings):
    """Settings of every process that runs for long, from ``DRIFTWARDEN_METRICS_...``.

    Examples
    --------
    >>> MetricsSettings(address="9464").listens, MetricsSettings(address="[::1]:9464").listens
    (('127.0.0.1', 9464), ('::1', 9464))
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_METRICS_", frozen=True, extra="ignore")

    address: str | None = Field(default=None, description="host:port to serve /metrics, /healthz and /readyz on, a port alone being of 127.0.0.1; default: they are not served")
    models: int = Field(default=100, ge=0, description="most models that have a label of their own; those beyond are told together, as (other)")
    points_every: Annotated[int, BeforeValidator(parse_duration)] = Field(default=10_000, gt=0, description="time between two points of a process's own figures")

    @field_validator("address")
    @classmethod
    def _can_be_listened_on(cls, address: str | None) -> str | None:
        if address is not None:
            _parsed(address)
        return address

    @property
    def listens(self) -> tuple[str, int] | None:
        """Host and port; None where nothing is served."""
        return None if self.address is None else _parsed(self.address)


def _parsed(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"the address of metrics is host:port, such as 127.0.0.1:9464, or a port alone, got {address!r}; see --metrics-address")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


def metrics_settings(address: str | None = None) -> MetricsSettings:
    """The environment's settings, with an address that is given put over its own."""
    return MetricsSettings() if address is None else MetricsSettings(address=address)
