"""One monitor's evidence in sentences, each with its figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from detectors.alerts.recomputation import MissingEvidenceError, counts_of, detector_of, numbers_of
from detectors.duration import format_duration
from detectors.metrics.distances import Distance, distances
from detectors.monitors.silence import SILENT, in_words
from detectors.monitors.stale_columns import STALE, stale_in_words
from detectors.monitors.traffic import TRAFFIC_MONITOR
from detectors.statistics.dependence import INDEPENDENT
from detectors.verdict import Evidence

_LARGEST_LOOKS = 1e30
_COUNTED = {
    "repetitions": "the column shows one value again and again: the share of values that only repeat the one before",
    "undeclared columns": "the share of events with a column that nobody declared",
}
_NAMES = {
    "psi": "population stability index",
    "jensen_shannon": "Jensen-Shannon distance",
    "total_variation": "total variation",
    "kolmogorov_smirnov": "Kolmogorov-Smirnov distance",
    "wasserstein": "Wasserstein distance (sigma)",
    "hellinger": "Hellinger distance",
    "l_infinity": "L-infinity distance",
}
_UNITS = {
    "shift in sigma": " sigma",
    "difference of means": "",
    "difference of rates": "",
    "relative change of mean absolute error": "",
    "total variation": "",
    "log ratio of deviations": "",
    "log ratio of traffic": "",
    "mean difference of correlations": "",
    "shift given the other columns, in sigma": " sigma",
}

_LASTING = {SILENT: "pauses", STALE: "times between changes"}
"""Detectors of what lasts, and what they compare it with."""

_WHY = {
    "possible": "; inputs that moved by themselves explain it, and so would other shares of the classes",
    "contradicted": "; inputs moved by themselves, as other shares of the classes do not explain it",
}


def what_changed(evidence: Evidence) -> str:
    """What a monitor saw before the change and since.

    Examples
    --------
    >>> from detectors.verdict import Effect
    >>> effect = Effect(name="difference of rates", value=0.1, interval=(0.05, 0.15), floor=0.02)
    >>> counts = {"reference": {"count": 100.0, "of": 1000.0}, "current": {"count": 40.0, "of": 200.0}, "basis": {"detector": "rate"}}
    >>> print(what_changed(Evidence(name="error_rate", statistic="z", value=6.0, threshold=5.0, effect=effect, n_reference=1000, n_current=200, **counts)))
    the rate went from 10 % (100 of 1,000) to 20 % (40 of 200)
    """
    words = {
        "rate": _rate,
        "e-detector": _rate,
        "river": _rate,
        "loss": _loss,
        "mean": _mean,
        "residual": _residual,
        "categories": _categories,
        "label shift": _label_shift,
        "numbers": _numbers,
        "correlation": _correlation,
        "given others": _given_others,
        TRAFFIC_MONITOR: _traffic,
        SILENT: in_words,
        STALE: stale_in_words,
    }.get(str(evidence.basis.get("detector")))
    effect = evidence.effect
    told = None
    if words is not None:
        try:
            told = words(evidence)
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            told = None
    return told or f"{effect.name} {effect.value:+.3g}"


def how_surely(evidence: Evidence, budget: str) -> Iterator[str]:
    """Interval, statistic and threshold, and how often chance would say the same."""
    basis = evidence.basis
    if basis.get("detector") in _LASTING:
        yield from _how_long(evidence)
        if basis.get("stated_minutes") is not None:
            yield f"the monitor states when that is told, after {evidence.threshold:.4g} minutes: that does not follow from the budget, and no rate of false alarms is known"
            return
    else:
        yield from _how_much(evidence)
    if basis.get("detector") == "river":
        yield "no part of the budget is this monitor's, and no rate of false alarms is known: compare it with error_rate, which has both"
        return
    looks, pane, share = (_float(basis.get(name)) for name in ("looks", "pane", "share"))
    if math.isfinite(looks) and math.isfinite(pane):
        part = "all" if share == 1 else _percent(share)
        often = f"one false alarm in {looks:,.0f} panes with events ({_span(looks * pane)} of them)"
        yield f"the budget of the model is {budget}, of which this monitor has {part}, and so that threshold: {often}"
        found = panes_by_chance(evidence)
        if found > looks:
            shown = f"more than {_LARGEST_LOOKS:.0e}" if found >= _LARGEST_LOOKS else f"{found:.2g}"
            at_most = "at most " if basis.get("detector") == "e-detector" else ""
            yield f"without a material change a statistic as large as this comes {at_most}once in {shown} panes"
        if basis.get("detector") == "correlation" and any(value < INDEPENDENT for value in _list(basis.get("freedom"))):
            yield "that holds for independent events; these depend on each other, and correlations of such events alarm several times as often"
    measured = bin_distances(evidence)
    if measured:
        told = "; ".join(f"{_NAMES.get(one.name, one.name)} {one.value:.3g} (chance alone: up to {one.null_quantile:.3g})" for one in measured)
        yield f"distances of the whole distribution: {told}"


def _how_much(evidence: Evidence) -> Iterator[str]:
    """The effect and its interval, the statistic, and from when on."""
    effect, basis = evidence.effect, evidence.basis
    low, high = effect.interval
    unit, counted = _UNITS.get(effect.name, ""), "panes" if basis.get("detector") == TRAFFIC_MONITOR else "events"
    if math.isfinite(low) and math.isfinite(high):
        yield f"{effect.name}: {effect.value:+.3g}{unit}, 95 % {low:+.3g} to {high:+.3g}; {evidence.n_current:,.0f} {counted} against {evidence.n_reference:,.0f} of the reference"
        if "stands_for" in basis:
            stand_for = f"{_float(basis['stands_for']):,.0f}"
            yield f"a share of the events is published: those of the window stand for {stand_for}, and tell as much as {evidence.n_current:,.0f}"
    yield f"the statistic is {evidence.value:.3g} ({evidence.statistic}), its threshold {evidence.threshold:.3g}"
    if "earliest" in basis and basis.get("detector") != "river":
        likeliest = "" if basis["earliest"] == basis.get("since") else f"; most speaks for {basis.get('since')}"
        yield f"the change began at {basis['earliest']} at the earliest (99.9 % sure){likeliest}"


def _how_long(evidence: Evidence) -> Iterator[str]:
    """How long nothing came, since when, and what it is compared with; it is measured in whole panes."""
    low, high = evidence.effect.interval
    began = f"it began at {evidence.basis.get('earliest')}, and had lasted {low:.4g} to {high:.4g} minutes, as panes tell"
    if evidence.basis.get("stated_minutes") is not None:
        yield began
    else:
        yield f"{began}; it is told after {evidence.threshold:.4g}, by {evidence.n_reference:,.0f} {_LASTING[str(evidence.basis['detector'])]} before"


def ruled_out(evidence: Evidence) -> Iterator[str]:
    """What the change is not."""
    effect, basis = evidence.effect, evidence.basis
    if basis.get("detector") == "river":
        yield "nothing: it knows no floor, and takes the events for independent of each other"
        return
    if basis.get("detector") in _LASTING:
        stated = basis.get("stated_minutes") is not None
        yield "nothing: it is told as the monitor states, whatever was usual before" if stated else f"not as short as is harmless (up to {effect.floor:.4g} minutes)"
        return
    low, high = effect.interval
    nearest = low if effect.value >= 0 else -high
    if effect.floor > 0 and math.isfinite(nearest):
        how = (
            f"the near end of the 95 % interval is {abs(nearest):.3g}"
            if nearest > effect.floor
            else f"the statistic counts only what lies beyond it, though the 95 % interval reaches down to {nearest:.3g}"
        )
        yield f"not within what is harmless (floor {effect.floor:.3g}): {how}"
    elif effect.floor == 0:
        yield "no floor is set: any proven change counts, however small"
    inflation = [value for value in _list(basis.get("inflation")) if math.isfinite(value)]
    freedom = [value for value in _list(basis.get("freedom")) if math.isfinite(value)]
    if inflation:
        grown = f"{max(inflation):.2f} times as uncertain in variance as independent ones" if max(inflation) > 1 else "independent of each other"
        measured = f" (measured with {min(freedom):.0f} degrees of freedom)" if min(freedom) < INDEPENDENT else ", as far as a test can tell"
        of = "panes'" if basis.get("detector") == TRAFFIC_MONITOR else "events'"
        yield f"not the {of} dependence: they were {grown}{measured}, which is allowed for"
    if basis.get("cycles"):
        periods = ", ".join(format_duration(int(cycle["period"])) for cycle in _dicts(basis["cycles"]))
        yield f"not the cycle of {periods}: it is taken off"
    if basis.get("cycle") in {"day", "week"}:
        yield f"not the hour of the {basis['cycle']}: panes are counted beside what is usual in theirs"
    if basis.get("hours"):
        yield "not the hour of the week: events are compared with the reference of their own hours, whose few rows are allowed for"


def bin_distances(evidence: Evidence) -> tuple[Distance, ...]:
    """PSI and the other distances, from the bins or levels that the evidence carries; none of a rate or an error."""
    kind = evidence.basis.get("detector")
    if kind not in {"numbers", "categories", "label shift"}:
        return ()
    try:
        scores = numbers_of(evidence.basis["scores"]) if kind == "numbers" else None
        return distances(counts_of(evidence.reference), counts_of(evidence.current), scores)
    except (KeyError, TypeError, ValueError):
        return ()


def panes_by_chance(evidence: Evidence) -> float:
    """Panes in which a statistic as large as this comes once while nothing material changes: the budget whose threshold it would be; nan where that cannot be told."""

    def height(logarithm: float) -> float:
        return float(detector_of(evidence, looks=10**logarithm).thresholds[0][0])

    low, high = 0.0, math.log10(_LARGEST_LOOKS)
    try:
        if not math.isfinite(evidence.value):
            return math.nan
        _ = detector_of(evidence)  # while it lives, those that follow share its reference
        if height(high) <= evidence.value:
            return _LARGEST_LOOKS
        for _round in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if height(middle) < evidence.value else (low, middle)
    except MissingEvidenceError:
        return math.nan
    return 10**low


def _rate(evidence: Evidence) -> str:
    before, now = ((_float(side["count"]), _float(side["of"])) for side in (evidence.reference, evidence.current))
    told = [f"{_percent(count / of)} ({count:,.0f} of {of:,.0f})" for count, of in (before, now)]
    if before[1] >= 1e12:
        told[0] = f"{_percent(before[0] / before[1])} (as stated in the monitor)"
    limit = evidence.basis.get("slower_than")
    if evidence.name == "anomaly_rate":
        return f"the share of events that are stranger than 99 % of the reference went from {told[0]} to {told[1]}"
    if "above" in evidence.basis:
        return f"the share of events whose {evidence.basis['feature']} is above {_plain(_float(evidence.basis['above']))} went from {told[0]} to {told[1]}"
    what = "the rate" if limit is None else f"the share of predictions slower than {_plain(_float(limit))} ms"
    return f"{_COUNTED.get(str(evidence.basis.get('counted')), what)} went from {told[0]} to {told[1]}{_of_schema(evidence, most=now[0] >= now[1] / 2)}"


def _of_schema(evidence: Evidence, *, most: bool) -> str:
    """What a rate of inputs says of their schema: a column that came, went away or changed its type."""
    kind, _, name = evidence.name.partition(":")
    columns = evidence.current.get("columns")
    if isinstance(columns, list):
        unnamed = ", and others that cannot be told apart" if _float(evidence.basis.get("unnamed")) > 0 else ""
        return f"; not declared: {', '.join(map(repr, columns)) or 'several'}{unnamed}"
    if most and kind == "missing":
        return f"; most events lack the column {name!r} now"
    return f"; most values of the column {name!r} are of another type than declared now" if most and kind == "type" else ""


def _loss(evidence: Evidence) -> str:
    before, now = (_float(side["mean_absolute_error"]) for side in (evidence.reference, evidence.current))
    return f"the mean absolute error went from {before:.4g} to {now:.4g}, {_percent(now / before - 1)} more"


def _traffic(evidence: Evidence) -> str:
    before, now = (_float(side["predictions_a_pane"]) for side in (evidence.reference, evidence.current))
    usual = "" if evidence.basis["cycle"] == "none" else ", in hours that are like the mean of all"
    return f"predictions in a pane went from {before:.4g} to {now:.4g}, {now / before:.3g} times as many{usual}"


def _mean(evidence: Evidence) -> str:
    before, now = (_float(side["mean"]) for side in (evidence.reference, evidence.current))
    return f"the mean went from {_percent(before)} to {_percent(now)}"


def _residual(evidence: Evidence) -> str:
    before, now = (_float(side["mean"]) for side in (evidence.reference, evidence.current))
    return f"there are {_percent(now - before)} of labelled predictions more errors than estimated of the same predictions"


def _label_shift(evidence: Evidence) -> str:
    before, now = (numbers_of(evidence.basis[name]) for name in ("priors_before", "priors"))
    classes = list(evidence.reference)
    moved = np.argsort(-np.abs(now - before), kind="stable")[:3]
    named = ", ".join(f"{classes[place]} from {_percent(before[place])} to about {_percent(now[place])}" for place in moved.tolist())
    columns = sorted(_columns_of(evidence).items(), key=lambda item: -abs(_float(item[1]["mean"])))[:3]
    seen = "; ".join(f"{name} is at {_float(one['mean']):+.2f} sigma, where they let expect {_float(one['expected']):+.2f}" for name, one in columns)
    return f"the shares of the classes changed, and explain how predictions and inputs moved; most of all {named}; {seen}"


def _columns_of(evidence: Evidence) -> dict[str, dict[str, Any]]:
    columns: Any = evidence.basis["columns"]
    return dict(columns)


def _numbers(evidence: Evidence) -> str:
    if evidence.effect.name == "log ratio of deviations":
        if not math.isfinite(evidence.effect.value):
            return "the column became constant"
        return f"its values spread {math.exp(evidence.effect.value):.3g} times as wide as in the reference"
    mean, deviation = (_float(evidence.reference[name]) for name in ("mean", "deviation"))
    direction = "up" if evidence.effect.value > 0 else "down"
    return f"its mean went {direction} by {abs(evidence.effect.value):.3g} sigma of the reference: from {_plain(mean)} to about {_plain(mean + deviation * evidence.effect.value)}"


def _categories(evidence: Evidence) -> str:
    levels = list(evidence.reference)
    before, now = (counts_of(side) / counts_of(side).sum() for side in (evidence.reference, evidence.current))
    moved = np.argsort(-np.abs(now - before), kind="stable")[:3]
    named = ", ".join(f"{levels[place]} from {_percent(before[place])} to {_percent(now[place])}" for place in moved.tolist() if now[place] != before[place])
    why = _WHY.get(str(evidence.basis.get("label_shift")), "")
    return f"{_percent(np.abs(now - before).sum() / 2)} of its values moved between levels; most of all {named}{why}"


def _given_others(evidence: Evidence) -> str:
    others = ", ".join(list(evidence.basis["others"])[:5])  # type: ignore[call-overload]  # a dict of coefficients
    higher = "higher" if evidence.effect.value > 0 else "lower"
    return f"the column is {abs(evidence.effect.value):.3g} sigma {higher} than the other columns ({others}) say it should be"


def _correlation(evidence: Evidence) -> str:
    """Those that are named moved most, by their size alone: all of them are as uncertain as the window is short."""
    pairs = list(evidence.reference)
    before, now = (numbers_of(side.values()) for side in (evidence.reference, evidence.current))
    moved = np.argsort(-np.nan_to_num(np.abs(now - before)), kind="stable")[:3]
    named = ", ".join(f"{pairs[place]} from {before[place]:.2f} to {now[place]:.2f}" for place in moved.tolist())
    ups = int((now > before).sum())
    rest = f"; {ups} of {len(pairs)} rose, their mean went from {before.mean():.2f} to {np.nanmean(now):.2f}" if len(pairs) > 1 else ""
    return f"correlations changed, most of all of {named}{rest}"


def _plain(value: float) -> str:
    """Four digits, without an exponent where people would write none.

    Examples
    --------
    >>> _plain(49_876.5), _plain(0.12345)
    ('49,880', '0.1235')
    """
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if 1_000 <= abs(rounded) < 1e12 else f"{rounded:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _span(milliseconds: float) -> str:
    """A length of time for people.

    Examples
    --------
    >>> _span(90 * 86_400_000.0), _span(7_200_000.0)
    ('90 days', '2 hours')
    """
    for unit, length in (("years", 365.25 * 86_400_000), ("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000)):
        if milliseconds >= 2 * length or unit == "minutes":
            return f"{milliseconds / length:,.3g} {unit}"
    raise AssertionError("minutes are the last")


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _list(values: Any) -> list[float]:
    return [_float(value) for value in values] if isinstance(values, list) else []


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
