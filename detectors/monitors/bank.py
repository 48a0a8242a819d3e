"""All detectors of a specification, with the false-alarm budget shared between their monitors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from detectors.acknowledgement import Present, References, categorical_reference, loss_reference, numeric_reference, rate_reference, traffic_reference
from detectors.columns.other_levels import unseen_reference
from detectors.detector import Detector
from detectors.event_batch import Float64
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.constant_columns import ConstantColumns, repetitions_of
from detectors.monitors.correlation_drift import CorrelationDrift
from detectors.monitors.e_detector import RateEDetector
from detectors.monitors.given_others import GivenOthers, laws_of, rest_of
from detectors.monitors.hourly_drift import HourlyCategoricalDrift, HourlyNumericDrift, HourlyRateChange
from detectors.monitors.label_composition import ErrorsByClass, ResidualsByClass, error_composition
from detectors.monitors.loss_change import LossChange
from detectors.monitors.mean_rise import MeanRise
from detectors.monitors.numeric_drift import NumericDrift
from detectors.monitors.output_counts import OutputCounts, confusion_of
from detectors.monitors.prior_drift import PriorDrift, numeric_cells
from detectors.monitors.rate_change import KNOWN, Rate, RateChange
from detectors.monitors.river_errors import OUTSIDE_OF_BUDGET, RiverErrors
from detectors.monitors.saturated_rate import SATURATION, SaturatedRate
from detectors.monitors.silence import SILENT, Silence
from detectors.monitors.slow_rate import SlowRate
from detectors.monitors.stale_columns import StaleColumns
from detectors.monitors.traffic import TRAFFIC_MONITOR, TrafficChange
from detectors.monitors.undeclared_columns import UndeclaredColumns
from detectors.monitors.weighted_bank import WeightedBank
from detectors.panes.expected_values import BROKEN, MISSING, VALUES
from detectors.panes.expected_values import CELLS as EXPECTED_CELLS
from detectors.panes.layout import TRAFFIC, Layout
from detectors.profile import CategoricalProfile, ColumnProfile, NumericProfile, OutcomeProfile, PerformanceProfile
from detectors.references.hour_tables import has_hours
from detectors.references.hourly_columns import WITHOUT_HOURS, categorical_hours, error_hours, quality_hours
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.scored_windows import Bank
from detectors.scans.window_bank import MIN_REFERENCE, WindowBank
from detectors.specification import MonitorSpecification
from detectors.unlabelled.label_shift import Explanation
from detectors.verdict import AlertKind, Group

_COMPARE_HOURS = (NumericDrift, CategoricalDrift, RateChange, HourlyNumericDrift, HourlyCategoricalDrift, HourlyRateChange)
_OF_RATES: dict[str, type[RateChange]] = {"scan": RateChange, "e-detector": RateEDetector}

ESTIMATES = frozenset({"estimated_error_rate", "calibration"})
"""Monitors that rest on how often the reference's version was right; they end with it."""


@dataclass(frozen=True)
class _Planned:
    """A bank before its monitors know their budget."""

    names: tuple[str, ...]
    group: Group
    kind: AlertKind
    make: Callable[[Bank], Detector]
    has_budget: bool = True  # not where it is the other half of a monitor that has it


def detectors_of(specification: MonitorSpecification, *, performance: PerformanceProfile | None = None, acknowledged: References = MappingProxyType({})) -> tuple[Detector, ...]:
    """Every detector that a specification calls for.

    Parameters
    ----------
    specification : of the model; without a profile a regression's loss, the service, and what is expected of the features are watched.
    performance : of the version that is watched, where it is another than the profile's; without either the stream's first labels become it.
    acknowledged : by monitor, what is compared with instead of what the specification declares.

    Returns
    -------
    Detectors in a fixed order; those without monitors are left out. The budget is shared by ``detectors.shares``: a group without monitors
    gives its share to the others in proportion, and the monitors of a group share equally.
    """
    planned = _planned(specification, performance, acknowledged)
    shares = _shares(specification, planned)
    made = [plan.make(_bank(specification, plan.names, plan.group, plan.kind, shares[plan.group])) for plan in planned if shares[plan.group] > 0]
    if specification.sampling == "weighted":
        cells = Layout(specification).cells
        made = [WeightedBank(one, cells=cells) if isinstance(one, WindowBank) and not isinstance(one, ConstantColumns | UndeclaredColumns | TrafficChange) else one for one in made]
    return (*made, *_outside_of_budget(specification, Layout(specification), performance, acknowledged))


def hourly_monitors(specification: MonitorSpecification) -> tuple[str, ...]:
    """Names of the monitors that compare windows with their hours of the week, where these are asked for."""
    found = [detector for detector in detectors_of(specification) if type(detector) in _COMPARE_HOURS and detector.group != "service"]
    of_no_profile = _expected(Layout(specification))
    return tuple(name for detector in found for name in detector.names if not name.startswith(WITHOUT_HOURS) and name not in of_no_profile)


def silence_of(specification: MonitorSpecification) -> Silence | None:
    """The monitor of a model's silence, which no pane steps; None where none is asked for."""
    if SILENT not in specification.service.monitors:
        return None
    share = _shares(specification, _planned(specification, None, MappingProxyType({})))["service"]
    floor = specification.alerts.floors.silence
    return Silence(_bank(specification, (SILENT,), "service", "service", share), floor=floor, stated=specification.service.silence) if share > 0 else None


def _planned(specification: MonitorSpecification, performance: PerformanceProfile | None, acknowledged: References) -> list[_Planned]:
    layout = Layout(specification)
    return [
        *_drift(specification, layout, acknowledged),
        *_estimates(specification, layout, acknowledged),
        *_performance(specification, layout, performance, acknowledged),
        *_quality(specification, layout, acknowledged),
        *_constant_columns(specification, layout, acknowledged),
        *_undeclared_columns(specification, layout, acknowledged),
        *_stale_columns(specification, layout),
        *_service(specification, layout, acknowledged),
    ]


def _shares(specification: MonitorSpecification, planned: Sequence[_Planned]) -> dict[Group, float]:
    """What one monitor of each group has of the budget; a share of 0 is how a group is switched off."""
    monitors: dict[Group, int] = {}
    for plan in planned:
        monitors[plan.group] = monitors.get(plan.group, 0) + len(plan.names) * plan.has_budget
    if SILENT in specification.service.monitors:
        monitors["service"] = monitors.get("service", 0) + 1
    given = specification.detectors.shares.model_dump()
    whole = sum(given[group] for group in given if group in monitors)
    return {group: given[group] / whole / count if given[group] else 0.0 for group, count in monitors.items()}


def _bank(specification: MonitorSpecification, names: tuple[str, ...], group: Group, kind: AlertKind, share: float) -> Bank:
    looks = specification.false_alarms.looks(pane=specification.pane, events_per_pane=specification.events_per_pane)
    smallest = MIN_EVENTS / specification.events_per_pane if specification.events_per_pane else 1.0
    times = {"pane": specification.pane, "resolve_after": specification.alerts.resolve_after}
    return Bank(names=names, group=group, kind=kind, looks=looks / share, share=share, smallest=max(smallest, 1.0), **times)


def by_dependence_on_version(detectors: Iterable[Detector]) -> tuple[tuple[Detector, ...], tuple[Detector, ...]]:
    """Detectors of what goes into the model, and of what it makes of it; the latter begin anew with a new version."""
    every = tuple(detectors)
    return tuple(one for one in every if one.group != "performance"), tuple(one for one in every if one.group == "performance")


def of_a_later_version(specification: MonitorSpecification, acknowledged: References) -> tuple[Detector, ...]:
    """Error monitors that learn a later version's errors; its outputs are not compared with those of the version that the reference was declared for."""
    profile = specification.reference.profile
    if profile is not None:
        unmeasured = profile.model_copy(update={"performance": None})
        specification = specification.model_copy(update={"reference": specification.reference.model_copy(update={"profile": unmeasured})})
    outputs = by_dependence_on_version(detectors_of(specification, acknowledged=acknowledged))[1]
    return tuple(one for one in outputs if isinstance(one, RiverErrors) or (one.kind == "performance" and not ESTIMATES.intersection(one.names)))


def _drift(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    features = [(f"feature:{name}", profile) for name, profile in layout.columns.items()]
    prediction = [("prediction", layout.prediction)] if layout.prediction is not None and layout.outcomes is None else []
    plans = []
    for group, columns in (("features", features), ("performance", prediction)):
        plans += [plan for make in (_numeric, _categorical) if (plan := make(specification, layout, group, columns, acknowledged)) is not None]  # type: ignore[arg-type]  # the two literals are groups
    return [*plans, *_correlation(specification, layout, acknowledged), *_given_others(specification, layout, acknowledged)]


def _given_others(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    profile = None if specification.reference.profile is None else specification.reference.profile.given_others
    if profile is None or specification.sampling == "weighted":  # what is left of a pane's mean is not linear in its counts
        return []
    floor = specification.alerts.floors.shift

    def make(bank: Bank) -> Detector:
        return GivenOthers(bank, laws=laws_of(profile, acknowledged), rest=rest_of(layout, profile), floor=floor)

    return [_Planned(tuple(f"given_others:{name}" for name in profile.targets), "features", "drift", make)]


def _correlation(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    profile = None if specification.reference.profile is None else specification.reference.profile.correlation
    if not specification.correlation or profile is None:
        return []
    block, floor, present = layout.blocks["correlation"], specification.alerts.floors.correlation, acknowledged.get("correlation")

    def make(bank: Bank) -> Detector:
        declared = CorrelationDrift(bank, profile=profile, block=block, floor=floor)
        return declared if present is None else declared.acknowledged(present)

    return [_Planned(("correlation",), "features", "drift", make)]


def _estimates(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    """Predictions, told apart by what explains their drift; errors as they are estimated, and as they exceed that."""
    if layout.outcomes is None or not isinstance(layout.prediction, CategoricalProfile):
        return []
    outputs, floors = OutputCounts(layout, layout.outcomes), specification.alerts.floors
    numeric = {name: profile for name, profile in layout.columns.items() if isinstance(profile, NumericProfile) and name in layout.outcomes.means}
    explanation = Explanation(layout.outcomes, outputs.confusion, tuple(numeric), floors.shift)
    columns = numeric_cells(layout, numeric)
    profile, block = layout.prediction, layout.blocks["prediction"]

    def predictions(name: str, kind: AlertKind, *, explained: bool) -> _Planned:
        reference = categorical_reference(profile, acknowledged.get(name))

        def make(bank: Bank) -> Detector:
            return PriorDrift(bank, profile=reference, block=block, floor=floors.categories, explanation=explanation, columns=columns, explained=explained)

        return _Planned((name,), "performance", kind, make, has_budget=not explained)

    def rise(name: str, weights: Float64, reference: tuple[float, float, float]) -> _Planned:
        present = acknowledged.get(name)
        known = loss_reference(None, present)
        mine = reference if known is None else (float(known.rows), known.loss, known.deviation)

        def make(bank: Bank) -> Detector:
            if name == "calibration":
                by_class = outputs.unexpected_by_label if known is None else outputs.unexpected_by_label.forgotten()
                return ResidualsByClass(bank, weights=weights, reference=mine, floor=floors.rate, composition=by_class)
            return MeanRise(bank, weights=weights, reference=mine, floor=floors.rate)

        return _Planned((name,), "performance", "performance", make)

    calibration = outputs.calibration
    rows, wrong = calibration.reference_rows, 1 - calibration.right
    mean = float(calibration.rows @ wrong) / rows
    deviations = [float(np.sqrt(calibration.rows @ squares / rows)) for squares in ((wrong - mean) ** 2, calibration.spread)]
    return [
        predictions("prediction", "drift", explained=False),
        predictions("label_shift", "label shift", explained=True),
        rise("estimated_error_rate", outputs.expected_errors(), (rows, mean, deviations[0])),
        rise("calibration", outputs.unexpected_errors(), (rows, 0.0, deviations[1])),
    ]


def _by_hour(specification: MonitorSpecification) -> bool:
    """Whether hours of the week are compared, and known."""
    profile = specification.reference.profile
    return specification.reference.kind == "hour_of_week" and profile is not None and has_hours(profile)


def _numeric(specification: MonitorSpecification, layout: Layout, group: Group, columns: list[tuple[str, ColumnProfile]], acknowledged: References) -> _Planned | None:
    chosen = [(name, profile) for name, profile in columns if isinstance(profile, NumericProfile) and not _constant(profile)]
    floors, blocks = specification.alerts.floors, [layout.blocks[name] for name, _ in chosen]
    profiles = [numeric_reference(profile, acknowledged.get(name)) for name, profile in chosen]

    def make(bank: Bank) -> Detector:
        kind = HourlyNumericDrift if _by_hour(specification) else NumericDrift
        return kind(bank, profiles=profiles, blocks=blocks, shift=floors.shift, deviation_ratio=floors.deviation_ratio)

    return _Planned(tuple(name for name, _ in chosen), group, "drift", make) if chosen else None


def _categorical(specification: MonitorSpecification, layout: Layout, group: Group, columns: list[tuple[str, ColumnProfile]], acknowledged: References) -> _Planned | None:
    chosen = [(name, _as_categorical(profile)) for name, profile in columns if isinstance(profile, CategoricalProfile) or _constant(profile)]
    floor, blocks = specification.alerts.floors.categories, [_values_and_missing(layout.blocks[name], profile) for name, profile in chosen]
    profiles = [categorical_reference(profile, acknowledged.get(name)) for name, profile in chosen]

    def make(bank: Bank) -> Detector:
        if _by_hour(specification):
            return HourlyCategoricalDrift(bank, profiles=profiles, blocks=blocks, floor=floor, hours=categorical_hours(profiles))
        return CategoricalDrift(bank, profiles=profiles, blocks=blocks, floor=floor)

    return _Planned(tuple(name for name, _ in chosen), group, "drift", make) if chosen else None


def _constant(profile: ColumnProfile) -> bool:
    """A numeric column that never varied: it has no sigma to measure a shift in, but leaving its one value is a change."""
    return isinstance(profile, NumericProfile) and profile.deviation == 0 and len(profile.counts) == 3


def _as_categorical(profile: ColumnProfile) -> CategoricalProfile:
    """A constant's bins as levels; what is above it takes the place of what is unseen."""
    if isinstance(profile, CategoricalProfile):
        return profile
    return CategoricalProfile(levels=("below the constant", "the constant"), counts=profile.counts[:2], unseen=profile.counts[2], missing=profile.missing)


def _values_and_missing(block: slice, profile: CategoricalProfile) -> slice:
    """Cells of the levels, of what is unseen and of what is missing; a numeric block ends with one cell more."""
    return slice(block.start, block.start + len(profile.levels) + 2)


def _performance(specification: MonitorSpecification, layout: Layout, performance: PerformanceProfile | None, acknowledged: References) -> list[_Planned]:
    block, floors = layout.blocks["performance"], specification.alerts.floors
    reference = _measured(specification, performance)

    def loss(bank: Bank) -> Detector:
        return LossChange(bank, block=block, reference=loss_reference(reference, acknowledged.get("loss")), relative=floors.relative_loss)

    if specification.task == "regression":
        return [_Planned(("loss",), "performance", "performance", loss)]
    if not specification.classes:
        return []  # without classes a right answer cannot be told from a wrong one
    rate = _errors(specification, layout, reference, acknowledged.get("error_rate"))
    outcomes = None if reference is None or specification.reference.kind == "hour_of_week" else _late_outcomes(specification)
    profile = specification.reference.profile

    def errors(bank: Bank) -> Detector:
        if _by_hour(specification) and profile is not None:
            return HourlyRateChange(bank, rates=[rate], floor=floors.rate, hours=error_hours(profile))
        if outcomes is not None and specification.detectors.rates == "scan":
            composition = error_composition(layout, confusion_of(outcomes, len(specification.classes)))
            by_class = composition.forgotten() if "error_rate" in acknowledged else composition
            return ErrorsByClass(bank, rates=[rate], floor=floors.rate, composition=by_class)
        return _OF_RATES[specification.detectors.rates](bank, rates=[rate], floor=floors.rate)

    return [_Planned(("error_rate",), "performance", "performance", errors)]


def _late_outcomes(specification: MonitorSpecification) -> OutcomeProfile | None:
    """What is known of each class of the label, where labels may be late."""
    profile = specification.reference.profile
    return profile.outcomes if profile is not None and (specification.labels.delay > 0 or specification.estimate_performance) else None


def _measured(specification: MonitorSpecification, performance: PerformanceProfile | None) -> PerformanceProfile | None:
    profile = specification.reference.profile
    return performance if performance is not None or profile is None else profile.performance


def _errors(specification: MonitorSpecification, layout: Layout, reference: PerformanceProfile | None, acknowledged: Present | None) -> Rate:
    """Wrong answers of a classifier."""
    block, classes = layout.blocks["performance"], len(specification.classes)
    # Label and prediction may both be unknown classes, the last cell; whether they agree is not known, so it does not count.
    cells = list(range(block.start, block.stop - 1))
    right = {block.start + index * (classes + 2) for index in range(classes)}
    hits = [cell for cell in cells if cell not in right]
    declared = None if reference is None else (reference.loss * reference.rows, float(reference.rows))
    return Rate(hits=hits, events=cells, reference=rate_reference(declared, acknowledged))


def _outside_of_budget(specification: MonitorSpecification, layout: Layout, performance: PerformanceProfile | None, acknowledged: References) -> tuple[Detector, ...]:
    """Detectors whose false-alarm rate nobody knows: they have no share of the budget, and leave that of the others as it is."""
    found: list[Detector] = []
    for method in specification.detectors.river if specification.classes else ():
        name = f"error_rate:{method}"
        bank = Bank(
            names=(name,),
            group="performance",
            kind="drift",
            looks=OUTSIDE_OF_BUDGET,
            share=0.0,
            pane=specification.pane,
            resolve_after=specification.alerts.resolve_after,
        )
        rate = _errors(specification, layout, _measured(specification, performance), acknowledged.get(name))
        found.append(RiverErrors(bank, rate=rate, floor=specification.alerts.floors.rate, method=method))
    return tuple(found)


def _quality(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    rates: dict[str, Rate] = {}
    for name, profile in layout.columns.items():
        block, feature = layout.blocks[f"feature:{name}"], layout.features[name]
        last = block.stop - 1
        if isinstance(profile, NumericProfile):
            bins, missing, values = list(range(block.start, last - 1)), last - 1, sum(profile.counts)
            if feature.has_range:
                rates[f"out_of_range:{name}"] = Rate(hits=[last], events=bins, reference=(profile.out_of_range, values))
        else:
            bins, missing, values = list(range(block.start, last)), last, sum(profile.counts) + profile.unseen
            if feature.categories is None and (unseen := unseen_reference(profile)) is not None:
                rates[f"unseen:{name}"] = Rate(hits=[last - 1], events=bins, reference=unseen)
        stated = feature.max_missing
        reference = (profile.missing, values + profile.missing) if stated is None else (stated * KNOWN, KNOWN)
        if stated != 1:  # which cannot rise
            rates[f"missing:{name}"] = Rate(hits=[missing], events=[*bins, missing], reference=reference)
    rates |= _expected(layout) | _types(specification, layout) | _anomalies(specification, layout)
    floor = specification.alerts.floors.rate
    watched = [replace(rate, reference=rate_reference(rate.reference, acknowledged.get(name))) for name, rate in rates.items()]

    def make(bank: Bank) -> Detector:
        if _by_hour(specification):
            declared = {f"missing:{name}" for name, feature in layout.features.items() if feature.max_missing is not None}
            return HourlyRateChange(bank, rates=watched, floor=floor, hours=quality_hours(layout.columns, bank.names, declared))
        return _OF_RATES[specification.detectors.rates](bank, rates=watched, floor=floor)

    return [_Planned(tuple(rates), "quality", "quality", make)] if rates else []


def _expected(layout: Layout) -> dict[str, Rate]:
    """Of columns without a profile: missing values, compared with the stated share or that of the stream's first values; and of all, values that are declared not to come."""
    if not layout.expected:
        return {}
    rates, none = {}, (0.0, KNOWN)
    firsts = range(layout.blocks["expected"].start, layout.blocks["expected"].stop, EXPECTED_CELLS)
    for (name, feature), first in zip(layout.expected.items(), firsts, strict=True):
        values, missing, broken, stated = first + VALUES, first + MISSING, first + BROKEN, feature.max_missing
        if name not in layout.columns and stated != 1:
            rates[f"missing:{name}"] = Rate(hits=[missing], events=[values, missing], reference=None if stated is None else (stated * KNOWN, KNOWN))
        if feature.categories is not None:
            rates[f"unseen:{name}"] = Rate(hits=[broken], events=[values], reference=none)
        elif feature.has_range:
            rates[f"out_of_range:{name}"] = Rate(hits=[broken], events=[values], reference=none)
    return rates


def _stale_columns(specification: MonitorSpecification, layout: Layout) -> list[_Planned]:
    """Columns that have varied; one of a text or an embedding is stale with the text, of which the first tells."""
    if "stale" not in specification.quality.monitors:
        return []
    varied = [name for name in layout.coded if repetitions_of(layout.columns[name]) is not None and layout.features[name].max_missing != 1]
    places, stated = [layout.coded.index(name) for name in varied], [layout.features[name].stale_after for name in varied]
    cell, floor = layout.blocks["traffic"].start + TRAFFIC.index("predictions"), specification.alerts.floors.silence

    def make(bank: Bank) -> Detector:
        return StaleColumns(bank, block=layout.blocks["codes"], columns=places, all_columns=len(layout.coded), predictions=cell, floor=floor, stated=stated)

    return [_Planned(tuple(f"stale:{name}" for name in varied), "quality", "quality", make)] if varied else []


def _types(specification: MonitorSpecification, layout: Layout) -> dict[str, Rate]:
    """Values of another type than declared; in the reference there were none."""
    if "type" not in specification.quality.monitors:
        return {}
    first = layout.blocks["irregular"].start
    return {f"type:{name}": Rate(hits=[first + 1 + place], events=[first], reference=_none_of_reference(specification)) for place, name in enumerate(specification.features)}


def _anomalies(specification: MonitorSpecification, layout: Layout) -> dict[str, Rate]:
    """Events that are stranger than nearly all of the reference."""
    known = None if specification.reference.profile is None else specification.reference.profile.anomalies
    if "anomalies" not in specification.quality.monitors or known is None:
        return {}
    first = layout.blocks["anomalies"].start
    return {"anomaly_rate": Rate(hits=[first + 1], events=[first], reference=(known.above, known.rows))}


def _undeclared_columns(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    if "schema" not in specification.quality.monitors:
        return []
    reference, floor = rate_reference(_none_of_reference(specification), acknowledged.get("schema")), specification.alerts.floors.rate

    def make(bank: Bank) -> Detector:
        return UndeclaredColumns(bank, block=layout.blocks["irregular"], reference=reference, floor=floor)

    return [_Planned(("schema",), "quality", "quality", make)]


def _none_of_reference(specification: MonitorSpecification) -> tuple[float, float]:
    """No hit in as many events as the reference has rows; without one it is stated that there is to be none."""
    profile = specification.reference.profile
    return 0.0, float(KNOWN if profile is None or profile.rows < MIN_REFERENCE else profile.rows)


def _constant_columns(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    if "constant" not in specification.quality.monitors:
        return []
    references = {f"constant:{name}": repetitions_of(layout.columns[name]) for name in layout.coded}
    watched = {name: place for place, (name, reference) in enumerate(references.items()) if reference is not None}
    floor = specification.alerts.floors.rate

    def make(bank: Bank) -> Detector:
        known = [rate_reference(references[name], acknowledged.get(name)) for name in watched]
        return ConstantColumns(bank, block=layout.blocks["codes"], columns=[*watched.values()], all_columns=len(layout.coded), references=known, floor=floor)

    return [_Planned(tuple(watched), "quality", "quality", make)] if watched else []


def _service(specification: MonitorSpecification, layout: Layout, acknowledged: References) -> list[_Planned]:
    asked, floors = specification.service.monitors, specification.alerts.floors
    predictions, failed, duplicates, late = (layout.blocks["traffic"].start + TRAFFIC.index(counter) for counter in ("predictions", "failed", "duplicates", "late"))
    rates = {
        name: Rate(hits=[hits], events=events, reference=rate_reference(None, acknowledged.get(name)))
        for name, hits, events in (("failed_rate", failed, [predictions]), ("duplicate_rate", duplicates, [predictions, duplicates]), ("late_rate", late, [predictions, late]))
        if name in asked
    }

    def counted(bank: Bank) -> Detector:
        return RateChange(bank, rates=tuple(rates.values()), floor=floors.rate)

    def slow(bank: Bank) -> Detector:
        return SlowRate(bank, block=layout.blocks["latency"], reference=rate_reference(None, acknowledged.get("latency")), floor=floors.latency)

    def saturated(bank: Bank) -> Detector:
        limit, first = specification.service.saturation, layout.blocks["saturation"].start
        assert limit is not None  # noqa: S101  the settings have both, the monitor and its limit, or neither
        rate = Rate(hits=[first + 1], events=[first], reference=rate_reference(None, acknowledged.get(SATURATION)))
        return SaturatedRate(bank, rate=rate, floor=floors.rate, asked=limit)

    def traffic(bank: Bank) -> Detector:
        cycle, reference = specification.service.traffic_cycle, traffic_reference(acknowledged.get(TRAFFIC_MONITOR))
        return TrafficChange(bank, predictions=predictions, cycle=cycle, ratio=floors.traffic, reference=reference)

    plans = [_Planned(tuple(rates), "service", "service", counted)] if rates else []
    others = {"latency": slow, TRAFFIC_MONITOR: traffic, SATURATION: saturated}
    return [*plans, *(_Planned((name,), "service", "service", make) for name, make in others.items() if name in asked)]
