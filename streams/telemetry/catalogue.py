"""Every figure that a process tells of itself: its name, what it is told by, and what it says.

Each value of each label is a series for as long as the process lives, so a label's values are bounded: those of ``reason``, ``severity``, ``status``, ``outcome`` and
``instruction`` are fixed, ``topic`` and ``partition`` are those of the installation, ``receiver`` is one of ``notify.yaml``, and of ``model`` there are as many as the operator
allows (`Figures`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "driftwarden_"
PLACE = ("topic", "partition")
"""Labels of what is of one partition."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Parameters
    ----------
    name : without prefix, and without the suffix ``_total`` that counters get.
    kind : a counter only grows, and begins at 0 with its process; a gauge is what holds now.
    labels : names of the labels, in the order in which their values are given.
    what : what it says.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    what: str

    @property
    def full_name(self) -> str:
        """As Prometheus shows it.

        Examples
        --------
        >>> Figure(name="events", kind="counter", what="events that were read").full_name
        'driftwarden_events_total'
        """
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


READ = Figure(name="records", kind="counter", labels=PLACE, what="records that were read")
MODELS = Figure(name="models", kind="gauge", what="models that have a monitor")
LAG = Figure(name="consumer_lag_records", kind="gauge", labels=PLACE, what="records of a partition that were not read yet, as of the last fetch")

COMMON = (Figure(name="ready", kind="gauge", what="1 where the process does its work, 0 while it begins or has nothing to work with; what `/readyz` says"),)

WORKER = (
    READ,
    Figure(name="read_bytes", kind="counter", labels=PLACE, what="bytes of these records' values"),
    Figure(name="events", kind="counter", labels=PLACE, what="events of monitored models that were read"),
    Figure(name="unmonitored_events", kind="counter", labels=PLACE, what="events of models that no monitor knows"),
    Figure(name="missed_records", kind="counter", labels=PLACE, what="records that expired before they were read"),
    Figure(name="dead_letters", kind="counter", labels=("reason",), what="input that could not be counted: `not JSON`, `not Arrow`, the field that was wrong, or `other`"),
    LAG,
    Figure(name="event_time_seconds", kind="gauge", labels=PLACE, what="largest record timestamp of a source partition, seconds since 1970"),
    Figure(name="epoch_age_seconds", kind="gauge", labels=PLACE, what="how long the oldest record waits that was read and is not durable yet; 0 where none does"),
    Figure(name="epochs", kind="counter", labels=("topic",), what="epochs that were made durable"),
    Figure(name="epoch_seconds", kind="histogram", labels=("topic",), what="from the beginning of an epoch until all that it wrote was acknowledged"),
    Figure(name="predictions", kind="counter", labels=("model",), what="predictions, counted when their pane closes, like all that follows"),
    Figure(name="labels", kind="counter", labels=("model",), what="labels that found their prediction"),
    Figure(name="duplicate_events", kind="counter", labels=("model",), what="events whose id had come before"),
    Figure(name="late_events", kind="counter", labels=("model",), what="events that came too late for their pane"),
    Figure(
        name="state_given_up",
        kind="counter",
        labels=("model",),
        what="rows that a full store let go: before their label came (`labels.max_waiting`), or ids of open panes (`max_open_ids`)",
    ),
    Figure(name="points", kind="counter", what="points that were written to `monitoring.metrics`"),
    Figure(name="alert_records", kind="counter", labels=("status", "severity"), what="records that were written to `monitoring.alerts`"),
    Figure(name="alerts_open", kind="gauge", labels=("severity",), what="alerts that are open, of the models that this worker judges"),
    Figure(name="unreadable_monitors", kind="gauge", what="records of `monitors` that this release cannot read and leaves out; the log says which"),
    MODELS,
)

RETRAINER = (
    LAG,
    Figure(name="retrainer_acting", kind="gauge", what="1 where this retrainer acts, 0 where it stands by"),
    Figure(name="decisions", kind="counter", labels=("instruction",), what="decisions, by what was to be done; not to retrain is one, too"),
    Figure(name="trainings", kind="counter", labels=("outcome",), what="trainings that ended: `registered` a challenger, `joined` an adaptive champion as a member, or `failed`"),
    Figure(name="training_cpu_seconds", kind="counter", what="processor time of these trainings"),
    Figure(name="versions", kind="counter", labels=("status",), what="what was announced of versions: `registered`, `canary`, `promoted`, `updated`, `rejected`, `rolled_back`"),
    MODELS,
)

SINK = (
    LAG,
    Figure(name="influx_points_written", kind="counter", what="points that InfluxDB has acknowledged"),
    Figure(name="influx_points_left_out", kind="counter", what="points of series beyond `DRIFTWARDEN_INFLUX_MAX_SERIES`"),
    Figure(name="influx_requests_rejected", kind="counter", what="requests, or single points, that InfluxDB refused at least a part of"),
    Figure(name="influx_points_waiting", kind="gauge", what="points that were read and that InfluxDB has not acknowledged yet"),
)

PAGE = (
    READ,
    LAG,
    Figure(name="unreadable_records", kind="counter", what="records that the live page could not read and leaves out"),
    Figure(name="pages_open", kind="gauge", what="pages that are open in browsers"),
    MODELS,
)

RECEIVER = ("receiver",)
NOTIFIER = (
    Figure(name="notify_messages_sent", kind="counter", labels=RECEIVER, what="requests and mails that the receiver has taken"),
    Figure(name="notify_messages_refused", kind="counter", labels=RECEIVER, what="messages that it refused for good, which are left out"),
    Figure(name="notify_notices_waiting", kind="gauge", labels=RECEIVER, what="notices that were read and are not delivered"),
    Figure(name="notify_notices_held", kind="gauge", labels=RECEIVER, what="of these, those that its `rate_limit` keeps waiting"),
    Figure(name="notify_receiver_away", kind="gauge", labels=RECEIVER, what="1 where it cannot be reached, or asks to come again later"),
    Figure(name="notify_lag_records", kind="gauge", labels=RECEIVER, what="records that were not read yet for it, as of the last fetch"),
    Figure(name="notify_alerts_open", kind="gauge", labels=RECEIVER, what="open alerts that it is told of"),
)

OF_PROCESS = {
    "worker": (*COMMON, *WORKER),
    "retrainer": (*COMMON, *RETRAINER),
    "influx-sink": (*COMMON, *SINK),
    "ui": (*COMMON, *PAGE),
    "notify": (*COMMON, *NOTIFIER),
}
"""The figures of each kind of process."""
