"""What an operator says of how a model is watched: labels, reference, detectors, service, quality, alerts and objectives."""

from __future__ import annotations

import difflib
from typing import Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from detectors.duration import Duration, format_duration, parse_duration
from detectors.profile import Frozen, Profile
from detectors.settings.finite import Finite
from detectors.settings.stored import is_stored
from detectors.verdict import AlertKind


class Labels(Frozen):
    """When labels come, and how long a prediction waits for its own."""

    delay: Duration = Field(default=0, ge=0, description="typical time from prediction to label")
    timeout: Duration = Field(default=parse_duration("7d"), gt=0, description="a prediction without a label after this long is given up")
    corrections: bool = Field(default=False, description="whether a label that came with its prediction may be corrected later; labels that came by themselves always may")
    max_waiting: int = Field(default=1_000_000, gt=0, description="predictions that may wait for labels in one source partition; then the oldest are given up, and counted")

    @model_validator(mode="after")
    def _labels_come_in_time(self, info: ValidationInfo) -> Labels:
        if self.delay > self.timeout and not is_stored(info):
            got = f"{format_duration(self.delay)} and {format_duration(self.timeout)}"
            raise ValueError(f"delay must be at most labels.timeout, got {got}; a prediction would be given up before its label comes: raise the timeout")
        return self


FEWEST_LEARNT, MOST_LEARNT = 500, 50_000
"""Events that a reference may be learnt from: fewer are little to compare with; more take memory in every worker, and let in what changes meanwhile."""


class Reference(Frozen):
    """Where the declared reference came from, and its profile."""

    source: str | None = None
    profile: Profile | None = None
    kind: Literal["declared", "previous_period", "hour_of_week"] = Field(
        default="declared", description="what monitors compare with: the profile, the last whole period, or the profile of the hour of the week"
    )
    period: Duration = Field(default=parse_duration("1d"), gt=0, description="of previous_period; whole panes")
    learn: int | None = Field(
        default=None, ge=FEWEST_LEARNT, le=MOST_LEARNT, description="events of the stream, the first by their times, that the profile is made of where the file has none"
    )
    learnt: bool = Field(default=False, description="whether the profile was learnt so; Driftwarden says it of the revision that it makes")
    weeks: int = Field(default=2, ge=1, le=52, description="of hour_of_week, where the profile does not know the hours: they are learnt from so many weeks of the stream")

    @property
    def learning(self) -> int | None:
        """How many events the profile is to be learnt from; None where it is there, or nobody asked."""
        return self.learn if self.profile is None else None

    @model_validator(mode="after")
    def _a_reference_is_declared_or_learnt(self) -> Reference:
        if self.learnt and (self.learn is None or self.profile is None):
            raise ValueError("learnt is said of a profile that was learnt from reference.learn events, and one of the two is not there; leave learnt out")
        if self.learn is not None and self.profile is not None and not self.learnt:
            raise ValueError(f"learn is for a model without a reference, got {self.learn:,} and a profile; leave one of the two out")
        return self


class Shares(Finite):
    """How the false-alarm budget is shared between groups of monitors; a group without monitors gives its share to the others."""

    performance: float = Field(default=0.5, ge=0)  # outputs and performance: what the users of the model feel
    features: float = Field(default=0.3, ge=0)
    quality: float = Field(default=0.1, ge=0)
    service: float = Field(default=0.1, ge=0)


class Detectors(Frozen):
    """Settings of detection that are not thresholds."""

    shares: Shares = Shares()
    cycles: tuple[Duration, ...] = Field(default=(), description="periods to remove, such as 1d; `monitor infer --period` learns them from the reference")
    max_bins: int = Field(default=64, ge=2, le=256)
    river: tuple[Literal["adwin", "page_hinkley", "ddm", "eddm", "hddm_a", "hddm_w", "kswin"], ...] = Field(
        default=(), description="drift detectors of river that watch a classifier's errors, too; they are outside of the budget"
    )
    rates: Literal["scan", "e-detector"] = Field(default="scan", description="how rates are watched (errors, missing, out-of-range and unseen values)")
    max_levels: int = Field(default=64, ge=1, le=1_000, description="levels of a categorical feature that are counted one by one, the most frequent first")
    quantiles: bool = Field(default=False, description="whether numeric columns without a profile are sketched, see `detectors.panes.quantile_sketch`")
    max_known_levels: int = Field(default=20_000, ge=1, le=100_000, description="other levels that are told from unseen ones; with more, none is unseen")

    @field_validator("cycles")
    @classmethod
    def _cycles_last(cls, cycles: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if cycles and min(cycles) <= 0:
            raise ValueError(f"cycles must be durations > 0, got {', '.join(map(format_duration, cycles))}; what comes again after no time is no cycle")
        if len(set(cycles)) < len(cycles) and not is_stored(info):
            raise ValueError(
                f"cycles must be named once each, got {', '.join(map(format_duration, cycles))}; two that are the same cannot be told apart, so that neither would be removed"
            )
        return cycles


_LARGEST = {"rate": 1.0, "categories": 1.0, "correlation": 2.0, "latency": 1.0}
"""Changes of rates and shares, of total variation and of correlations, from -1 to 1: none is larger."""


class Floors(Finite):
    """The smallest effects that matter. A smaller one is never an alarm, however long it lasts."""

    rate: float = Field(default=0.02, ge=0, description="absolute change of an error, missing, out-of-range, unseen, failed, duplicate or late rate")
    shift: float = Field(default=0.1, ge=0, description="shift of a numeric column, in units of the reference's sigma")
    deviation_ratio: float = Field(default=1.15, ge=1, description="ratio of standard deviations")
    categories: float = Field(default=0.05, ge=0, description="total variation distance")
    correlation: float = Field(default=0.05, ge=0, description="mean absolute difference of correlations")
    relative_loss: float = Field(default=0.1, ge=0, description="relative change of a regression's mean absolute error")
    latency: float = Field(default=0.05, ge=0, description="absolute rise of the share of predictions slower than the learnt 95 % quantile")
    traffic: float = Field(default=1.5, ge=1, description="ratio of predictions to what is usual, up or down")
    silence: Duration = Field(default=parse_duration("5m"), ge=0, description="time without predictions, or without a change of a column")

    @field_validator(*_LARGEST)
    @classmethod
    def _changes_can_be_as_large(cls, floor: float, info: ValidationInfo) -> float:
        largest = _LARGEST[str(info.field_name)]
        if floor > largest and not is_stored(info):
            raise ValueError(f"{info.field_name} must be at most {largest:g}, got {floor:g}; no change is larger, so none would ever be told (5 % is 0.05)")
        return floor


_SEVERITY: dict[str, Literal["warning", "critical"]] = {"performance": "critical"}


ServiceMonitor = Literal["failed_rate", "latency", "duplicate_rate", "late_rate", "silence", "traffic", "saturation"]


class Saturation(Finite):
    """Which column of the events says how full the service is, and from when on it is too full."""

    feature: str = Field(min_length=1, description="numeric feature that events carry it as, such as gpu_utilization or queue_ms; no model is trained on it")
    limit: float = Field(description="larger values count as saturated")


class Service(Frozen):
    """What is watched of the service that a model runs in."""

    monitors: tuple[ServiceMonitor, ...] = ()
    silence: Duration | None = Field(default=None, gt=0, description="a silence is told after this long; default: by the pauses before")
    traffic_cycle: Literal["none", "day", "week"] = Field(default="week", description="rhythm of the traffic, which is learnt from two of it before a change of traffic is told")

    saturation: Saturation | None = Field(default=None, description="what the monitor saturation watches")

    @model_validator(mode="after")
    def _what_is_set_is_watched(self) -> Service:
        if self.silence is not None and "silence" not in self.monitors:
            raise ValueError(f"silence is the limit of the monitor of that name, got {format_duration(self.silence)} without it; add silence to service.monitors")
        if self.traffic_cycle != "week" and "traffic" not in self.monitors:
            raise ValueError(f"traffic_cycle is of the monitor traffic, got {self.traffic_cycle!r} without it; add traffic to service.monitors")
        if (self.saturation is not None) != ("saturation" in self.monitors):
            told, lacking = ("service.saturation", "service.monitors") if self.saturation is not None else ("service.monitors", "service.saturation, with a feature and a limit")
            raise ValueError(f"saturation is named in service.monitors and said in service.saturation, or in neither; got {told} alone, so add it to {lacking}")
        if len(set(self.monitors)) < len(self.monitors):
            raise ValueError(f"monitors must be named once each, got {', '.join(self.monitors)}")
        return self


class Slices(Frozen):
    """Slices of the labelled rows in which errors are counted, to tell where a model is wrong."""

    columns: tuple[str, ...] = Field(default=(), description="columns whose parts are looked at, those that matter most first")
    paired: int = Field(default=2, ge=0, description="how many of the first columns are looked at two at a time, too")


QualityMonitor = Literal["constant", "stale", "type", "schema", "anomalies"]


class Quality(Frozen):
    """What is watched of the inputs besides missing, out-of-range and unseen values."""

    monitors: tuple[QualityMonitor, ...] = ()
    ignored: tuple[str, ...] = Field(default=(), description="columns that events may carry though they are not declared")

    @property
    def forgives(self) -> bool:
        """Whether an event whose features are not as declared is counted, and what is wrong with it as well."""
        return bool({"type", "schema"}.intersection(self.monitors))

    @model_validator(mode="after")
    def _ignored_columns_are_looked_for(self) -> Quality:
        if self.ignored and "schema" not in self.monitors:
            raise ValueError(f"ignored are columns that schema is not to tell of, got {', '.join(self.ignored[:3])} without it; add schema to quality.monitors")
        return self

    @model_validator(mode="after")
    def _monitors_are_named_once(self) -> Quality:
        if len(set(self.monitors)) < len(self.monitors):
            raise ValueError(f"monitors must be named once each, got {', '.join(self.monitors)}")
        return self


class Alerts(Frozen):
    """How alarms become alerts."""

    floors: Floors = Floors()
    severity: dict[str, Literal["warning", "critical"]] = Field(default_factory=_SEVERITY.copy, description="by alert kind; default warning")
    cooldown: Duration = Field(default=parse_duration("1h"), ge=0, description="for this long after its resolution an alert is opened again by a change that began before")
    resolve_after: Duration = Field(default=parse_duration("10m"), gt=0, description="an alert is resolved when the effect stayed below half its floor for this long")

    @field_validator("severity")
    @classmethod
    def _alerts_have_such_kinds(cls, severity: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        kinds = get_args(AlertKind)
        strange = [kind for kind in severity if kind not in kinds]
        if strange and not is_stored(info):
            near = difflib.get_close_matches(strange[0], kinds, n=1)
            raise ValueError(f"severity is by kind of alert ({', '.join(kinds)}), got {strange[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return severity


class Objective(Finite):
    """Which share of events is to be good over a period; see `detectors.metrics.objectives`."""

    metric: Literal["accuracy", "precision", "recall", "answered", "latency"]
    target: float = Field(gt=0, lt=1, description="share of good events")
    period: Duration = Field(default=parse_duration("30d"), gt=0, description="that the error budget is for, up to now")
    below: Duration | None = Field(default=None, gt=0, description="latency of a good prediction")

    @model_validator(mode="after")
    def _latency_alone_has_a_limit(self) -> Objective:
        if (self.metric == "latency") != (self.below is not None):
            raise ValueError(f"below is the limit of a latency objective and of no other, got metric {self.metric} and below {self.below}; give both or neither")
        return self
