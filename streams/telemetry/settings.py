"""What a process tells of itself, and where: read from the environment once."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.duration import parse_duration


class MetricsSettings(BaseSettings):
    """Settings of every process that runs for long, from ``DRIFTWARDEN_METRICS_...``."""

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_METRICS_", frozen=True, extra="ignore")

    models: int = Field(default=100, ge=0, description="most models that have a label of their own; those beyond are told together, as (other)")
    points_every: Annotated[int, BeforeValidator(parse_duration)] = Field(default=10_000, gt=0, description="time between two points of a process's own figures")
