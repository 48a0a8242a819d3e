"""*Retraining*: why was there a training, or none; what did the gate see; which version descends from which; what did it cost?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as of_board
from grafana_foundation_sdk.builders.common import ReduceDataOptions
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, BigValueGraphMode, GraphDrawStyle, VizOrientation
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from tools.dashboards.board import board, coloured_cell, lines, marks, model_variable, number, rows, states_over_time
from tools.dashboards.flux import COLUMNS, INFLUXDB, MODEL, Flux, points, thinned
from tools.dashboards.look import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION, by_limits, drawn, fixed, limits, words

OUTCOMES = {
    "registered": ("trained", SKY),
    "updated": ("went on learning", SKY),
    "promoted": ("promoted", GREEN),
    "rejected": ("refused", ORANGE),
    "rolled_back": ("rolled back", VERMILION),
}
STAGES = {
    "serving": ("serving: nothing is under way", GREY),
    "collecting": ("collecting labels", SKY),
    "training": ("training", BLUE),
    "validating": ("validating: the gate judges", ORANGE),
}

COUNTS = f"""told = {points("version", "revision", MODEL)}
  |> group(columns: ["status"])
  |> count()
  |> map(fn: (r) => ({{status: r.status, _value: r._value}}))

none = (status) => {points("version", "revision", MODEL)}
  |> group()
  |> first()
  |> map(fn: (r) => ({{status: status, _value: 0}}))

union(tables: [told, none(status: "registered"), none(status: "promoted"), none(status: "rejected"), none(status: "rolled_back")])
  |> group(columns: ["status"])
  |> sum()
  |> group()
  |> pivot(rowKey: [], columnKey: ["status"], valueColumn: "_value")"""

COST = f"""{points("version", "cpu_seconds", MODEL, 'r.status == "registered" or r.status == "updated"')}
  |> group()
  |> sum()
  |> keep(columns: ["_value"])"""

# Decisions on one event have one time; a cause runs through its stages in this order.
STAGE = f"""{points("retraining", "stage", MODEL)}
  |> map(fn: (r) => ({{r with place: if r._value == "collecting" then 1 else if r._value == "training" then 2 else if r._value == "validating" then 3 else 4}}))
  |> group(columns: ["model"])
  |> sort(columns: ["_time", "place"])
  |> keep(columns: ["_time", "_value", "model"])"""

# On a logarithmic scale, as evidence multiplies; what has been reached is reached.
EVIDENCE = f"""import "math"

{points("version", "wealth|threshold", MODEL, 'r.status == "promoted" or r.status == "rejected"')}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.wealth and exists r.threshold and r.wealth > 0.0 and r.threshold > 1.0)
  |> map(fn: (r) => ({{_time: r._time, version: r.version, status: r.status, share: math.log(x: r.wealth) / math.log(x: r.threshold)}}))
  |> map(fn: (r) => ({{_time: r._time, version: r.version, status: r.status, _value: math.mMax(x: 0.0, y: math.mMin(x: 1.0, y: r.share))}}))
  |> group(columns: ["version", "status"])
  |> sort(columns: ["_time"])"""

GAIN = f"""{points("version", "difference|difference_low|difference_high", MODEL)}
  |> group()
  |> pivot(rowKey: ["_time", "version"], columnKey: ["_field"], valueColumn: "_value")
  |> sort(columns: ["_time", "version"])
  |> keep(columns: ["_time", "difference", "difference_low", "difference_high"])
  |> rename(columns: {{difference: "gain", difference_low: "low", difference_high: "high"}})"""

BY_VERSION = f"""{points("cohort", "accuracy|mae", MODEL)}
  |> group(columns: ["version", "_field"]){thinned()}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, version: r.version, metric: r._field}}))"""

JUDGED = 'r.status == "promoted" or r.status == "rejected"'
TOLD = "labels|difference|difference_low|difference_high|wealth|threshold|wealth_against|reason"

VERDICTS = f"""{points("version", TOLD, MODEL, JUDGED)}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> filter(fn: (r) => exists r.labels)
  |> sort(columns: ["_time"], desc: true)
  |> keep(columns: ["_time", "version", "status", "labels", "difference", "difference_low", "difference_high", "wealth", "threshold", "wealth_against", "reason"])
  |> rename(columns: {{_time: "at", status: "verdict", difference: "gain", difference_low: "low", difference_high: "high", threshold: "needed", wealth_against: "against"}})"""

LINEAGE = f"""{points("version", "parent|cause|by|rows|cpu_seconds|reason", MODEL, always=True)}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["_time"], desc: true)
  |> keep(columns: ["_time", "version", "status", "parent", "cause", "by", "rows", "cpu_seconds", "reason"])
  |> rename(columns: {{_time: "at", status: "what", cpu_seconds: "seconds"}})"""

DECISIONS = f"""{points("retraining", "event|stage|cause|reason|version", MODEL)}
  |> group()
  |> pivot(rowKey: ["_time", "instruction"], columnKey: ["_field"], valueColumn: "_value")
  |> sort(columns: ["_time"], desc: true)
  |> keep(columns: ["_time", "event", "instruction", "stage", "version", "cause", "reason"])
  |> rename(columns: {{_time: "at", event: "happened", instruction: "decided"}})"""

SPENT = f"""{points("version", "cpu_seconds|rows", MODEL, 'r.status == "registered" or r.status == "updated"')}
  |> group(columns: ["_field"]){thinned("sum")}{COLUMNS}"""


def retraining() -> of_board.Dashboard:
    """The board."""
    told = "One model's retraining: why there was a training or none, what the gate saw, which version descends from which, and what it cost."
    built = board("Driftwarden: Retraining", "driftwarden-retraining", told).annotations(marks()).with_variable(model_variable())
    for panel in (_counts(), _cost(), _stage(), _evidence(), _gain(), _verdicts(), _by_version(), _spent(), _lineage(), _decisions()):
        built = built.with_panel(panel)
    return built


def _counts() -> stat.Panel:
    what = "What became of versions in the range. Many that are trained and refused: the changes do not hurt, or the trainer cannot follow them; read the reasons below."
    return number("Versions", what, COUNTS).span(18).color_scheme(fixed(SKY)).graph_mode(BigValueGraphMode.NONE).decimals(0)


def _cost() -> stat.Panel:
    what = "Processor time of all trainings in the range. Bound it with retrain.quotas in monitor.yaml."
    return number("Cost", what, COST).unit("s").color_scheme(fixed(SKY)).graph_mode(BigValueGraphMode.NONE).display_name("processor time")


def _stage() -> statetimeline.Panel:
    what = "What the retrainer is at. Long 'collecting': too few labels come; long 'validating': no challenger is clearly better, nor clearly not."
    return states_over_time("Stage", what, STAGE).height(4).mappings([words(STAGES)]).display_name("${__field.labels.model}")


def _evidence() -> bargauge.Panel:
    what = (
        "How far the evidence for each challenger came at its verdict, on a logarithmic scale: at 100 % it is proved better than the champion at the stated error "
        "rate. One that was near and refused deserves a look at its reason."
    )
    built = bargauge.Panel().title("Gate: evidence for each challenger").description(what).datasource(INFLUXDB).height(8).span(12).with_target(Flux(EVIDENCE))
    built = built.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)).orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
    built = built.unit("percentunit").min(0).max(1).decimals(0).display_name("version ${__field.labels.version}, ${__field.labels.status}")
    return built.color_scheme(by_limits()).thresholds(limits((None, ORANGE), (1, GREEN)))


def _gain() -> timeseries.Panel:
    what = "Loss of the champion minus that of each challenger on the same labelled events, with its 95 % interval, at the time of the verdict: above 0 the challenger is better."
    shown = lines("Champion against challengers", what, GAIN).draw_style(GraphDrawStyle.POINTS).point_size(9).decimals(3).axis_centered_zero(axis_centered_zero=True)
    return shown.override_by_name("gain", drawn(BLUE)).override_by_name("low", [*drawn(SKY), _small()]).override_by_name("high", [*drawn(SKY), _small()])


def _small() -> DynamicConfigValue:
    return DynamicConfigValue(id_val="custom.pointSize", value=5)


def _verdicts() -> table.Panel:
    what = (
        "The gate's verdicts with their evidence: promoted where the wealth reaches what is needed, refused where the evidence against does. 'gain' is in units of "
        "the loss (errors, for classes), with its 95 % interval."
    )
    shown = rows("Gate: verdicts", what, VERDICTS).height(7).override_by_name("verdict", [*coloured_cell(), _outcomes()])
    return shown.override_by_regexp("/wealth|needed|against/", [DynamicConfigValue(id_val="unit", value="sci")]).override_by_regexp("/gain|low|high/", _decimals(3))


def _by_version() -> timeseries.Panel:
    what = "Each hour's performance by the version that served. After a promotion the new line should lie above the old one (below it, for an error); where not, roll it back."
    return lines("Versions in service", what, BY_VERSION).decimals(3).point_size(6).display_name("version ${__field.labels.version} · ${__field.labels.metric}")


def _spent() -> timeseries.Panel:
    what = "Processor time of trainings (bars), and the rows that they took (points, right axis). Rows that grow without a gain: shorten the window of the training set."
    rows_axis = [
        *drawn(ORANGE),
        DynamicConfigValue(id_val="custom.axisPlacement", value="right"),
        DynamicConfigValue(id_val="unit", value="short"),
        DynamicConfigValue(id_val="custom.drawStyle", value="points"),
    ]
    shown = lines("Cost of trainings", what, SPENT).draw_style(GraphDrawStyle.BARS).fill_opacity(60).unit("s").min(0)
    return shown.override_by_name("cpu_seconds", drawn(BLUE)).override_by_name("rows", rows_axis)


def _lineage() -> table.Panel:
    what = (
        "What happened to every version, the newest first: its parent is the champion that it was to follow, its cause the alert or request that asked for it. "
        "Everything of one: driftwarden models lineage."
    )
    shown = rows("Lineage", what, LINEAGE).override_by_name("what", [*coloured_cell(), _outcomes()])
    return shown.override_by_name("seconds", [DynamicConfigValue(id_val="unit", value="s")])


def _decisions() -> table.Panel:
    what = "Every decision with its reason; not to retrain is one, too. Begin here when a training is missed, or when one was not expected."
    return rows("Decisions", what, DECISIONS).override_by_name("reason", [DynamicConfigValue(id_val="custom.width", value=560)])


def _outcomes() -> DynamicConfigValue:
    return DynamicConfigValue(id_val="mappings", value=[words(OUTCOMES)])


def _decimals(places: int) -> list[DynamicConfigValue]:
    return [DynamicConfigValue(id_val="decimals", value=places)]
