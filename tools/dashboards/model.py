"""*Model*: what is asked of it, how well it answers, what changed, and since when."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as of_board
from grafana_foundation_sdk.builders import heatmap, stat, statetimeline, table, timeseries

from tools.dashboards.board import board, coloured_cell, heat, lines, marks, model_variable, number, rows, states_over_time, tag_values, variable
from tools.dashboards.flux import COLUMNS, MODEL, OPEN_ALERTS, SEGMENT, VERSION, WINDOW, points, thinned
from tools.dashboards.look import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, band, by_limits, drawn, fixed, limits, states, unseen

WORST = f"""{points("monitor", "status", MODEL)}
  |> last()
  |> group()
  |> max()
  |> keep(columns: ["_time", "_value"])"""

OPEN = f"""union(tables: [
  {OPEN_ALERTS.replace(chr(10), chr(10) + "  ")}
    |> filter(fn: (r) => {MODEL})
    |> map(fn: (r) => ({{_time: r._time, _value: 1.0}})),
  {points("traffic", "predictions", MODEL).replace(chr(10), chr(10) + "  ")}
    |> map(fn: (r) => ({{_time: r._time, _value: 0.0}})),
])
  |> group()
  |> reduce(fn: (r, accumulator) => ({{_value: accumulator._value + r._value}}), identity: {{_value: 0.0}})"""

COVERAGE = f"""{points("performance", "coverage", MODEL, WINDOW)}{thinned()}
  |> group()
  |> keep(columns: ["_time", "_value"])"""

SERVING = f"""{points("traffic", "predictions", MODEL)}
  |> last()
  |> group()
  |> sort(columns: ["_time"])
  |> last()
  |> map(fn: (r) => ({{version: "version " + r.version}}))"""

PERFORMANCE = f"""import "strings"

told = union(tables: [
  {points("performance", "${metric:regex}(_low|_high)?", MODEL, WINDOW)},
  {points("estimate", "estimated_${metric:regex}(_low|_high)?", MODEL, WINDOW)},
])
  |> group(columns: ["_field"]){thinned()}
  |> map(fn: (r) => ({{r with _field: strings.replaceAll(v: r._field, t: "estimated_${{metric}}", u: "estimated")}}))
  |> map(fn: (r) => ({{r with _field: strings.replaceAll(v: r._field, t: "${{metric}}", u: "realised")}}))
  |> keep(columns: ["_time", "_value", "_field"])

told{COLUMNS}"""

BY_VERSION = f"""{points("cohort", "${metric:regex}", MODEL, VERSION)}
  |> group(columns: ["version"]){thinned()}
  |> keep(columns: ["_time", "_value", "version"])"""

BY_SEGMENT = f"""{points("segment", "${metric:regex}", MODEL, WINDOW, SEGMENT)}
  |> group(columns: ["segment"]){thinned()}
  |> keep(columns: ["_time", "_value", "segment"])"""

LABELS = f"""{points("performance", "coverage(_low|_high)?", MODEL, WINDOW)}
  |> group(columns: ["_field"]){thinned()}{COLUMNS}"""

TRAFFIC = f"""{points("traffic", "predictions", MODEL, VERSION, SEGMENT)}
  |> group(columns: ["version"]){thinned("sum")}
  |> keep(columns: ["_time", "_value", "version"])"""

LATENCY = f"""{points("service", "latency_p50|latency_p95|latency_p99", MODEL, WINDOW)}
  |> group(columns: ["_field"]){thinned()}{COLUMNS}
  |> rename(columns: {{latency_p50: "p50", latency_p95: "p95", latency_p99: "p99"}})"""

FAILED = f"""{points("service", "failed(_low|_high)?", MODEL, WINDOW)}
  |> group(columns: ["_field"]){thinned()}{COLUMNS}"""

DELAY = f"""{points("service", "label_delay_p50|label_delay_p90", MODEL, WINDOW)}
  |> group(columns: ["_field"]){thinned()}{COLUMNS}
  |> rename(columns: {{label_delay_p50: "p50", label_delay_p90: "p90"}})"""

# Times what chance makes: a distance by itself falls with n, and says nothing.
DRIFT = f"""{points("drift", "jensen_shannon|jensen_shannon_by_chance", MODEL, WINDOW)}
  |> group(columns: ["feature", "_field"]){thinned()}
  |> group()
  |> pivot(rowKey: ["_time", "feature"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.jensen_shannon and exists r.jensen_shannon_by_chance and r.jensen_shannon_by_chance > 0.0)
  |> map(fn: (r) => ({{_time: r._time, feature: r.feature, times: r.jensen_shannon / r.jensen_shannon_by_chance}}))
  |> pivot(rowKey: ["_time"], columnKey: ["feature"], valueColumn: "times")
  |> sort(columns: ["_time"])"""

QUALITY = f"""{points("quality", "rate", MODEL, WINDOW)}
  |> group(columns: ["feature", "kind"]){thinned("max")}
  |> map(fn: (r) => ({{r with column: if exists r.feature then r.kind + " " + r.feature else r.kind}}))
  |> group()
  |> pivot(rowKey: ["_time"], columnKey: ["column"], valueColumn: "_value")
  |> sort(columns: ["_time"])"""

MONITORS = f"""{points("monitor", "status", MODEL)}
  |> group(columns: ["monitor"]){thinned("max")}
  |> keep(columns: ["_time", "_value", "monitor"])"""

ALERTS = f"""{points("alert", "alert_id|status|summary|opened_at|change_at|causes|model_version", MODEL, always=True)}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> map(fn: (r) => ({{r with time: r._time, began: time(v: int(v: r.change_at) * 1000000)}}))
  |> keep(columns: ["time", "status", "severity", "kind", "began", "model_version", "summary", "causes", "alert_id"])
  |> sort(columns: ["time"], desc: true)"""


def model() -> of_board.Dashboard:
    """The board."""
    told = "One model: what is asked of it, how well it answers, what changed and since when. Marks on the charts are alerts (orange) and versions (blue)."
    built = board("Driftwarden: Model", "driftwarden-model", told).annotations(marks())
    windows = tag_values("window", f'r._measurement == "performance" and {MODEL}')
    asked = 'predicate: (r) => r._measurement == "performance", start: v.timeRangeStart, stop: v.timeRangeStop'
    fields = f'import "influxdata/influxdb/schema"\nschema.fieldKeys(bucket: v.defaultBucket, {asked})'
    version, segment = (
        tag_values(tag, f"({told}) and {MODEL}")
        for tag, told in (("version", 'r._measurement == "traffic"'), ("segment", 'r._measurement == "traffic" or r._measurement == "segment"'))
    )
    for choice in (
        model_variable(),
        variable("window", "Window", "length of the rolling windows: a short one is quick, a long one is sure", windows),
        variable("metric", "Metric", "of performance", fields, regex="/^(?!.*(?:_low|_high|_n|^rows|^coverage)$).+$/"),
        variable("version", "Version", "versions of the model, where points are told by version", version, several=True),
        variable("segment", "Segment", "declared segments, where points are told by segment", segment, several=True),
    ):
        built = built.with_variable(choice)
    for panel in (
        _worst(),
        _open(),
        _serving(),
        _coverage(),
        _performance(),
        _by_version(),
        _by_segment(),
        _labels(),
        _drift(),
        _monitors(),
        _quality(),
        _traffic(),
        _latency(),
        _failed(),
        _delay(),
        _alerts(),
    ):
        built = built.with_panel(panel)
    return built


def _worst() -> stat.Panel:
    what = (
        "The worst state of its monitors now. 'drift': look which bar below turned, then at the alert. 'not trustworthy': an assumption of a monitor is broken; its "
        "reference no longer fits."
    )
    return number("State", what, WORST).mappings([states()]).color_scheme(by_limits()).display_name("worst monitor")


def _open() -> stat.Panel:
    what = "Alerts that are not resolved. Acknowledge what is meant to stay with: driftwarden alerts acknowledge."
    return number("Open alerts", what, OPEN).color_scheme(by_limits()).thresholds(limits((None, GREEN), (1, VERMILION))).display_name("open alerts").decimals(0)


def _serving() -> table.Panel:
    what = "The version that the last prediction came from. Another one than you expect: look at the Retraining board, or take it back with: driftwarden models rollback."
    return rows("Serving", what, SERVING).height(5).span(6)


def _coverage() -> stat.Panel:
    what = "Labels per prediction in the window. Where it falls, labels are late or lost: performance is then of the labelled only."
    return number("Coverage", what, COVERAGE).unit("percentunit").color_scheme(fixed(SKY)).display_name("labels per prediction").decimals(1)


def _performance() -> timeseries.Panel:
    what = (
        "The chosen metric from labels (realised) and without them (estimated), each with its 95 % interval. Intervals that part: the relation of inputs to labels "
        "changed, which no estimate sees. Both fall: the inputs explain it."
    )
    shown = lines("Performance, realised and estimated", what, PERFORMANCE).height(10).decimals(3)
    shown = shown.override_by_name("realised", drawn(BLUE)).override_by_name("realised_high", band(BLUE, "realised_low")).override_by_name("realised_low", unseen(BLUE))
    return (
        shown.override_by_name("estimated", drawn(ORANGE, dashed=True))
        .override_by_name("estimated_high", band(ORANGE, "estimated_low"))
        .override_by_name("estimated_low", unseen(ORANGE))
    )


def _by_version() -> timeseries.Panel:
    what = (
        "The metric of each hour's predictions, by the version that made them, restated as labels come. A new version that is worse than the last one was is a "
        "reason to roll it back."
    )
    return lines("Performance by version", what, BY_VERSION).height(10).decimals(3).display_name("version ${__field.labels.version}").point_size(6)


def _by_segment() -> timeseries.Panel:
    what = "The metric for each value of a declared segment. A segment that parts from the others is where to look for the cause; few rows scatter widely."
    return lines("Performance by segment", what, BY_SEGMENT).decimals(3).display_name("${__field.labels.segment}")


def _labels() -> timeseries.Panel:
    what = (
        "Labels per prediction, with its 95 % interval; above 1 where labels of earlier predictions catch up. A fall means that labels are late or lost: ask those "
        "who deliver them."
    )
    shown = lines("Label coverage", what, LABELS).unit("percentunit").min(0)
    return shown.override_by_name("coverage", drawn(BLUE)).override_by_name("coverage_high", band(BLUE, "coverage_low")).override_by_name("coverage_low", unseen(BLUE))


def _drift() -> heatmap.Panel:
    what = (
        "Jensen-Shannon distance of each feature from the reference, as a multiple of what chance alone makes in 19 of 20 windows: up to 1 is nothing. A row that "
        "lights up is the feature that moved; an alert says whether it matters."
    )
    return heat("Drift by feature", what, DRIFT).unit("none").decimals(1)


def _monitors() -> statetimeline.Panel:
    what = "Every monitor's state. The first bar to turn to 'drift' is the likeliest cause; what turns with it is often its consequence."
    return states_over_time("Monitors", what, MONITORS).height(14).mappings([states()]).display_name("${__field.labels.monitor}")


def _quality() -> heatmap.Panel:
    what = (
        "Share of values that are missing, out of range, unseen, of another type or undeclared, by feature. A row that lights up points at the feed of that column, "
        "not at the model."
    )
    return heat("Data quality", what, QUALITY).unit("percentunit")


def _traffic() -> timeseries.Panel:
    what = "Predictions in each step of the chart, by version. A hand-over from one version to the next is a promotion or a rollback; a gap is a silence of the service."
    return lines("Traffic", what, TRAFFIC).unit("short").min(0).display_name("version ${__field.labels.version}").fill_opacity(10)


def _latency() -> timeseries.Panel:
    what = (
        "Half, 95 and 99 of 100 answers were faster. A p99 that rises alone is a few slow ones; if p50 rises too, the whole service is slow. Empty where the "
        "application does not tell latencies."
    )
    return (
        lines("Latency", what, LATENCY)
        .unit("ms")
        .min(0)
        .override_by_name("p50", drawn(SKY))
        .override_by_name("p95", drawn(ORANGE))
        .override_by_name("p99", drawn(VERMILION, dashed=True))
    )


def _failed() -> timeseries.Panel:
    what = "Share of predictions with status 'error', with its 95 % interval. A rise after a version mark is that version's; without one look at the service."
    shown = lines("Error rate", what, FAILED).unit("percentunit").min(0)
    return shown.override_by_name("failed", drawn(VERMILION)).override_by_name("failed_high", band(VERMILION, "failed_low")).override_by_name("failed_low", unseen(VERMILION))


def _delay() -> timeseries.Panel:
    what = "How long labels take: half, and 90 of 100, came sooner. What performance says is that old; a rise means that alarms from labels come later, too."
    return lines("Label delay", what, DELAY).unit("ms").min(0).override_by_name("p50", drawn(SKY)).override_by_name("p90", drawn(PURPLE, dashed=True))


def _alerts() -> table.Panel:
    what = "Every record of the model's alerts, the newest first: what changed, since when, and what else happened then. The evidence of one: driftwarden alerts explain."
    shown = rows("Alerts", what, ALERTS).override_by_name("severity", coloured_cell())
    return shown.override_by_name("status", coloured_cell((None, GREY)))
