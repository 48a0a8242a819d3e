"""How to reach InfluxDB, and what the sink may hold: read from the environment once, and safe to print."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.duration import parse_duration
from detectors.errors import SettingsError

_Duration = Annotated[int, BeforeValidator(parse_duration)]


class InfluxSettings(BaseSettings):
    """Settings of `driftwarden influx`, from ``DRIFTWARDEN_INFLUX_...``.

    Examples
    --------
    >>> InfluxSettings(token="secret").token
    SecretStr('**********')
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_INFLUX_", frozen=True, extra="ignore", hide_input_in_errors=True)

    url: str = Field(default="http://127.0.0.1:8086", pattern=r"^https?://", description="of InfluxDB 2")
    org: str = Field(default="driftwarden", min_length=1, description="organization")
    bucket: str = Field(default="driftwarden", min_length=1, description="where points go; downsampled ones go to <bucket>_hourly")
    token: SecretStr | None = Field(default=None, description="of an identity that may write the bucket; `setup` needs one that may make buckets and tasks")
    group: str = Field(default="driftwarden-influx", min_length=1, description="consumer group of the sinks of an installation, behind the topic prefix")
    batch_points: int = Field(default=20_000, gt=0, description="points that go together, in as many requests as may be under way")
    requests: int = Field(default=2, gt=0, description="requests at a time; a series is always in the same one of them, so that no point overtakes a later value of it")
    flush_after: _Duration = Field(default=1_000, gt=0, description="a request goes out at the latest so long after its first point was read")
    max_series: int = Field(default=200_000, gt=0, description="most series (measurement and tags) that are written; points of further ones are left out, and counted")
    max_final: int = Field(  # a worker that was replaced and goes on for its session's time restates fewer
        default=100_000, gt=0, description="final points that are known, the newest, so that an earlier value of one does not take its place"
    )
    retry_at_most: _Duration = Field(default=30_000, gt=0, description="longest pause between two tries while InfluxDB is away")

    @property
    def secret(self) -> str:
        """The token itself: for the client's headers only."""
        if self.token is None:
            raise SettingsError("InfluxDB asks for a token, and none is set; set DRIFTWARDEN_INFLUX_TOKEN")
        return self.token.get_secret_value()
