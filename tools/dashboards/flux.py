"""Queries in Flux, as panels, variables and annotations carry them."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import AnnotationTarget, DataSourceRef

INFLUXDB = DataSourceRef(type_val="influxdb", uid="driftwarden")
MODEL = "r.model == ${model:json}"  # quoted and escaped by Grafana, whatever the name holds
WINDOW = "r.window == ${window:json}"
# A model without segments has points without that tag.
VERSION = "(not exists r.version or r.version =~ /^(${version:regex})$/)"
SEGMENT = "(not exists r.segment or r.segment =~ /^(${segment:regex})$/)"


class FluxQuery(Dataquery):
    """One query of a panel; the SDK has none of InfluxDB's."""

    def __init__(self, query: str, ref_id: str) -> None:
        self._query = query
        self._ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """As Grafana's data source reads it."""
        return {"datasource": INFLUXDB, "query": self._query, "refId": self._ref_id}


class Flux(Builder[FluxQuery]):
    """Builds a query for a panel."""

    def __init__(self, query: str, ref_id: str = "A") -> None:
        self._built = FluxQuery(query, ref_id)

    def build(self) -> FluxQuery:
        """The query."""
        return self._built


class FluxAnnotation(AnnotationTarget):
    """The query of an annotation: rows of ``time``, ``text`` and ``tags``."""

    def __init__(self, query: str) -> None:
        super().__init__()
        self._query = query

    def to_json(self) -> dict[str, object]:
        """As Grafana's data source reads it."""
        return {"query": self._query, "refId": "Anno"}


class Annotated(Builder[AnnotationTarget]):
    """Builds the query of an annotation."""

    def __init__(self, query: str) -> None:
        self._built = FluxAnnotation(query)

    def build(self) -> AnnotationTarget:
        """The query."""
        return self._built


def points(measurement: str, fields: str, *conditions: str, always: bool = False) -> str:
    """Points of a measurement in the board's range of time.

    Parameters
    ----------
    fields : a regular expression of their names.
    conditions : each a filter of its own, so that InfluxDB's storage is asked for the plain ones.
    always : from the beginning on: what holds now may have begun before the board's range.
    """
    start = "0" if always else "v.timeRangeStart"
    wanted = "".join(f"\n  |> filter(fn: (r) => {condition})" for condition in (f'r._measurement == "{measurement}"', f"r._field =~ /^({fields})$/", *conditions))
    return f"from(bucket: v.defaultBucket)\n  |> range(start: {start}, stop: v.timeRangeStop){wanted}"


def thinned(function: str = "last") -> str:
    """As many points as the panel has pixels."""
    return f"\n  |> aggregateWindow(every: v.windowPeriod, fn: {function}, createEmpty: false)"


COLUMNS = '\n  |> group()\n  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")\n  |> sort(columns: ["_time"])'
"""A column a field: one frame, whose series have the fields' names."""

OPEN_ALERTS = f"""{points("alert", "alert_id|sequence|open|opened_at|change_at|summary", always=True)}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group(columns: ["model", "alert_id"])
  |> sort(columns: ["_time", "sequence"])
  |> last(column: "alert_id")
  |> filter(fn: (r) => r.open)"""
"""The last record of each alert that is not resolved, one row an alert."""
