"""`driftwarden influx setup` makes what Grafana reads, and can be run again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from influxdb_client import InfluxDBClient

from detectors.alerts.alert import Alert
from detectors.errors import DriftwardenError, SettingsError
from retrainer.versions import Version
from streams.influx.annotations import EVIDENCE, alert_point, version_point
from streams.influx.settings import InfluxSettings
from streams.influx.setup import set_up
from tests.influx.conftest import NOBODY, Influxd


def test_setup_makes_buckets_and_the_task_once(influx: Influxd, bucket: str) -> None:
    settings = influx.settings(bucket)
    assert set_up(settings, keep_seconds=86_400, keep_hourly_seconds=0) == [
        f"bucket {bucket}: made",
        f"bucket {bucket}_hourly: made",
        f"task 'driftwarden: {bucket} by the hour': made",
    ]
    assert set_up(settings, keep_seconds=86_400, keep_hourly_seconds=0) == []
    assert set_up(settings, keep_seconds=172_800, keep_hourly_seconds=0) == [f"bucket {bucket}: keeps differently now"]
    with InfluxDBClient(url=influx.url, token=settings.secret, org=settings.org) as client:
        assert client.buckets_api().find_bucket_by_name(bucket).retention_rules[0].every_seconds == 172_800
        (task,) = client.tasks_api().find_tasks(name=f"driftwarden: {bucket} by the hour")
        run = client.tasks_api().run_manually(task.id)
        assert run.status in {"scheduled", "started", "success"}


def test_setup_names_what_is_wrong(influx: Influxd, bucket: str) -> None:
    with pytest.raises(SettingsError, match=r"refused .401.*a token that may make buckets"):
        set_up(influx.settings(bucket, **NOBODY), keep_seconds=0, keep_hourly_seconds=0)
    with pytest.raises(DriftwardenError, match=r"no InfluxDB answers on http://127\.0\.0\.1:1 "):
        set_up(influx.settings(bucket, url="http://127.0.0.1:1"), keep_seconds=0, keep_hourly_seconds=0)


def test_every_setting_and_every_field_of_an_annotation_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs/influxdb.md").read_text()
    for name, field in InfluxSettings.model_fields.items():
        assert f"| `DRIFTWARDEN_INFLUX_{name.upper()}` |" in page
        if isinstance(field.default, str):
            assert f"`{field.default}`" in page
    alert = Alert(
        alert_id="a", sequence=0, status="opened", kind="drift", severity="warning", model="m", model_version="1", segment="", opened_at=0, updated_at=0, change_at=0,
        summary="", monitors=(), budget="1 per 30d",
    )  # fmt: skip
    judged = Version(model="m", version="1", status="promoted", at=0, metrics={"cpu_seconds": 1.0}, gate=dict.fromkeys(EVIDENCE, 1.0) | {"interval": [0.1, 0.2]})
    for point in (alert_point(alert), version_point(judged)):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{point.measurement}` |")]
        assert row.split("|")[2].strip() == ", ".join(point.tags)
        assert re.findall(r"`(\w+)`", row.split("|")[4]) == list(point.fields)
