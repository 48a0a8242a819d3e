"""Lines and the heat map of the report, from metric points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.detector import Detector
from detectors.duration import format_duration, parse_duration
from detectors.event_batch import Bool, Column, Float64, Int64
from detectors.monitors.bank import detectors_of
from detectors.point import Point, PointKey
from detectors.scans.window_bank import WindowBank
from detectors.specification import MonitorSpecification
from detectors.verdict import Status

MOST_POINTS = 2_000
"""Of one line; a screen has fewer pixels."""

HEAT_COLUMNS = 160
HEAT_ROWS = 40
CLASSIFICATION = ("accuracy", "f1", "f1_macro", "roc_auc", "log_loss")
REGRESSION = ("mae", "rmse", "r2")
UNITS = {"log_loss": "nats", "mae": "label's unit", "rmse": "label's unit", "r2": "1 = perfect"}
"""Of metrics that are no shares."""
_CALLED = {"f1": "F1", "f1_macro": "macro F1", "roc_auc": "ROC AUC", "mae": "MAE", "rmse": "RMSE", "r2": "R²"}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line over event time.

    Attributes
    ----------
    name, unit : of the values; a unit "share" runs from 0 to 1.
    window : what a value is over, such as "10m"; "" for a pane.
    times : (n,) epoch milliseconds, ascending; n <= `MOST_POINTS`.
    values, low, high : (n,) and the 95 % interval; nan where undefined.
    """

    name: str
    unit: str
    window: str
    times: Int64
    values: Float64
    low: Float64
    high: Float64


@dataclass(frozen=True, kw_only=True)
class Heat:
    """How far each watched column is from the reference, over event time.

    Attributes
    ----------
    unit : of the values.
    names : (k,) columns, the one that went furthest first.
    times : (n + 1,) edges of the cells, epoch milliseconds.
    values : (k, n) largest value in each cell, nan without one.
    alarmed : (k, n) whether the column's monitor was in alarm.
    left_out : columns that are not shown, as they went less far.
    """

    unit: str
    names: tuple[str, ...]
    times: Int64
    values: Float64
    alarmed: Bool
    left_out: int


def thinned(values: Float64, most: int = MOST_POINTS) -> Int64:
    """Places of the values to draw: of each of equal stretches the smallest and the largest, and both ends, so that no spike is lost.

    Parameters
    ----------
    values : (n,) nan breaks the line; a stretch of nan alone keeps one.
    most : >= 4.

    Returns
    -------
    (m,) ascending places, m <= most; all of them where n <= most.

    Examples
    --------
    >>> values = np.zeros(10_000)
    >>> values[4_321] = 1.0
    >>> places = thinned(values, most=100)
    >>> len(places) <= 100, bool(values[places].max() == 1)
    (True, True)
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    stretches = (most - 2) // 2
    width = -(-n // stretches)
    padded = np.full(stretches * width, np.nan)
    padded[:n] = values
    table = padded.reshape(stretches, width)
    begin = np.arange(stretches) * width
    lowest = begin + np.argmin(np.where(np.isnan(table), np.inf, table), axis=1)
    highest = begin + np.argmax(np.where(np.isnan(table), -np.inf, table), axis=1)
    places = np.unique(np.concatenate(([0, n - 1], lowest, highest)))
    return places[places < n]


def latest(points: Iterable[Point], model: str) -> list[Point]:
    """Points of a model by time; of those with the same measurement, tags and time the last one counts, unless an earlier one was final."""
    kept: dict[PointKey, Point] = {}
    for point in points:
        key = point.key
        if point.tags.get("model", model) == model and point.replaces(kept.get(key)):
            kept[key] = point
    return sorted(kept.values(), key=lambda point: point.time)


def shortest_window(points: Sequence[Point]) -> str:
    """Name of the shortest rolling window among points, "" without one."""
    return min({window for point in points if (window := point.tags.get("window"))}, key=parse_duration, default="")


def performance_curves(points: Sequence[Point], task: str) -> tuple[Curve, ...]:
    """The metrics that the labels allow; the one that matters most first."""
    mine, window = _of_shortest_window(points, "performance")
    curves = (_curve(mine, name, UNITS.get(name, "share"), window) for name in (*(REGRESSION if task == "regression" else CLASSIFICATION), "coverage"))
    return tuple(curve for curve in curves if curve is not None)


def estimate_curves(points: Sequence[Point]) -> tuple[Curve, ...]:
    """Performance without labels."""
    mine, window = _of_shortest_window(points, "estimate")
    curve = _curve(mine, "estimated_accuracy", "share", window)
    return () if curve is None else (curve,)


def service_curves(points: Sequence[Point]) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    """Latencies, and the share of predictions that failed."""
    mine, window = _of_shortest_window(points, "service")
    latencies = (_curve(mine, f"latency_{name}", "ms", window, called=name) for name in ("p50", "p95", "p99"))
    failed = _curve(mine, "failed", "share", window)
    return tuple(curve for curve in latencies if curve is not None), () if failed is None else (failed,)


def traffic_curves(points: Sequence[Point], pane: int) -> tuple[Curve, ...]:
    """Predictions and labels, summed over versions and segments into buckets of whole panes; no sum is lost by thinning."""
    mine = [point for point in points if point.measurement == "traffic"]
    if not mine:
        return ()
    start = np.array([point.time for point in mine], np.int64)
    first = int(start.min())
    panes = (int(start.max()) - first) // pane + 1
    bucket = pane * max(1, -(-panes // 400))
    places = (start - first) // bucket
    times = first + np.arange(int(places.max()) + 1, dtype=np.int64) * bucket
    curves = []
    for name in ("predictions", "labels"):
        sums: Float64 = np.bincount(places, [_number(point, name, 0.0) for point in mine], len(times)).astype(np.float64)
        curves.append(Curve(name=name, unit=f"events per {format_duration(bucket)}", window="", times=times, values=sums, low=sums, high=sums))
    return tuple(curves)


def quality_curves(points: Sequence[Point], most: int = 6) -> tuple[tuple[Curve, ...], int]:
    """Rates of missing, unseen and out-of-range values, the largest first, and how many others there are; rates that were always 0 are left out."""
    mine, window = _of_shortest_window(points, "quality")
    rates: dict[str, list[Point]] = {}
    for point in mine:
        rates.setdefault(f"{point.tags.get('kind', '').replace('_', ' ')}: {point.tags.get('feature', '')}", []).append(point)
    found = [curve for name, of_rate in rates.items() if (curve := _curve(of_rate, "rate", "share", window, called=name)) is not None]
    shown = sorted((curve for curve in found if np.nanmax(curve.values) > 0), key=lambda curve: -float(np.nanmax(curve.values)))
    return tuple(shown[:most]), len(rates) - len(shown[:most])


def drift_heat(points: Sequence[Point], specification: MonitorSpecification) -> Heat | None:
    """Statistics in units of their threshold; where no monitor ran, Jensen-Shannon distances in units of what chance alone gives.

    Not effects: that of a short window is large by chance, and would colour a stream in which nothing has changed.
    """
    thresholds = thresholds_of(specification)
    rows: dict[str, list[tuple[int, float, bool]]] = {}
    for point in points:
        name = point.tags.get("monitor", "")
        if point.measurement == "monitor" and (name.startswith("feature:") or name == "prediction") and name in thresholds:
            ratio = _number(point, "statistic") / thresholds[name]
            rows.setdefault(column_name(name), []).append((point.time, ratio, point.fields.get("status") == Status.DRIFT))
    if rows:
        return _heat(rows, "the monitor's statistic over its threshold")
    window = shortest_window([point for point in points if point.measurement == "drift"])
    for point in points:
        if point.measurement == "drift" and point.tags.get("window", "") == window:
            ratio = _number(point, "jensen_shannon") / (_number(point, "jensen_shannon_by_chance") or float("nan"))
            rows.setdefault(point.tags.get("feature", ""), []).append((point.time, ratio, False))
    return _heat(rows, "the Jensen-Shannon distance over what it reaches by chance") if rows else None


def metric_title(field: str) -> str:
    """What people call a metric.

    Examples
    --------
    >>> metric_title("roc_auc"), metric_title("log_loss")
    ('ROC AUC', 'log loss')
    """
    return _CALLED.get(field, field.replace("_", " "))


def column_name(monitor: str) -> str:
    """The column that a monitor watches; a feature called "prediction" is not the model's output.

    Examples
    --------
    >>> column_name("feature:age"), column_name("prediction"), column_name("feature:prediction")
    ('age', 'prediction', 'feature:prediction')
    """
    name = monitor.removeprefix("feature:")
    return monitor if name == "prediction" else name


def floors_of(specification: MonitorSpecification) -> dict[str, float]:
    """Smallest material effect of each monitor."""
    return {name: float(floor) for detector in _detectors(specification) for name, floor in zip(detector.names, detector.floors, strict=True)}


def thresholds_of(specification: MonitorSpecification) -> dict[str, float]:
    """Where the statistic of each monitor becomes an alarm."""
    return {
        name: float(alarm) for detector in _detectors(specification) if isinstance(detector, WindowBank) for name, alarm in zip(detector.names, detector.thresholds[0], strict=True)
    }


def _detectors(specification: MonitorSpecification) -> tuple[Detector, ...]:
    by_events = specification.false_alarms.events is not None
    if by_events and specification.events_per_pane is None:
        return ()  # without the rate of events nothing was calibrated, and no monitor ran
    return detectors_of(specification)


def _of_shortest_window(points: Sequence[Point], measurement: str) -> tuple[list[Point], str]:
    mine = [point for point in points if point.measurement == measurement]
    window = shortest_window(mine)
    return [point for point in mine if point.tags.get("window", "") == window], window


def _heat(rows: dict[str, list[tuple[int, float, bool]]], unit: str) -> Heat | None:
    every = np.unique([time for row in rows.values() for time, _, _ in row])
    columns = min(HEAT_COLUMNS, len(every))
    starts = np.unique(every[np.arange(columns) * len(every) // columns])
    step = int(np.median(np.diff(every))) if len(every) > 1 else 1
    values, alarmed = np.full((len(rows), len(starts)), np.nan), np.zeros((len(rows), len(starts)), bool)
    for place, row in enumerate(rows.values()):
        times, effects, alarms = (np.array(part) for part in zip(*row, strict=True))
        cells = np.searchsorted(starts, times, side="right") - 1
        known = np.isfinite(effects)
        largest = np.full(len(starts), -np.inf)
        np.maximum.at(largest, cells[known], effects[known])
        values[place] = np.where(np.isfinite(largest), largest, np.nan)
        alarmed[place, cells[alarms.astype(bool)]] = True
    furthest: Column = np.nan_to_num(np.where(np.isnan(values), -1.0, values).max(axis=1))
    names = np.array(list(rows), dtype=object)
    order = np.lexsort((names.astype(str), -furthest, -alarmed.any(axis=1).astype(int)))[:HEAT_ROWS]
    edges = np.append(starts, every[-1] + step).astype(np.int64)
    return Heat(unit=unit, names=tuple(names[order]), times=edges, values=values[order], alarmed=alarmed[order], left_out=len(rows) - len(order))


def _curve(points: Sequence[Point], field: str, unit: str, window: str, *, called: str | None = None) -> Curve | None:
    """None where the field is nowhere defined."""
    values = np.array([_number(point, field) for point in points], np.float64)
    if not np.isfinite(values).any():
        return None
    places = thinned(values)
    low, high = (np.array([_number(points[place], f"{field}_{side}") for place in places.tolist()], np.float64) for side in ("low", "high"))
    times = np.array([points[place].time for place in places.tolist()], np.int64)
    return Curve(name=called or metric_title(field), unit=unit, window=window, times=times, values=values[places], low=low, high=high)


def _number(point: Point, field: str, default: float = float("nan")) -> float:
    value = point.fields.get(field, default)
    return default if isinstance(value, str) or value is None else float(value)
