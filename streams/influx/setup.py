"""`driftwarden influx setup`: the buckets, how long they keep, and the tasks that thin out what is old."""

from __future__ import annotations

from typing import Any

from influxdb_client import BucketRetentionRules, InfluxDBClient, TaskCreateRequest
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from detectors.errors import DriftwardenError, SettingsError
from streams.influx.settings import InfluxSettings

_ROLLING = ("performance", "service", "class", "segment", "fairness", "estimate", "objective", "drift", "feature", "correlation", "quality", "monitor")
"""Measurements of a window or a state: the last of an hour says what held then; a mean of rolling values would be of no window."""

_TASK = """\
import "types"

option task = {{name: "{name}", every: 1h, offset: 10m}}

told = from(bucket: "{bucket}")
  |> range(start: -3h)
  |> filter(fn: (r) => types.isType(v: r._value, type: "float"))

told
  |> filter(fn: (r) => {rolling})
  |> aggregateWindow(every: 1h, fn: last, createEmpty: false)
  |> to(bucket: "{hourly}", org: "{org}")

told
  |> filter(fn: (r) => r._measurement == "traffic")
  |> aggregateWindow(every: 1h, fn: sum, createEmpty: false)
  |> to(bucket: "{hourly}", org: "{org}")
"""
# Three hours: an hour is written again while its last panes close.


def hourly(bucket: str) -> str:
    """Where points go that are thinned out to one an hour.

    Examples
    --------
    >>> hourly("driftwarden")
    'driftwarden_hourly'
    """
    return f"{bucket}_hourly"


def set_up(settings: InfluxSettings, *, keep_seconds: int, keep_hourly_seconds: int) -> list[str]:
    """Make, or bring up to date, both buckets and the task; 0 seconds keep for ever. Returns a line for each thing that was made or changed."""
    with InfluxDBClient(url=settings.url, token=settings.secret, org=settings.org, timeout=10_000) as client:
        try:
            organizations = client.organizations_api().find_organizations(org=settings.org)
            said = [_bucket(client, name, organizations[0].id, seconds) for name, seconds in ((settings.bucket, keep_seconds), (hourly(settings.bucket), keep_hourly_seconds))]
            said.append(_task(client, settings, organizations[0]))
        except ApiException as error:
            why = f"({error.status}): {error.message or error.reason}"
            raise SettingsError(f"InfluxDB on {settings.url} refused {why}; setup needs a token that may make buckets and tasks") from error
        except (HTTPError, OSError) as error:
            raise DriftwardenError(f"no InfluxDB answers on {settings.url} ({type(error).__name__}); set DRIFTWARDEN_INFLUX_URL") from error
    return [line for line in said if line]


def _bucket(client: InfluxDBClient, name: str, organization: str, seconds: int) -> str:
    buckets = client.buckets_api()
    rules = [BucketRetentionRules(type="expire", every_seconds=seconds)]
    found: Any = buckets.find_bucket_by_name(name)
    if found is None:
        buckets.create_bucket(bucket_name=name, org=organization, retention_rules=rules)
        return f"bucket {name}: made"
    if sum(rule.every_seconds for rule in found.retention_rules or ()) == seconds:  # no rule: for ever
        return ""
    found.retention_rules = rules
    buckets.update_bucket(found)
    return f"bucket {name}: keeps differently now"


def _task(client: InfluxDBClient, settings: InfluxSettings, organization: Any) -> str:
    tasks = client.tasks_api()
    name = f"driftwarden: {settings.bucket} by the hour"
    rolling = " or ".join(f'r._measurement == "{measurement}"' for measurement in _ROLLING)
    flux = _TASK.format(name=name, bucket=settings.bucket, hourly=hourly(settings.bucket), org=settings.org, rolling=rolling)
    found = tasks.find_tasks(name=name)
    if not found:
        tasks.create_task(task_create_request=TaskCreateRequest(flux=flux, org_id=organization.id))
        return f"task '{name}': made"
    if found[0].flux == flux:
        return ""
    found[0].flux = flux
    tasks.update_task(found[0])
    return f"task '{name}': changed"
