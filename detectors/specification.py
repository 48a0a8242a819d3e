"""What an operator says about a model: one frozen specification, read from ``monitor.yaml``.

Every key but ``model`` has a default. Thresholds are not among the keys: they follow from ``false_alarms`` and ``alerts.floors``.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, Literal

import msgspec
from pydantic import Field, ValidationInfo, field_validator, model_validator

from detectors.budget import Budget, FalseAlarmBudget
from detectors.columns.slice_cells import SliceCells
from detectors.duration import Duration, format_duration, parse_duration
from detectors.profile import Frozen, NumericProfile
from detectors.settings.feature import DERIVED, OF_EMBEDDINGS, Feature, is_readable
from detectors.settings.function_path import is_function_path
from detectors.settings.retraining import Retrain
from detectors.settings.stored import is_stored
from detectors.settings.watching import Alerts, Detectors, Labels, Objective, Quality, Reference, Service, Slices
from detectors.shared_settings import Shared

_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")

Task = Literal["classification", "regression"]

MOST_SLICES = 1_000
"""Slices that errors are counted in: two numbers each in every summary, and sixty times that in the state of the detector."""

MOST_CORRELATED = 30
"""Features whose correlations are watched: they have 435 pairs, all of which an alert carries, in some 60 KB."""


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


def _of_expected(specification: MonitorSpecification) -> dict[str, Any]:
    """What only models have of which something is counted that their profile has no bins for."""
    profile = specification.reference.profile
    bare = profile is None or not specification.columns.keys() <= profile.features.keys()
    categories = {name: feature.categories for name, feature in specification.features.items() if feature.categories is not None}
    return {"expected": categories} if categories or (bare and specification.features) else {}


class MonitorSpecification(Frozen):
    """Everything that Driftwarden is told about one model.

    Use `digest` to name it: two specifications with the same digest have the same bins, so their summaries merge.
    """

    model: str = Field(min_length=1, max_length=200)
    owner: str | None = Field(default=None, min_length=1, max_length=200, description="who answers for the model, such as a team; notifications are routed by it")
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
    events_per_pane: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="needed for a budget in events")
    features: dict[str, Shared[Feature]] = Field(default_factory=dict)
    correlation: tuple[str, ...] = Field(default=(), description="numeric features whose correlations are watched; see `detectors.references.correlation_reference`")
    segments: tuple[str, ...] = ()
    sampling: Literal["ignored", "weighted"] = Field(
        default="ignored", description="whether an event of the sampling_fraction f counts as 1 / f events, see `detectors.statistics.sampling`"
    )
    max_groups: int = Field(
        default=200, gt=0, description="versions and segments that a source partition counts apart in a pane; those that come later are counted together, as `(other)`"
    )
    max_open_ids: int = Field(
        default=10_000_000,  # 44 bytes each; 30,000 events a second of the default lateness
        gt=0,
        description="ids of open panes that a source partition remembers, so that an event that comes twice counts once; then the oldest are forgotten, and counted",
    )
    labels: Shared[Labels] = Labels()
    reference: Reference = Reference()
    detectors: Shared[Detectors] = Detectors()
    alerts: Shared[Alerts] = Alerts()
    service: Shared[Service] = Service()
    quality: Shared[Quality] = Quality()
    slices: Shared[Slices] = Slices()
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
            if not is_function_path(path):
                raise ValueError(f"metrics.{name} must be 'module:function', such as 'acme.metrics:profit', got {path!r}")
        return metrics

    @field_validator("windows")
    @classmethod
    def _windows_hold_panes(cls, windows: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if not windows or min(windows) <= 0:
            raise ValueError("windows must be one or more durations > 0; without one there is no rolling metric")
        if len(set(windows)) < len(windows) and not is_stored(info):
            raise ValueError(f"windows must be named once each, got {', '.join(map(format_duration, windows))}; the same points would be told twice")
        pane = info.data.get("pane", 1)  # not there where it was refused itself
        unfit = [window for window in windows if window % pane]
        if unfit:
            nearest = sorted({length for window in unfit for length in (window // pane * pane, -(-window // pane) * pane)} - {0})
            got, fit = (", ".join(map(format_duration, lengths)) for lengths in (unfit, nearest))
            raise ValueError(f"windows must be whole numbers of panes ({format_duration(pane)} each), got {got}; a window is a sum of panes: the nearest that are one: {fit}")
        return tuple(sorted(windows))

    @field_validator("segments")
    @classmethod
    def _segments_differ(cls, segments: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(set(segments)) < len(segments) and not is_stored(info):
            raise ValueError(f"segments must be named once each, got {', '.join(segments)}; each group of events would have a value twice in its name")
        return segments

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
    def _cycles_hold_panes(self, info: ValidationInfo) -> MonitorSpecification:
        short = [cycle for cycle in self.detectors.cycles if cycle <= self.pane]
        if short and not is_stored(info):
            raise ValueError(
                f"detectors.cycles must be longer than a pane ({format_duration(self.pane)}), got {', '.join(map(format_duration, short))}; a pane holds all of such a cycle, "
                "and what would be removed looks like a change: leave it out, or lower pane"
            )
        return self

    @model_validator(mode="after")
    def _cycles_are_of_a_table(self) -> MonitorSpecification:
        if self.reference.learn is not None and self.detectors.cycles:
            cycles = ", ".join(map(format_duration, self.detectors.cycles))
            raise ValueError(
                f"detectors.cycles {cycles} do not go with reference.learn: two whole cycles are learnt from a table; make the profile with driftwarden monitor infer --period"
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
        endless = [f"costs.{label}.{prediction}" for label, costs in self.costs.items() for prediction, cost in costs.items() if not math.isfinite(cost)]
        if endless:
            raise ValueError(f"a cost is a finite number, got another for {', '.join(endless)}; the mean cost would be undefined for ever")
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
    def _challengers_can_be_promoted(self, info: ValidationInfo) -> MonitorSpecification:
        if is_stored(info):
            return self
        gate, canary = self.retrain.gate, self.retrain.canary
        if canary.share and self.false_alarms.duration is not None and canary.max_time < gate.min_validation_time:
            got = f"{format_duration(canary.max_time)} and {format_duration(gate.min_validation_time)}"
            raise ValueError(
                f"retrain.canary.max_time must be at least retrain.gate.min_validation_time, got {got}; each canary would be rolled back before an event came "
                "that its promotion may rest on: raise the one, or lower the other"
            )
        if self.task == "classification" and gate.max_loss is not None and gate.max_loss > 1:
            raise ValueError(f"retrain.gate.max_loss is an error rate, at most 1, got {gate.max_loss:g}; no challenger would ever be above it (5 % is 0.05)")
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
    def _the_reference_is_of_such_columns(self) -> MonitorSpecification:
        profile = self.reference.profile
        if profile is None:
            return self
        known = [(f"feature {name!r}", feature.type, profile.features[name].kind) for name, feature in self.columns.items() if name in profile.features]
        if profile.prediction is not None:
            known.append(("prediction", "categorical" if self.task == "classification" else "numeric", profile.prediction.kind))
        for what, declared, kind in known:
            if declared != kind:
                raise ValueError(f"the {what} is {declared}, and its profile is that of a {kind} column; make it again with: driftwarden monitor infer FILE")
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
    def _saturation_is_a_number(self) -> MonitorSpecification:
        asked = self.service.saturation
        feature = None if asked is None else self.features.get(asked.feature)
        if asked is not None and (feature is None or feature.type != "numeric"):
            got = "which is not declared" if feature is None else f"which is of type {feature.type}"
            raise ValueError(f"service.saturation.feature must be a numeric feature, got {asked.feature!r}, {got}; add it to features with type: numeric")
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
    def _slices_have_a_reference(self) -> MonitorSpecification:
        profile = self.reference.profile
        for name in self.slices.columns:
            if name not in self.columns or profile is None or name not in profile.features:
                raise ValueError(
                    f"slices.columns are columns of the features that have a reference, by which they are cut, got {name!r}; make it with: driftwarden monitor infer FILE"
                )
        if len(set(self.slices.columns)) < len(self.slices.columns):
            raise ValueError(f"slices.columns must name each column once, got {', '.join(self.slices.columns)}")
        if self.task == "classification" and self.slices.columns and not self.classes:
            raise ValueError("slices are of errors, and without classes, which come with a reference, a right answer cannot be told from a wrong one; leave slices out")
        if self.slices.columns and profile is not None:
            number = SliceCells({name: profile.features[name] for name in self.slices.columns}, self.slices.paired).size
            if number > MOST_SLICES:
                raise ValueError(
                    f"slices must be at most {MOST_SLICES:,}, which a pane counts for each version and segment, got {number:,}; lower slices.paired, or name fewer columns"
                )
        return self

    @model_validator(mode="after")
    def _weights_can_be_counted(self) -> MonitorSpecification:
        if self.sampling == "weighted":
            asked = {"correlation": self.correlation, "detectors.river": self.detectors.river, "detectors.rates: e-detector": self.detectors.rates == "e-detector"}
            asked["slices"] = bool(self.slices.columns)
            asked["reference.kind: hour_of_week"] = self.reference.kind == "hour_of_week"
            asked["reference.learn"] = self.reference.learn is not None
            unfit = [name for name, is_asked in asked.items() if is_asked]
            if unfit:
                raise ValueError(f"sampling: weighted does not go with {', '.join(unfit)}, which count events that stand for themselves alone; leave out one of the two")
        return self

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name what determines bins, panes and statistics."""
        others = dict.fromkeys(("owner", "alerts", "retrain", "quantile", "costs", "metrics", "objectives", "service", "max_open_ids"), True)
        unread = {"rates", "river", "quantiles", "max_levels", "max_known_levels"}  # the last two are used where a profile is made, and it says what came of them
        parts: Any = {
            "features": {"__all__": {"importance", "stale_after", "categories", *OF_EMBEDDINGS}},
            "detectors": unread,
            "reference": {"kind", "period", "weeks", "learn", "learnt"},
        }
        content = self.model_dump(mode="json", exclude={**others, **parts})
        if self.detectors.quantiles:
            content["detectors"]["quantiles"] = True
        for name, feature in self.features.items():
            if feature.type == "embedding":
                content["features"][name] |= feature.model_dump(include=OF_EMBEDDINGS)
        profile = self.reference.profile
        content |= _of_expected(self)
        if profile is not None and profile.outcomes is None:
            del content["reference"]["profile"]["outcomes"]
        for seldom in ("error_hours", "given_others"):
            if profile is not None and getattr(profile, seldom) is None:
                del content["reference"]["profile"][seldom]
        if self.service.saturation is not None:
            content["saturation"] = self.service.saturation.model_dump()
        if not self.correlation:
            _without_correlation(content)
        asked = {"sampling": self.sampling != "ignored", "estimate_performance": self.estimate_performance, "quality": self.quality.monitors, "slices": self.slices.columns}
        for name, is_asked in asked.items():
            if not is_asked:  # as it was before there was such a key
                del content[name]
        if profile is not None and "anomalies" not in self.quality.monitors:
            del content["reference"]["profile"]["anomalies"]
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]

    @property
    def columns(self) -> dict[str, Feature]:
        """Columns that are watched: the features, but what stands for a text or an embedding in its place; see `detectors.columns.watched_columns`."""
        if not self.derives:
            return self.features
        return {column: part for name, feature in self.features.items() for column, part in feature.columns(name).items()}

    @property
    def inputs(self) -> dict[str, Feature]:
        """Features that a model is given: all but the one that tells how full its service is."""
        saturation = self.service.saturation
        return self.features if saturation is None else {name: feature for name, feature in self.features.items() if name != saturation.feature}

    @property
    def derives(self) -> bool:
        """Whether some feature is not watched as it is."""
        return any(feature.type in DERIVED for feature in self.features.values())

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
