"""Every figure of an alert once more, from what the alert itself carries.

A monitor's window is put as the only one before a detector that is built from the evidence alone: its reference, its floors and its share of the
budget. What that detector says of it is what was said, if nothing is missing and nothing was touched. Figures that need no detector, such as a
difference of rates or the panes that a budget comes to, are taken from the counts by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np

from detectors.alerts.alert import Alert
from detectors.alerts.alert_summary import summary_of
from detectors.alerts.slice_figures import again
from detectors.alerts.stated_references import StatedCategoricalDrift, StatedNumericDrift
from detectors.budget import parse_budget
from detectors.errors import EventError
from detectors.event_batch import Float64
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.correlation_drift import CorrelationDrift
from detectors.monitors.e_detector import RateEDetector, highest_rate
from detectors.monitors.given_others import GivenOthers, Law
from detectors.monitors.loss_change import LossChange
from detectors.monitors.mean_rise import MeanRise
from detectors.monitors.numeric_drift import NumericDrift
from detectors.monitors.rate_change import Rate, RateChange
from detectors.monitors.residual_rise import ResidualRise
from detectors.monitors.river_errors import RiverErrors
from detectors.monitors.silence import SILENT, recomputed
from detectors.monitors.stale_columns import STALE, stale_recomputed
from detectors.monitors.traffic import TRAFFIC_MONITOR, TrafficChange
from detectors.panes.correlation_sums import block_size
from detectors.profile import CategoricalProfile, CorrelationProfile, Cycle, NumericProfile, PerformanceProfile
from detectors.rfc3339 import parse_time
from detectors.scans.history import narrow
from detectors.scans.scored_windows import Bank
from detectors.scans.window_bank import WindowBank
from detectors.unlabelled.label_shift import priors_of
from detectors.verdict import Evidence

TOLERANCE = 1e-9
"""Of a figure, relative to its size; sums in another order differ by less."""


FigureState = Literal["as stated", "undefined", "differs", "missing"]
"""``undefined``: not finite, and not finite either when it is computed from evidence that is there; ``missing``: there is not evidence enough to compute it."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that an alert states, and what it comes to when it is computed again; None where the alert does not carry what that takes."""

    monitor: str
    name: str
    stated: float
    recomputed: float | None

    @property
    def state(self) -> FigureState:
        """What the two say together; JSON has one word for all that is not finite.

        Examples
        --------
        >>> nan = math.nan
        >>> [Figure(monitor="error_rate", name="value", stated=stated, recomputed=again).state for stated, again in ((5.0, 5.0), (5.0, 5.1), (nan, nan), (nan, None))]
        ['as stated', 'differs', 'undefined', 'missing']
        """
        if self.recomputed is None:
            return "missing"
        finite = math.isfinite(self.stated), math.isfinite(self.recomputed)
        if not any(finite):
            return "undefined"
        return "as stated" if all(finite) and math.isclose(self.stated, self.recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE) else "differs"

    @property
    def agrees(self) -> bool:
        """Whether the alert says what its evidence says, be it that a figure is undefined."""
        return self.state in {"as stated", "undefined"}


class MissingEvidenceError(ValueError):
    """An alert does not carry what its figures rest on; an earlier release may have written it."""


def figures(life: Sequence[Alert]) -> tuple[Figure, ...]:
    """All figures of an alert, beside what they come to; none of monitors whose evidence was left out as the record would have been too large.

    Parameters
    ----------
    life : its records, in their order; what one repeats of a monitor is looked at once.
    """
    found: list[Figure] = []
    seen: set[bytes] = set()
    for record in life:
        for evidence in record.monitors:
            if evidence.left_out:
                continue
            content = msgspec.json.encode((evidence, record.budget, record.events_per_pane), enc_hook=float)
            if content not in seen:
                seen.add(content)
                found += [*_of_detector(evidence), *_of_counts(evidence), *_of_budget(record, evidence)]
        for one in record.slices:
            content = msgspec.json.encode(one)
            if content not in seen:
                seen.add(content)
                found += [Figure(monitor=f"slice {' and '.join(one.where)}", name=name, stated=stated, recomputed=recomputed) for name, stated, recomputed in again(one)]
        found += _of_record(record)
    return tuple(found)


def detector_of(evidence: Evidence, *, looks: float | None = None) -> WindowBank:
    """A detector of the one monitor, built from its evidence.

    Parameters
    ----------
    evidence : as the alert carries it, from the wire or not.
    looks : panes between two false alarms, instead of those that the evidence states.

    Raises
    ------
    MissingEvidenceError
        If something that it needs is not there.
    """
    basis = evidence.basis
    make = _DETECTORS.get(str(basis.get("detector")))
    if make is None:
        raise MissingEvidenceError(
            f"{evidence.name}: the evidence names the detector {basis.get('detector')!r}, expected one of {', '.join(_DETECTORS)}; another release may have written it"
        )
    try:
        return make(evidence, _bank(evidence, {} if looks is None else {"looks": looks}))
    except (LookupError, TypeError, ValueError) as error:
        raise _incomplete(evidence, error) from error


def _bank(evidence: Evidence, instead: Mapping[str, float]) -> Bank:
    settings: Any = {setting.name: evidence.basis[setting.name] for setting in fields(Bank) if setting.name != "names"}
    return Bank(names=(evidence.name,), **(settings | instead))


def _incomplete(evidence: Evidence, error: Exception) -> MissingEvidenceError:
    return MissingEvidenceError(f"{evidence.name}: the evidence is not complete ({type(error).__name__}: {error}); another release may have written it")


def recompute(evidence: Evidence) -> Evidence:
    """What a monitor's detector says of its window when it is asked again.

    Raises
    ------
    MissingEvidenceError
        If the evidence lacks something.
    """
    basis = evidence.basis
    if basis.get("detector") in _BY_TIMES:
        try:
            return _BY_TIMES[str(basis["detector"])](evidence, _bank(evidence, {}))
        except (EventError, LookupError, TypeError, ValueError) as error:
            raise _incomplete(evidence, error) from error
    bank = detector_of(evidence)
    try:
        row, sums = np.zeros((1, bank.width)), np.stack([numbers_of(basis[name]) for name in ("events", "totals", "squares")])
        row[0, bank.channel_sums] = sums
        if (row[0, bank.channel_sums] != sums).any():
            raise ValueError("channels that share a sum state it differently")
        labels = np.concatenate((numbers_of(basis["inflation"]), numbers_of(basis["freedom"])))[None]
        begins = np.array([parse_time(basis["since"])], np.int64)
        cells = [narrow(counts_of(evidence.current))] if basis["detector"] == "numbers" else []
        window = {"sizes": [int(_number(basis["panes"]))], "starts": begins, "sums": row, "labels": labels, "cells": cells}
        return bank.evidence(bank.initial() | window | bank.state_of(basis), 0)
    except (EventError, LookupError, TypeError, ValueError) as error:
        raise _incomplete(evidence, error) from error


def _of_record(record: Alert) -> Iterator[Figure]:
    """What a record says of all of its monitors together."""
    if record.status == "opened" and record.monitors and not record.more_monitors:  # the earliest may be one of those that are not named
        began = _or_none(lambda: min(parse_time(one.basis["since"]) for one in record.monitors))
        yield Figure(monitor="", name="time of the change", stated=float(record.change_at), recomputed=began)
    if record.status != "resolved" and record.monitors and math.isfinite(record.monitors[0].effect.value):  # JSON has no infinity, of which the sentence speaks
        says = summary_of(record.model, record.monitors, record.change_at, more=record.more_monitors) == record.summary
        yield Figure(monitor="", name="summary that says the figures (1: it does)", stated=1.0, recomputed=float(says))


def _of_detector(evidence: Evidence) -> Iterator[Figure]:
    try:
        again = recompute(evidence)
        found = dict(_stated(again))
    except MissingEvidenceError:
        found = {}
    for name, stated in _stated(evidence):
        yield Figure(monitor=evidence.name, name=name, stated=stated, recomputed=found.get(name))


def _stated(evidence: Evidence) -> Iterator[tuple[str, float]]:
    low, high = evidence.effect.interval
    yield "statistic", evidence.value
    yield "threshold", evidence.threshold
    yield evidence.effect.name, evidence.effect.value
    yield "lower end of its interval", low
    yield "upper end of its interval", high
    yield "floor", evidence.effect.floor
    yield "events of the reference", evidence.n_reference
    yield "events since the change", evidence.n_current


def _of_counts(evidence: Evidence) -> Iterator[Figure]:
    """What the counts say by themselves."""
    reference, current = evidence.reference, evidence.current
    basis: Mapping[str, Any] = evidence.basis

    def figure(name: str, stated: Callable[[], float], recomputed: Callable[[], float]) -> Figure:
        return Figure(monitor=evidence.name, name=name, stated=_or_nan(stated), recomputed=_or_none(recomputed))

    kind = basis.get("detector")
    if kind in {"rate", "e-detector", "river"}:
        yield figure(
            "difference of the two rates",
            lambda: evidence.effect.value,
            lambda: _number(current["count"]) / _number(current["of"]) - _number(reference["count"]) / _number(reference["of"]),
        )
    if kind == TRAFFIC_MONITOR:
        yield figure(
            "logarithm of the two means' ratio",
            lambda: evidence.effect.value,
            lambda: float(np.log(_number(current["predictions_a_pane"]) / _number(reference["predictions_a_pane"]))),
        )
    elif kind == "e-detector":
        yield figure(
            "highest rate that is tolerated",
            lambda: _number(basis["pane_highest"][-1]),
            lambda: float(highest_rate(np.array([_number(reference["count"])]), np.array([_number(reference["of"])]), evidence.effect.floor)[0]),
        )
    elif kind == "loss":
        yield figure(
            "ratio of the two mean errors, less 1",
            lambda: evidence.effect.value,
            lambda: _number(current["mean_absolute_error"]) / _number(reference["mean_absolute_error"]) - 1,
        )
    elif kind in {"mean", "residual", "given others"}:
        yield figure("difference of the two means", lambda: evidence.effect.value, lambda: _number(current["mean"]) - _number(reference["mean"]))
    elif kind in {"numbers", "categories", "label shift"}:
        yield figure("sum of the bins of the reference", lambda: evidence.n_reference, lambda: float(counts_of(reference).sum()))
        yield figure("sum of the bins since the change", lambda: evidence.n_current, lambda: float(counts_of(current).sum()))
    if kind == "correlation":  # of the correlations as they are told, chance and all
        yield figure("largest difference between correlations and sums", lambda: 0.0, lambda: _of_correlations(evidence))
    if kind == "label shift":
        yield from _of_label_shift(evidence)
    if kind in {"categories", "label shift"}:
        yield figure("difference between levels and sums", lambda: 0.0, lambda: float(np.abs(counts_of(current) - numbers_of(basis["totals"])).max()))
    if kind == "numbers" and not basis.get("cycles") and not basis.get("hours"):  # a cycle is taken off pane by pane, which bins do not tell
        stated, bins = (_or_none(lambda: numbers_of(basis["totals"])), _or_none(lambda: counts_of(current) @ numbers_of(basis["scores"])[:, None] ** np.array([1, 2])))
        for power, name in enumerate(("sum of scores", "sum of squared scores")):
            yield Figure(monitor=evidence.name, name=name, stated=_at(stated, power, math.nan), recomputed=_at(bins, power, None))


def _of_label_shift(evidence: Evidence) -> Iterator[Figure]:
    """Shares of the classes, and the means that they let expect."""
    basis: Mapping[str, Any] = evidence.basis
    current = evidence.current
    stated, priors = (_or_none(lambda: numbers_of(basis["priors"])), _or_none(lambda: priors_of(np.array(basis["confusion"], np.float64), counts_of(current)[:-1])))
    for place, name in enumerate(list(current)[:-1]):
        yield Figure(monitor=evidence.name, name=f"share of the class {name}", stated=_at(stated, place, math.nan), recomputed=_at(priors, place, None))
    columns = basis.get("columns", {})
    for name, column in columns.items():
        expected, found = (lambda: _number(column["expected"])), (lambda: float(numbers_of(column["by_class"]) @ priors[basis["known"]]))  # noqa: B023  used at once
        yield Figure(monitor=evidence.name, name=f"mean of {name} that they let expect", stated=_or_nan(expected), recomputed=_or_none(found))


def _of_budget(alert: Alert, evidence: Evidence) -> Iterator[Figure]:
    basis = evidence.basis

    def looks() -> float:
        whole = parse_budget(alert.budget).looks(pane=int(_number(basis["pane"])), events_per_pane=alert.events_per_pane)
        return whole / _number(basis["share"])

    if basis.get("detector") == "river":
        return  # outside of the budget
    yield Figure(monitor=evidence.name, name="panes between false alarms", stated=_or_nan(lambda: _number(basis["looks"])), recomputed=_or_none(looks))


def _rate(evidence: Evidence, bank: Bank) -> WindowBank:
    return RateChange(bank, rates=[_declared_rate(evidence)], floor=evidence.effect.floor)


def _e_detector(evidence: Evidence, bank: Bank) -> WindowBank:
    return RateEDetector(bank, rates=[_declared_rate(evidence)], floor=evidence.effect.floor)


def _river(evidence: Evidence, bank: Bank) -> WindowBank:
    method: Any = evidence.basis["method"]
    return RiverErrors(bank, rate=_declared_rate(evidence), floor=evidence.effect.floor, method=method)


def _declared_rate(evidence: Evidence) -> Rate:
    return Rate(hits=[0], events=[0, 1], reference=(_number(evidence.reference["count"]), _number(evidence.reference["of"])))


def _loss(evidence: Evidence, bank: Bank) -> WindowBank:
    rows, loss, deviation = (_number(evidence.reference[name]) for name in ("rows", "mean_absolute_error", "deviation"))
    reference = PerformanceProfile(rows=int(rows), loss=loss, deviation=deviation)
    return LossChange(bank, block=slice(0, 7), reference=reference, relative=evidence.effect.floor)


def _traffic(evidence: Evidence, bank: Bank) -> WindowBank:
    panes, mean, variance = (_number(evidence.reference[name]) for name in ("panes", "predictions_a_pane", "variance"))
    return TrafficChange(bank, predictions=0, cycle=str(evidence.basis["cycle"]), ratio=math.exp(evidence.effect.floor), reference=(panes, mean, variance))


def _mean(evidence: Evidence, bank: Bank) -> WindowBank:
    rows, mean, deviation = (_number(evidence.reference[name]) for name in ("rows", "mean", "deviation"))
    kind = ResidualRise if evidence.basis["detector"] == "residual" else MeanRise
    return kind(bank, weights=np.eye(3), reference=(rows, mean, deviation), floor=evidence.effect.floor)


def _categories(evidence: Evidence, bank: Bank) -> WindowBank:
    hours: Any = evidence.basis.get("hours")
    if hours:
        known = tuple(evidence.reference)[:-1]
        return StatedCategoricalDrift(bank, levels=known, block=slice(0, len(known) + 2), floor=evidence.effect.floor, hours=hours)
    levels, counts = tuple(evidence.reference)[:-1], counts_of(evidence.reference).astype(np.int64).tolist()  # what is unseen stands last
    profile = CategoricalProfile(levels=levels, counts=tuple(counts[:-1]), unseen=counts[-1])
    return CategoricalDrift(bank, profiles=[profile], blocks=[slice(0, len(counts) + 1)], floor=evidence.effect.floor)


def _numbers_drift(evidence: Evidence, bank: Bank) -> WindowBank:
    basis, reference = evidence.basis, evidence.reference
    edges, scores = numbers_of(reference["edges"]), numbers_of(basis["scores"])
    cycles: Any = basis["cycles"]
    profile = NumericProfile(
        edges=tuple(edges.tolist()),
        counts=tuple(counts_of(reference).astype(np.int64).tolist()),
        scores=tuple(scores.tolist()),
        mean=_number(reference["mean"]),
        deviation=_number(reference["deviation"]),
        minimum=-math.inf,
        maximum=math.inf,
        cycles=tuple(Cycle.model_validate(cycle) for cycle in cycles),
    )
    shift, ratio = _number(basis["shift"]), _number(basis["deviation_ratio"])
    hours: Any = basis.get("hours")
    if hours:
        return StatedNumericDrift(bank, profile=profile, block=slice(0, len(scores) + 2), hours=hours, shift=shift, deviation_ratio=ratio)
    return NumericDrift(bank, profiles=[profile], blocks=[slice(0, len(scores) + 2)], shift=shift, deviation_ratio=ratio)


def _given_others(evidence: Evidence, bank: Bank) -> WindowBank:
    reference: Any = evidence.reference
    others: Any = evidence.basis["others"]
    law = Law(values=numbers_of(reference["values"]).tolist(), counts=counts_of(reference).tolist(), rows=evidence.n_reference, mean=_number(reference["mean"]), others=others)
    return GivenOthers(bank, laws=[law], rest=None, floor=evidence.effect.floor)


def _correlation(evidence: Evidence, bank: Bank) -> WindowBank:
    profile = CorrelationProfile.model_validate(evidence.basis["profile"])
    reference = evidence.n_reference, counts_of(evidence.reference), _number(evidence.basis["offset"])
    return CorrelationDrift(bank, profile=profile, block=slice(0, block_size(len(profile.features))), floor=evidence.effect.floor, reference=reference)


def _of_correlations(evidence: Evidence) -> float:
    """How far the correlations since the change are from what the sums come to."""
    again, told = recompute(evidence).current, evidence.current
    apart = [abs(_number(again[pair]) - _number(value)) for pair, value in told.items()]
    return max((one for one in apart if not math.isnan(one)), default=0.0)  # a column that became constant has no correlation


_BY_TIMES: dict[str, Callable[[Evidence, Bank], Evidence]] = {SILENT: recomputed, STALE: stale_recomputed}
_DETECTORS: dict[str, Callable[[Evidence, Bank], WindowBank]] = {
    "rate": _rate,
    "e-detector": _e_detector,
    "river": _river,
    "loss": _loss,
    "mean": _mean,
    "residual": _mean,
    "categories": _categories,
    "label shift": _categories,
    "numbers": _numbers_drift,
    "correlation": _correlation,
    "given others": _given_others,
    TRAFFIC_MONITOR: _traffic,
}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def numbers_of(values: Any) -> Float64:
    """(n,) of a list in an evidence; null is nan."""
    return np.array([_number(value) for value in values])


def counts_of(side: Mapping[str, Any]) -> Float64:
    """Counts of bins or levels, in their order."""
    counts = side["counts"] if isinstance(side.get("counts"), Sequence) else list(side.values())
    return numbers_of(counts)


_Otherwise = TypeVar("_Otherwise", float, None)


def _at(values: Float64 | None, place: int, otherwise: _Otherwise) -> float | _Otherwise:
    return otherwise if values is None or place >= len(values) else float(values[place])


def _or_nan(figure: Callable[[], float]) -> float:
    found = _or_none(figure)
    return math.nan if found is None else float(found)


def _or_none(figure: Callable[[], Any]) -> Any:
    """A figure; None where the evidence does not have what it takes."""
    try:
        with np.errstate(all="ignore"):
            return figure()
    except ZeroDivisionError:  # such as a rate of no events: the evidence is there, and says that it is undefined
        return math.nan
    except (EventError, LookupError, TypeError, ValueError):
        return None
