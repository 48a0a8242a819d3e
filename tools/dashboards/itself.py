"""*Driftwarden itself*: does it keep up, does it lose anything, does it have the room that it needs? In time of the clock, not of events."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as of_board
from grafana_foundation_sdk.builders import stat, timeseries

from tools.dashboards.board import board, lines, number, tag_values, variable
from tools.dashboards.flux import points, thinned
from tools.dashboards.look import GREEN, ORANGE, VERMILION, by_limits, limits

MEASUREMENT = "driftwarden_worker"
OF_WORKERS = "r.worker =~ /^(${worker:regex})$/"


def gauge(field: str, by: str, *, over: str = "sum") -> str:
    """What holds at each time, summed (or the largest) over all that is not told apart."""
    return f"""{points(MEASUREMENT, field, OF_WORKERS)}{thinned()}
  |> group(columns: [{_quoted(by)}, "_time"])
  |> {over}()
  |> group(columns: [{_quoted(by)}])
  |> sort(columns: ["_time"])
  |> keep(columns: ["_time", "_value", {_quoted(by)}])"""


def rate(fields: str, by: str) -> str:
    """Counters as a rate by the second; a counter that begins again at 0 belongs to a process that did."""
    return f"""{points(MEASUREMENT, fields, OF_WORKERS)}{thinned()}
  |> derivative(unit: 1s, nonNegative: true)
  |> group(columns: [{_quoted(by)}, "_time"])
  |> sum()
  |> group(columns: [{_quoted(by)}])
  |> sort(columns: ["_time"])
  |> keep(columns: ["_time", "_value", {_quoted(by)}])"""


def newest(field: str, function: str) -> str:
    """What every process that still tells of itself said last, as one number."""
    return f"""import "date"

{points(MEASUREMENT, field, OF_WORKERS).replace("v.timeRangeStart", "date.sub(d: 2m, from: v.timeRangeStop)")}
  |> last()
  |> group()
  |> {function}()
  |> keep(columns: ["_value"])"""


def _quoted(names: str) -> str:
    return ", ".join(f'"{name}"' for name in names.split())


EPOCHS = f"""{points(MEASUREMENT, "epoch_seconds_sum|epoch_seconds_count", OF_WORKERS)}{thinned()}
  |> difference(nonNegative: true)
  |> group(columns: ["topic", "_field", "_time"])
  |> sum()
  |> group(columns: ["topic"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.epoch_seconds_count > 0.0)
  |> map(fn: (r) => ({{_time: r._time, topic: r.topic, _value: r.epoch_seconds_sum / r.epoch_seconds_count}}))
  |> group(columns: ["topic"])"""


def itself() -> of_board.Dashboard:
    """The board."""
    told = "Does Driftwarden keep up, does it lose anything, and has it the room that it needs? The figures are of the processes themselves, in time of the clock."
    built = board("Driftwarden: Driftwarden itself", "driftwarden-itself", told, since="now-1h")
    workers = tag_values("worker", f'r._measurement == "{MEASUREMENT}"')
    built = built.with_variable(variable("worker", "Process", "workers and retrainers, by their names", workers, several=True))
    for now in (_ready(), _behind(), _oldest(), _refused_now()):
        built = built.with_panel(now.span(5))
    built = built.with_panel(_unreadable().span(4))
    for panel in (_lag(), _throughput(), _dead_letters(), _late(), _epoch_age(), _epochs(), _memory(), _processor()):
        built = built.with_panel(panel)
    return built


def _ready() -> stat.Panel:
    what = "Processes that do their work. Fewer than you started: read the log of the one that is missing; a fault of our own stops a worker with exit code 1."
    return (
        number("Ready", what, newest("ready", "sum"))
        .color_scheme(by_limits())
        .thresholds(limits((None, VERMILION), (1, GREEN)))
        .display_name("processes that are ready")
        .decimals(0)
    )


def _behind() -> stat.Panel:
    what = "Records that were not read yet, over all partitions. It grows for minutes: start another worker (there may be as many as the source has partitions)."
    return (
        number("Behind", what, newest("consumer_lag_records", "sum"))
        .unit("short")
        .color_scheme(by_limits())
        .thresholds(limits((None, GREEN), (10_000, ORANGE), (1_000_000, VERMILION)))
        .display_name("records to read")
    )


def _oldest() -> stat.Panel:
    what = "How long the oldest record waits that was read and is not durable yet. Above some seconds Kafka does not acknowledge, or the processor is short."
    return (
        number("Oldest record", what, newest("epoch_age_seconds", "max"))
        .unit("s")
        .color_scheme(by_limits())
        .thresholds(limits((None, GREEN), (10, ORANGE), (60, VERMILION)))
        .display_name("oldest record")
    )


def _refused_now() -> stat.Panel:
    what = "Events in the dead letter topic since each process began. Read them with their reasons on inference.deadletter; the publisher is to be mended."
    return (
        number("Refused events", what, newest("dead_letters", "sum"))
        .unit("short")
        .color_scheme(by_limits())
        .thresholds(limits((None, GREEN), (1, ORANGE)))
        .no_value("none")
        .display_name("since the start")
    )


def _unreadable() -> stat.Panel:
    what = (
        "Records of the topic monitors that a worker cannot read, or not work with: those models are watched by an earlier monitor, or by none. Its log names them; run the "
        "release that wrote them, or apply the model's monitor again: driftwarden monitor apply."
    )
    return (
        number("Monitors left out", what, newest("unreadable_monitors", "max"))
        .color_scheme(by_limits())
        .thresholds(limits((None, GREEN), (1, VERMILION)))
        .display_name("cannot be read")
        .decimals(0)
    )


def _lag() -> timeseries.Panel:
    what = "Records not read yet, by topic. A saw-tooth is a worker that restarts; a line that only rises needs more workers, or a partition whose worker is stuck."
    return lines("Lag", what, gauge("consumer_lag_records", "topic")).unit("short").min(0).display_name("${__field.labels.topic}")


def _throughput() -> timeseries.Panel:
    what = "Events of monitored models that were read in a second, by worker. A line that drops while the lag rises is a worker in trouble; both drop: fewer events come."
    return lines("Throughput", what, rate("events", "worker")).unit("short").min(0).display_name("${__field.labels.worker}")


def _dead_letters() -> timeseries.Panel:
    what = "Input that could not be counted, by reason, in a second. The reason names the field that is wrong; its neighbours are counted all the same."
    return lines("Dead letters", what, rate("dead_letters", "reason")).unit("short").min(0).no_value("none").display_name("${__field.labels.reason}")


def _late() -> timeseries.Panel:
    what = (
        "Events that came too late for their pane, twice, of models without a monitor, or expired before they were read, in a second. Late ones: raise lateness in "
        "monitor.yaml; unmonitored ones: apply a monitor, and before they are published; missed ones: Kafka keeps too little."
    )
    query = rate("late_events|duplicate_events|unmonitored_events|missed_records|state_given_up", "_field")
    return lines("Late, double, unmonitored, missed", what, query).unit("short").min(0).display_name("${__field.name}")


def _epoch_age() -> timeseries.Panel:
    what = "Age of the oldest record that is not durable yet, by topic: what a crash would have to read again, and how late figures are."
    shown = lines("Epoch age", what, gauge("epoch_age_seconds", "topic", over="max")).unit("s").min(0).display_name("${__field.labels.topic}")
    return shown.thresholds(limits((None, "transparent"), (10, ORANGE)))


def _epochs() -> timeseries.Panel:
    what = (
        "Mean time from the beginning of an epoch until all that it wrote was acknowledged, by topic. It rises with slow brokers and with much state; above the "
        "epoch's length the worker falls behind."
    )
    return lines("Time of an epoch", what, EPOCHS).unit("s").min(0).display_name("${__field.labels.topic}")


def _memory() -> timeseries.Panel:
    what = (
        "Memory of each process. Every state has a bound, so a line flattens; one that does not is worth a report. Rows that wait for labels are most of it: "
        "max_rows in monitor.yaml."
    )
    return lines("Memory", what, gauge("process_resident_memory_bytes", "process worker")).unit("bytes").min(0).display_name("${__field.labels.process} ${__field.labels.worker}")


def _processor() -> timeseries.Panel:
    what = "Cores that each process uses. A worker computes on one: near 1 it is full, and another worker is what helps."
    query = rate("process_cpu_seconds", "process worker")
    return lines("Processor", what, query).unit("none").min(0).decimals(2).display_name("${__field.labels.process} ${__field.labels.worker}")
