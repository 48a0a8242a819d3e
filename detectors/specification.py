"""What an operator says about a model: one frozen specification, read from ``monitor.yaml``.

Every key but ``model`` has a default. Thresholds are not among the keys: they follow from ``false_alarms`` and ``alerts.floors``.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import Field, ValidationInfo, field_validator, model_validator

from detectors.budget import Budget, FalseAlarmBudget
from detectors.duration import Duration, format_duration, parse_duration
from detectors.profile import Frozen, NumericProfile, Profile
from detectors.shared_settings import Shared

_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")

Task = Literal["classification", "regression"]

MOST_CORRELATED = 30
"""Features whose correlations are watched: they have 435 pairs, all of which an alert carries, in some 60 KB."""


class Feature(Frozen):
    """One column of the model's input, and what may be expected of it."""

    type: Literal["numeric", "categorical", "text", "embedding"] = "numeric"
    minimum: float | None = Field(default=None, description="smaller values count as out of range")
    maximum: float | None = Field(default=None, description="larger values count as out of range")
    max_missing: float | None = Field(default=None, ge=0, le=1, description="expected share of missing values; default: the reference's")
    importance: float | None = Field(default=None, ge=0, description="how much the model leans on the column, in any unit; by it the causes of an alert are ranked")
    stale_after: Duration | None = Field(default=None, gt=0, description="told after this long without a change; default: by the times before")
    dimension: int | None = Field(default=None, ge=2, le=10_000, description="numbers of an embedding")
    projections: int = Field(default=8, ge=1, le=64, description="random directions that an embedding is watched in")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of these directions")

    @model_validator(mode="after")
    def _keys_fit_the_type(self) -> Feature:
        if (self.type == "embedding") != (self.dimension is not None):
            raise ValueError(f"dimension is that of an embedding and of no other type, got type {self.type!r} and dimension {self.dimension}; give both or neither")
        if self.type in _DERIVED and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"a {self.type} has no range; leave out minimum and maximum")
        return self

    def columns(self, name: str) -> dict[str, Feature]:
        """What is watched of the column, by name: itself, or what stands for a text or an embedding.

        Those of one value are missing together, so the first alone tells that: where all may be missing, no rate can rise.

        Examples
        --------
        >>> [(name, column.type) for name, column in Feature(type="text").columns("comment").items()]
        [('comment.length', 'numeric'), ('comment.words', 'numeric'), ('comment.pattern', 'categorical'), ('comment.script', 'categorical')]
        >>> list(Feature(type="embedding", dimension=384, projections=2).columns("title"))
        ['title.norm', 'title.projection_0', 'title.projection_1']
        """
        if self.type not in _DERIVED:
            return {name: self}
        if self.type == "text":
            parts: dict[str, Literal["numeric", "categorical"]] = {"length": "numeric", "words": "numeric", "pattern": "categorical", "script": "categorical"}
        else:
            parts = dict.fromkeys(("norm", *(f"projection_{place}" for place in range(self.projections))), "numeric")
        missing = [self.max_missing, *[1.0] * (len(parts) - 1)]
        return {
            f"{name}.{part}": Feature(type=kind, max_missing=share, importance=self.importance, stale_after=self.stale_after)
            for (part, kind), share in zip(parts.items(), missing, strict=True)
        }

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Feature:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum must be <= maximum, got {self.minimum} > {self.maximum}; every value would be out of range")
        return self


_DERIVED = frozenset({"text", "embedding"})
_OF_EMBEDDINGS = {"dimension", "projections", "seed"}


class Labels(Frozen):
    """When labels come, and how long a prediction waits for its own."""

    delay: Duration = Field(default=0, description="typical time from prediction to label")
    timeout: Duration = Field(default=parse_duration("7d"), gt=0, description="a prediction without a label after this long is given up")
    corrections: bool = Field(default=False, description="whether a label that came with its prediction may be corrected later; labels that came by themselves always may")
    max_waiting: int = Field(default=1_000_000, gt=0, description="predictions that may wait for labels in one source partition; then the oldest are given up, and counted")


class Reference(Frozen):
    """Where the declared reference came from, and its profile."""

    source: str | None = None
    profile: Profile | None = None
    kind: Literal["declared", "previous_period", "hour_of_week"] = Field(
        default="declared", description="what monitors compare with: the profile, the last whole period, or the profile of the hour of the week"
    )
    period: Duration = Field(default=parse_duration("1d"), gt=0, description="of previous_period; whole panes")
    weeks: int = Field(default=2, ge=1, le=52, description="of hour_of_week, where the profile does not know the hours: they are learnt from so many weeks of the stream")


class Shares(Frozen):
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
    quantiles: bool = Field(default=False, description="whether numeric columns without a profile are sketched, see `detectors.quantile_sketch`")
    max_known_levels: int = Field(default=20_000, ge=1, le=100_000, description="other levels that are told from unseen ones; with more, none is unseen")


class Floors(Frozen):
    """The smallest effects that matter. A smaller one is never an alarm, however long it lasts."""

    rate: float = Field(default=0.02, ge=0, description="absolute change of an error, missing, out-of-range, unseen, failed, duplicate or late rate")
    shift: float = Field(default=0.1, ge=0, description="shift of a numeric column, in units of the reference's sigma")
    deviation_ratio: float = Field(default=1.15, ge=1, description="ratio of standard deviations")
    categories: float = Field(default=0.05, ge=0, description="total variation distance")
    correlation: float = Field(default=0.05, ge=0, description="mean absolute difference of correlations")
    relative_loss: float = Field(default=0.1, ge=0, description="relative change of a regression's mean absolute error")
    latency: float = Field(default=0.05, ge=0, description="absolute rise of the share of predictions slower than the learnt 95 % quantile")
    silence: Duration = Field(default=parse_duration("5m"), ge=0, description="time without predictions, or without a change of a column")


_SEVERITY: dict[str, Literal["warning", "critical"]] = {"performance": "critical"}


ServiceMonitor = Literal["failed_rate", "latency", "duplicate_rate", "late_rate", "silence"]


class Service(Frozen):
    """What is watched of the service that a model runs in."""

    monitors: tuple[ServiceMonitor, ...] = ()
    silence: Duration | None = Field(default=None, gt=0, description="a silence is told after this long; default: by the pauses before")

    @model_validator(mode="after")
    def _silence_is_watched(self) -> Service:
        if self.silence is not None and "silence" not in self.monitors:
            raise ValueError(f"silence is the limit of the monitor of that name, got {format_duration(self.silence)} without it; add silence to service.monitors")
        if len(set(self.monitors)) < len(self.monitors):
            raise ValueError(f"monitors must be named once each, got {', '.join(self.monitors)}")
        return self


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
    cooldown: Duration = Field(default=parse_duration("1h"), description="for this long after its resolution an alert is opened again by a change that began before")
    resolve_after: Duration = Field(default=parse_duration("10m"), gt=0, description="an alert is resolved when the effect stayed below half its floor for this long")


class Objective(Frozen):
    """Which share of events is to be good over a period; see `detectors.objectives`."""

    metric: Literal["accuracy", "precision", "recall", "answered", "latency"]
    target: float = Field(gt=0, lt=1, description="share of good events")
    period: Duration = Field(default=parse_duration("30d"), gt=0, description="that the error budget is for, up to now")
    below: Duration | None = Field(default=None, gt=0, description="latency of a good prediction")

    @model_validator(mode="after")
    def _latency_alone_has_a_limit(self) -> Objective:
        if (self.metric == "latency") != (self.below is not None):
            raise ValueError(f"below is the limit of a latency objective and of no other, got metric {self.metric} and below {self.below}; give both or neither")
        return self


class Gate(Frozen):
    """What a challenger has to prove before it is promoted."""

    alpha: float = Field(default=0.05, gt=0, lt=1, description="chance that a cause promotes a challenger that is not better")
    block: int = Field(default=50, gt=0, description="labelled events between two looks at the evidence")
    min_evidence: int = Field(default=500, ge=0, description="labelled events before a verdict")
    wander: float = Field(default=0.05, ge=0, le=1, description="by how much an advantage may wander around zero without being a gain; 0 asks for no steadiness")
    min_validation_time: Duration = Field(
        default=parse_duration("1h"), ge=0, description="a promotion rests on events from so long after the training rows, too; not asked for where the budget counts events"
    )
    max_wait: int = Field(default=20_000, gt=0, description="labelled events after which the verdict is inconclusive")
    min_gain: float = Field(default=0.01, ge=0, description="a challenger is rejected when 'better by this much' is disproved")
    segment_margin: float = Field(default=0.02, ge=0, le=1, description="a challenger that is proven worse by more than this in a segment is not promoted")
    missing_margin: float = Field(default=0.1, ge=0, le=1, description="a challenger whose training rows are proven to lack this much more of a column is not promoted")
    max_loss: float | None = Field(default=None, gt=0, description="largest error rate (or mean absolute error) of a challenger that is promoted")
    max_megabytes: float | None = Field(default=None, gt=0, description="largest artifact of a challenger that is promoted")
    max_milliseconds: float | None = Field(default=None, gt=0, description="longest time that a challenger may take for 1,000 rows; for `driftwarden gate`")


Trigger = Literal["performance", "drift", "label shift"]
"""Kinds of alerts that training may cure: errors that rise (a drift of the concept is one), features or outputs that drift, and shares of classes that shift."""


class Quotas(Frozen):
    """What retraining may cost."""

    trainings_per_day: int = Field(default=24, gt=0)
    cpu_seconds_per_day: float | None = Field(default=None, gt=0, description="of processor time in the trainings of any day of event time")
    max_rows: int = Field(default=50_000, gt=0, description="rows of one training set; the newest are kept")
    max_megabytes: int = Field(default=1_024, gt=0, description="of one training set, 8 bytes a value; the newest rows are kept")

    def rows(self, columns: int) -> int:
        """Rows that a training set with so many columns may have."""
        return max(1, min(self.max_rows, self.max_megabytes * 1_000_000 // (8 * max(1, columns))))


class TrainingLimits(Frozen):
    """What a trainer in a process of its own may use; beyond it the process is killed, and the candidate rejected."""

    seconds: int = Field(default=600, gt=0, description="of time, and of processor time")
    megabytes: int = Field(default=4_096, gt=0, description="of address space, which is more than the memory that is touched")


MEMBER_EVERY = 2_500
"""Labelled events without a cause after which an adaptive champion gets a new member: more than a training window, so that its rows are new."""


class Retrain(Frozen):
    """When to retrain, with what, and how the result is judged."""

    policy: Literal["never", "performance", "any"] = Field(default="performance", description="which alerts start a training: none, performance alerts, or every drift, too")
    votes: dict[Trigger, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, description="weight of an alert by its kind, in place of the policy's")
    votes_needed: float = Field(default=1.0, gt=0, description="weight of alerts that are open together at which a training starts")
    votes_within: Duration = Field(default=parse_duration("1d"), gt=0, description="an alert's vote counts for so long after its last record")
    schedule: Duration | None = Field(default=None, gt=0, description="a training in each slot of this length that had none")
    new_labels: int | None = Field(default=None, gt=0, description="labelled events since the last cause ended after which a training starts without an alert")
    trainer: str = Field(default="scikit-learn", description="'scikit-learn', 'search', 'river', 'module:function' or 'command: PROGRAM'")
    champion: Literal["single", "adaptive"] = Field(default="single", description="one model, or a pool of them whose weights follow the labels")
    update_every: int = Field(default=200, gt=0, description="labelled events between two revisions of an adaptive champion")
    members: int = Field(default=6, gt=0, description="batch models in an adaptive champion's pool, its online forest not counted")
    window: int = Field(default=2_000, gt=0, description="labelled events to train on when the time of the change is not known")
    refresh: tuple[int, ...] = Field(default=(200, 400, 800, 1_600), description="labelled events after a change at which a challenger is trained")
    min_per_class: int = Field(default=20, ge=0, description="labelled events of each class in a training set; fewer are filled up from before the change")
    replay: float = Field(default=0.0, ge=0, le=10, description="labelled events from before the change that are trained on, too, for each one after it")
    cooldown: Duration = Field(default=parse_duration("10m"), description="between the end of one cause and the start of the next")
    approval: Literal["auto", "manual"] = "auto"
    rollback: Literal["auto", "never"] = Field(default="auto", description="whether a promoted version goes when the former champion is proven better than it")
    gate: Gate = Gate()
    quotas: Quotas = Quotas()
    limits: TrainingLimits = TrainingLimits()

    @field_validator("refresh")
    @classmethod
    def _refresh_ascends(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        if not counts or list(counts) != sorted(set(counts)) or counts[0] <= 0:
            raise ValueError(f"refresh must be ascending counts > 0, got {list(counts)}; a challenger is trained at each")
        return counts

    @property
    def floor(self) -> int | None:
        """Labelled events since the last cause ended after which a training starts by itself; an adaptive champion gets a new member now and then unless all is left to people.

        Examples
        --------
        >>> Retrain().floor, Retrain(champion="adaptive").floor, Retrain(champion="adaptive", new_labels=900).floor
        (None, 2500, 900)
        """
        if self.new_labels is not None or self.champion == "single" or self.policy == "never":
            return self.new_labels
        return MEMBER_EVERY

    def weight(self, kind: str) -> float:
        """How much an alert of this kind counts.

        Examples
        --------
        >>> Retrain().weight("drift"), Retrain(policy="any").weight("drift"), Retrain(votes={"drift": 0.5}).weight("drift")
        (0.0, 1.0, 0.5)
        """
        counted = {"never": (), "performance": ("performance",), "any": get_args(Trigger)}[self.policy]
        weights = {str(name): weight for name, weight in self.votes.items()} or dict.fromkeys(counted, 1.0)
        return weights.get(kind, 0.0)


def is_readable(name: str) -> bool:
    """Whether events may carry a feature of this name: it has no quote, backslash or control character, which JSON would have to escape.

    Examples
    --------
    >>> is_readable("weight (kg)"), is_readable('weight "kg"')
    (True, False)
    """
    return not any(character in '"\\' or character < " " or "\ud800" <= character <= "\udfff" for character in name)


def whole_panes(lengths: tuple[int, ...], pane: int) -> tuple[int, ...]:
    """Lengths of windows rounded up to whole panes, in milliseconds.

    Examples
    --------
    >>> whole_panes((600_000, 3_600_000), 10_000), whole_panes((600_000, 3_600_000), 900_000)
    ((600000, 3600000), (900000, 3600000))
    """
    return tuple(sorted({-(-length // pane) * pane for length in lengths}))


def _without_correlation(content: dict[str, Any]) -> None:
    """Take out what only models have whose correlations are watched: others keep the digest that they had."""
    del content["correlation"]
    if content["reference"]["profile"] is not None:
        del content["reference"]["profile"]["correlation"]


class MonitorSpecification(Frozen):
    """Everything that Driftwarden is told about one model.

    Use `digest` to name it: two specifications with the same digest have the same bins, so their summaries merge.
    """

    model: str = Field(min_length=1, max_length=200)
    task: Task = "classification"
    positive: str | None = Field(default=None, description="class that `score` is the probability of; default: the last of a two-class reference")
    quantile: float | None = Field(default=None, gt=0, lt=1, description="what a regression predicts of its label's law, if not its mean; it gets a pinball loss")
    costs: dict[str, dict[str, float]] = Field(default_factory=dict, description="what a prediction costs, by label and then by prediction; it gets a mean cost")
    metrics: dict[str, str] = Field(default_factory=dict, description="metrics of your own, by name: 'module:function' of the counts")
    pane: Duration = Field(default=parse_duration("10s"), description="length of the event-time window that counts are kept for")
    lateness: Duration = Field(default=parse_duration("5m"), ge=0, description="how long a pane waits for late events")  # p99.9 of a producer's delay
    max_ahead: Duration = Field(default=parse_duration("1h"), gt=0, description="an event this far ahead of its record's time is refused")
    windows: tuple[Duration, ...] = Field(
        default_factory=lambda known: whole_panes((parse_duration("10m"), parse_duration("1h")), known["pane"]),
        description="rolling windows of the metrics, each a whole number of panes",
    )
    false_alarms: Budget = Field(default=FalseAlarmBudget(alarms=1, duration=parse_duration("30d")))
    events_per_pane: float | None = Field(default=None, gt=0, description="needed for a budget in events")
    features: dict[str, Shared[Feature]] = Field(default_factory=dict)
    correlation: tuple[str, ...] = Field(default=(), description="numeric features whose correlations are watched; they need a reference, see `detectors.correlation_reference`")
    segments: tuple[str, ...] = ()
    sampling: Literal["ignored", "weighted"] = Field(
        default="ignored", description="whether an event of the sampling_fraction f counts as 1 / f events, see `detectors.statistics.sampling`"
    )
    max_groups: int = Field(
        default=200, gt=0, description="versions and segments that a source partition counts apart in a pane; those that come later are counted together, as `(other)`"
    )
    labels: Shared[Labels] = Labels()
    reference: Reference = Reference()
    detectors: Shared[Detectors] = Detectors()
    alerts: Shared[Alerts] = Alerts()
    service: Shared[Service] = Service()
    quality: Shared[Quality] = Quality()
    retrain: Shared[Retrain] = Retrain()
    objectives: dict[str, Shared[Objective]] = Field(default_factory=dict)
    estimate_performance: bool = Field(default=False, description="whether a classifier's performance is estimated where labels are missing")

    @field_validator("pane")
    @classmethod
    def _pane_is_positive(cls, pane: int) -> int:
        if pane <= 0:
            raise ValueError(f"pane must be > 0 ms, got {pane} ms; an empty pane would never close")
        return pane

    @field_validator("features")
    @classmethod
    def _names_can_be_read(cls, features: dict[str, Feature]) -> dict[str, Feature]:
        for name in features:
            if not is_readable(name):
                raise ValueError(f"the name of a feature may not hold quotes, backslashes or control characters, got {name!r}; give the column another name where it is published")
        columns = [column for name, feature in features.items() for column in feature.columns(name)]
        twice = next((column for column in columns if columns.count(column) > 1), None) if len(set(columns)) < len(columns) else None
        if twice is not None:
            raise ValueError(f"the features have two columns {twice!r}: one is a feature of that name, one stands for a text or an embedding; give one of them another name")
        return features

    @field_validator("metrics")
    @classmethod
    def _metrics_are_functions(cls, metrics: dict[str, str]) -> dict[str, str]:
        for name, path in metrics.items():
            if not _METRIC_NAME.fullmatch(name) or name.endswith(("_low", "_high", "_n")):
                raise ValueError(f"a metric is named in small letters, digits and underscores, and not as an interval's end (_low, _high, _n), got {name!r}")
            if not _FUNCTION.fullmatch(path):
                raise ValueError(f"metrics.{name} must be 'module:function', such as 'acme.metrics:profit', got {path!r}")
        return metrics

    @field_validator("windows")
    @classmethod
    def _windows_hold_panes(cls, windows: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if not windows or min(windows) <= 0:
            raise ValueError("windows must be one or more durations > 0; without one there is no rolling metric")
        pane = info.data.get("pane", 1)  # not there where it was refused itself
        unfit = [window for window in windows if window % pane]
        if unfit:
            nearest = sorted({length for window in unfit for length in (window // pane * pane, -(-window // pane) * pane)} - {0})
            got, fit = (", ".join(map(format_duration, lengths)) for lengths in (unfit, nearest))
            raise ValueError(f"windows must be whole numbers of panes ({format_duration(pane)} each), got {got}; a window is a sum of panes: the nearest that are one: {fit}")
        return tuple(sorted(windows))

    @model_validator(mode="after")
    def _river_watches_errors(self) -> MonitorSpecification:
        if self.detectors.river and self.task == "regression":
            raise ValueError(f"detectors.river watches right and wrong answers, got {', '.join(self.detectors.river)} for a regression, whose answers are neither; leave it out")
        if len(set(self.detectors.river)) < len(self.detectors.river):
            raise ValueError(f"detectors.river names each detector once, got {', '.join(self.detectors.river)}")
        return self

    @model_validator(mode="after")
    def _a_quantile_is_of_numbers(self) -> MonitorSpecification:
        if self.quantile is not None and self.task == "classification":
            raise ValueError(f"quantile is what a regression predicts of its label's law, got {self.quantile:g} for a classification; leave it out, or set task: regression")
        return self

    @model_validator(mode="after")
    def _a_period_holds_panes(self) -> MonitorSpecification:
        period = self.reference.period
        if self.reference.kind != "previous_period" and period != Reference.model_fields["period"].default:
            raise ValueError(
                f"reference.period is that of kind previous_period, got {format_duration(period)} with kind {self.reference.kind}; set reference.kind, or leave the period out"
            )
        if self.reference.kind == "previous_period" and (period % self.pane or period == self.pane):
            raise ValueError(f"reference.period must be a whole number of panes ({format_duration(self.pane)} each), two or more, got {format_duration(period)}")
        uneven = [cycle for cycle in self.detectors.cycles if period % cycle]
        if self.reference.kind == "previous_period" and uneven:
            cycles = ", ".join(map(format_duration, uneven))
            raise ValueError(
                f"reference.period must be a whole number of every cycle that is removed, got {format_duration(period)} and detectors.cycles {cycles}; "
                "where a period begins in the middle of a cycle the cycle looks like a change"
            )
        return self

    @model_validator(mode="after")
    def _hours_hold_panes(self) -> MonitorSpecification:
        if self.reference.kind != "hour_of_week":
            if self.reference.weeks != Reference.model_fields["weeks"].default:
                raise ValueError(f"reference.weeks are of kind hour_of_week, got {self.reference.weeks} with kind {self.reference.kind}; set reference.kind, or leave weeks out")
            return self
        if self.pane > parse_duration("1h"):
            raise ValueError(f"reference.kind hour_of_week needs panes of an hour at most, got {format_duration(self.pane)}; a longer pane belongs to several hours")
        others = {
            "detectors.cycles": (bool(self.detectors.cycles), "the hours hold a day and a week; leave cycles out"),
            "detectors.rates": (self.detectors.rates != "scan", "a guarantee is for one rate, and hours have several; leave rates out"),
            "correlation": (bool(self.correlation), "columns that have the same rhythm go together; leave it out"),
            "estimate_performance": (self.estimate_performance, "an estimate is for one law of the outputs; leave it out"),
        }
        for key, (given, story) in others.items():
            if given:
                raise ValueError(f"{key} does not go with reference.kind hour_of_week: {story}")
        return self

    @model_validator(mode="after")
    def _costs_are_of_classes(self) -> MonitorSpecification:
        named = {*self.costs, *(prediction for costs in self.costs.values() for prediction in costs)}
        strange = sorted(named.difference(self.classes))
        if strange:
            known = ", ".join(self.classes) or "none, which come with a reference"
            raise ValueError(f"costs are by label and then by prediction, got {', '.join(map(repr, strange))}; the known classes are: {known}")
        return self

    @model_validator(mode="after")
    def _objectives_can_be_measured(self) -> MonitorSpecification:
        for name, objective in self.objectives.items():
            needed = {"accuracy": bool(self.classes), "precision": self.positive_class in self.classes, "recall": self.positive_class in self.classes}
            if not needed.get(objective.metric, True):
                missing = "classes, which come with a reference" if objective.metric == "accuracy" else "a positive class; set positive"
                raise ValueError(f"objectives.{name}: {objective.metric} needs {missing}")
            if objective.period < self.pane:
                raise ValueError(f"objectives.{name}: the period must be at least a pane ({format_duration(self.pane)}), got {format_duration(objective.period)}")
        return self

    @model_validator(mode="after")
    def _estimates_have_outcomes(self) -> MonitorSpecification:
        profile = self.reference.profile
        if self.estimate_performance and (profile is None or profile.outcomes is None or profile.prediction is None or not self.classes):
            raise ValueError(
                "estimate_performance needs a classifier's reference with labels and predictions (reference.profile.outcomes and .prediction); "
                "make one with: driftwarden monitor infer FILE --label COLUMN --prediction COLUMN"
            )
        return self

    @model_validator(mode="after")
    def _correlations_have_a_reference(self) -> MonitorSpecification:
        names, profile = self.correlation, self.reference.profile
        if not names:
            return self
        if not 2 <= len(set(names)) == len(names) <= MOST_CORRELATED:
            raise ValueError(f"correlation must name 2 to {MOST_CORRELATED} different features, got {len(names)}, {len(set(names))} of them different; each pair is watched")
        for name in names:
            column = None if profile is None or name not in self.columns else profile.features.get(name)
            if not isinstance(column, NumericProfile) or not column.can_correlate:
                raise ValueError(f"correlation needs numeric features with many values, no cycle and a reference, got {name!r}; leave it out")
        known = () if profile is None or profile.correlation is None else profile.correlation.features
        if known != names:
            told = f"is of {', '.join(known)}" if known else "is not there"
            raise ValueError(f"correlation is of {', '.join(names)}, but its reference {told}; make it with: driftwarden monitor infer FILE --correlation NAME --correlation NAME")
        return self

    @model_validator(mode="after")
    def _stale_columns_are_watched(self) -> MonitorSpecification:
        limited = [name for name, feature in self.features.items() if feature.stale_after is not None]
        if limited and "stale" not in self.quality.monitors:
            raise ValueError(f"features.{limited[0]}.stale_after is the limit of the monitor stale, which is not asked for; add stale to quality.monitors")
        return self

    @model_validator(mode="after")
    def _anomalies_have_a_reference(self) -> MonitorSpecification:
        if "anomalies" not in self.quality.monitors:
            return self
        profile = self.reference.profile
        known = None if profile is None else profile.anomalies
        if known is None or not {*known.numeric, *known.categorical} <= self.columns.keys():
            raise ValueError(
                "quality.monitors names anomalies, but reference.profile.anomalies is not there, or of other features; make it with: driftwarden monitor infer FILE --anomalies"
            )
        return self

    @model_validator(mode="after")
    def _weights_can_be_counted(self) -> MonitorSpecification:
        if self.sampling == "weighted":
            asked = {"correlation": self.correlation, "detectors.river": self.detectors.river, "detectors.rates: e-detector": self.detectors.rates == "e-detector"}
            asked["reference.kind: hour_of_week"] = self.reference.kind == "hour_of_week"
            unfit = [name for name, is_asked in asked.items() if is_asked]
            if unfit:
                raise ValueError(f"sampling: weighted does not go with {', '.join(unfit)}, which count events that stand for themselves alone; leave out one of the two")
        return self

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name what determines bins, panes and statistics."""
        others = dict.fromkeys(("alerts", "retrain", "quantile", "costs", "metrics", "objectives", "service"), True)
        unread = {"rates", "river", "quantiles", "max_levels", "max_known_levels"}  # the last two are used where a profile is made, and it says what came of them
        parts: Any = {"features": {"__all__": {"importance", "stale_after", *_OF_EMBEDDINGS}}, "detectors": unread, "reference": {"kind", "period", "weeks"}}
        content = self.model_dump(mode="json", exclude={**others, **parts})
        if self.detectors.quantiles:
            content["detectors"]["quantiles"] = True
        for name, feature in self.features.items():
            if feature.type == "embedding":
                content["features"][name] |= feature.model_dump(include=_OF_EMBEDDINGS)
        if self.sampling == "ignored":  # as it was before there was such a key
            del content["sampling"]
        if not self.estimate_performance:  # then nothing is counted for it
            del content["estimate_performance"]
        profile = self.reference.profile
        if profile is not None and profile.outcomes is None:
            del content["reference"]["profile"]["outcomes"]
        for seldom in ("error_hours", "given_others"):
            if profile is not None and getattr(profile, seldom) is None:
                del content["reference"]["profile"][seldom]
        if not self.correlation:
            _without_correlation(content)
        if not self.quality.monitors:
            del content["quality"]
        if profile is not None and "anomalies" not in self.quality.monitors:
            del content["reference"]["profile"]["anomalies"]
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]

    @property
    def columns(self) -> dict[str, Feature]:
        """Columns that are watched: the features, but what stands for a text or an embedding in its place; see `detectors.watched_columns`."""
        if not self.derives:
            return self.features
        return {column: part for name, feature in self.features.items() for column, part in feature.columns(name).items()}

    @property
    def derives(self) -> bool:
        """Whether some feature is not watched as it is."""
        return any(feature.type in _DERIVED for feature in self.features.values())

    @property
    def classes(self) -> tuple[str, ...]:
        """Known classes of a classifier, in the order of the confusion matrix; empty for a regression or without a reference."""
        profile = self.reference.profile
        if self.task == "regression" or profile is None:
            return ()
        column = profile.label or profile.prediction
        return column.levels if column is not None and column.kind == "categorical" else ()

    @property
    def positive_class(self) -> str | None:
        """The class that `score` speaks of, where that is defined."""
        if self.positive is not None:
            return self.positive
        return self.classes[-1] if len(self.classes) == 2 else None
