"""What a worker process may be told, beside how to reach Kafka."""

from __future__ import annotations

import socket
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.duration import parse_duration

EnvironmentDuration = Annotated[int, BeforeValidator(parse_duration)]


class WorkerSettings(BaseSettings):
    """Settings of `driftwarden worker`, from ``DRIFTWARDEN_WORKER_...``."""

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_WORKER_", frozen=True, extra="ignore")

    group: str = Field(default="driftwarden", description="consumer group that all workers of an installation share, behind the topic prefix")
    name: str = Field(
        default_factory=socket.gethostname, description="static member of the group, so that a restart takes a second instead of the session timeout; unique in the group"
    )
    epoch: EnvironmentDuration = Field(default=1_000, gt=0, description="time between two epochs")
    epoch_behind: EnvironmentDuration = Field(
        default=5_000,
        gt=0,
        description="time between two epochs of a partition whose log goes on for more than was read of it in the last epoch's time, unless much was read; "
        "nobody waits for points of the past, and each epoch has its price",
    )
    idle_after: EnvironmentDuration = Field(
        default=parse_duration("30s"),
        gt=0,
        description="a partition at its log's end for this long no longer holds event time back; one that never held a record, after up to twice as long",
    )
    session_timeout: EnvironmentDuration = Field(
        default=parse_duration("60s"), gt=0, description="after this long without a heartbeat the group gives a worker's partitions to others"
    )
    max_unflushed_bytes: int = Field(
        default=64 * 1024 * 1024, gt=0, description="what a partition may read ahead of its next epoch, or make of it; then reading pauses until the epoch before is acknowledged"
    )
    part_bytes: int = Field(default=512 * 1024, gt=0, description="size of one record of state")
    piece_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="largest piece of state; a larger one stops the worker")
    max_unmonitored_models: int = Field(
        default=1_000,  # names in each manifest of a source partition: a producer that invents them must not fill it
        gt=0,
        description="models without a monitor whose events a source partition counts by name; those of further ones are counted together",
    )
