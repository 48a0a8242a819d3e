"""*Fleet*: is every model healthy, since when not, why, and what was done about it?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as of_board
from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from tools.dashboards.board import board, coloured_cell, lines, linked, number, rows, states_over_time
from tools.dashboards.flux import OPEN_ALERTS, points, thinned
from tools.dashboards.look import ORANGE, SKY, VERMILION, fixed, states

TO_MODEL = "/d/driftwarden-model?${__url_time_range}&var-model="

# Numbers of one model in one column each, whatever of them it has: a model without alerts, or without monitors, has its row all the same.
STATE = f"""states = {points("monitor", "status")}
  |> last()
  |> group(columns: ["model"])
  |> max()
  |> map(fn: (r) => ({{model: r.model, name: "state", amount: r._value}}))

opened = {OPEN_ALERTS}
  |> map(fn: (r) => ({{model: r.model, name: r.severity, amount: 1.0}}))

served = {points("traffic", "predictions")}
  |> group(columns: ["model"])
  |> sum()
  |> map(fn: (r) => ({{model: r.model, name: "predictions", amount: r._value}}))

none = (name) => served |> map(fn: (r) => ({{model: r.model, name: name, amount: 0.0}}))

union(tables: [states, opened, served, none(name: "critical"), none(name: "warning"), none(name: "state")])
  |> group(columns: ["model", "name"])
  |> sum(column: "amount")
  |> group()
  |> pivot(rowKey: ["model"], columnKey: ["name"], valueColumn: "amount")
  |> map(fn: (r) => ({{r with badness: r.critical * 1000.0 + r.warning * 10.0 + r.state}}))
  |> sort(columns: ["badness"], desc: true)"""

WHY = f"""{OPEN_ALERTS}
  |> group(columns: ["model"])
  |> sort(columns: ["opened_at"])
  |> first(column: "alert_id")
  |> group()
  |> map(fn: (r) => ({{model: r.model, since: time(v: int(v: r.opened_at) * 1000000), began: time(v: int(v: r.change_at) * 1000000), why: r.summary}}))"""

DONE = f"""{points("retraining", "reason", always=True)}
  |> group(columns: ["model"])
  |> sort(columns: ["_time"])
  |> last()
  |> group()
  |> map(fn: (r) => ({{model: r.model, done: r.instruction + ": " + r._value}}))"""

SERVING = f"""{points("traffic", "predictions")}
  |> last()
  |> group(columns: ["model"])
  |> sort(columns: ["_time"])
  |> last()
  |> group()
  |> map(fn: (r) => ({{model: r.model, version: r.version, seen: r._time}}))"""

STATES = f"""{points("monitor", "status")}{thinned("max")}
  |> group(columns: ["model", "_time"])
  |> max()
  |> group(columns: ["model"])
  |> sort(columns: ["_time"])
  |> keep(columns: ["_time", "_value", "model"])"""

TRAFFIC = f"""{points("traffic", "predictions")}
  |> group(columns: ["model"]){thinned("sum")}
  |> keep(columns: ["_time", "_value", "model"])"""

# Tables come in the order of their groups, whose first column is the model's place: the least accurate comes first.
PERFORMANCE = f"""told = {points("performance", "accuracy|mae")}
  |> group(columns: ["model", "window", "_field"]){thinned()}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, model: r.model, window: r.window, metric: r._field}}))

place = told
  |> group(columns: ["model", "window", "metric"])
  |> last()
  |> map(fn: (r) => ({{model: r.model, window: r.window, metric: r.metric, a_place: string(v: if r.metric == "accuracy" then 1.0 + r._value else 3.0)}}))
  |> group()

join(tables: {{told: told |> group(), place: place}}, on: ["model", "window", "metric"])
  |> group(columns: ["a_place", "model", "window", "metric"])
  |> sort(columns: ["_time"])"""


def fleet() -> of_board.Dashboard:
    """The board."""
    built = board(
        "Driftwarden: Fleet",
        "driftwarden-fleet",
        "All models, the worst first: is it healthy, since when not, why, and what was done about it. A click on a model leads to its board.",
    )
    return built.with_panel(_models()).with_panel(_states()).with_panel(_performance()).with_panel(_traffic())


def _models() -> table.Panel:
    shown = rows(
        "Models, the worst first",
        "By open alerts, then by the worst state of a model's monitors. Begin with the first row; a click on the model opens its board. "
        "'Why' is the oldest alert that is open, 'what was done' the last decision of the retrainer.",
        STATE,
        WHY,
        DONE,
        SERVING,
    ).height(10)
    order = ["model", "state", "critical", "warning", "since", "began", "why", "done", "version", "predictions", "seen"]
    renamed = {
        "critical": "critical alerts",
        "warning": "warnings",
        "since": "alert since",
        "began": "change began",
        "done": "what was done",
        "version": "serving version",
        "seen": "last prediction",
    }
    tidied = {"excludeByName": {"badness": True}, "indexByName": {name: place for place, name in enumerate(order)}, "renameByName": renamed}
    return (
        shown.with_transformation(DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": "badness", "desc": True}]}))
        .with_transformation(DataTransformerConfig(id_val="organize", options=tidied))
        .override_by_name("model", linked("Open the board of this model", TO_MODEL + "${__value.raw}"))
        .override_by_name("state", [*coloured_cell(), DynamicConfigValue(id_val="mappings", value=[states()])])
        .override_by_name("critical alerts", coloured_cell((None, "transparent"), (1, VERMILION)))
        .override_by_name("warnings", coloured_cell((None, "transparent"), (1, ORANGE)))
        .override_by_name("predictions", [DynamicConfigValue(id_val="unit", value="short")])
        .override_by_name("why", [DynamicConfigValue(id_val="custom.width", value=380)])
        .override_by_name("what was done", [DynamicConfigValue(id_val="custom.width", value=320)])
        .no_value("–")
    )


def _states() -> statetimeline.Panel:
    what = (
        "The worst state of any monitor of a model. A bar that turned to 'drift' is where to look; 'learning' ends by itself, 'insufficient data' asks for more "
        "traffic or labels, 'not trustworthy' for another reference."
    )
    return states_over_time("States", what, STATES).mappings([states()]).display_name("${__field.labels.model}").data_links([_to_model()])


def _performance() -> stat.Panel:
    what = (
        "Accuracy, or the mean absolute error of a regression, in each rolling window, the least accurate first. A line that falls, or an error that rises, without "
        "an alert is within what chance does; open the model to see its interval."
    )
    shown = number("Performance, the least accurate first", what, PERFORMANCE).height(8).span(24).decimals(3).color_scheme(fixed(SKY))
    return shown.display_name("${__field.labels.model} · ${__field.labels.metric} · ${__field.labels.window}").data_links([_to_model()])


def _traffic() -> timeseries.Panel:
    what = "Predictions in each step of the chart. A line that ends is a model that is silent: look at its service, then at the lag on 'Driftwarden itself'."
    return lines("Traffic", what, TRAFFIC).span(24).unit("short").min(0).display_name("${__field.labels.model}").data_links([_to_model()])


def _to_model() -> of_board.DashboardLink:
    """From a model's line to its board."""
    return of_board.DashboardLink("Open the board of this model").url(TO_MODEL + "${__field.labels.model}")
