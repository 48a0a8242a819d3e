"""Curves and the heat map of a live model, from its tables: the same things that a report makes from points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from detectors.duration import format_duration
from detectors.event_batch import Float64
from detectors.specification import MonitorSpecification
from streams.ui.live_model import LiveModel
from streams.ui.series_table import Key, SeriesTable
from streams.view.curves import CLASSIFICATION, HEAT_COLUMNS, HEAT_ROWS, REGRESSION, UNITS, Curve, Heat, column_name, metric_title

MOST_RATES = 6
MOST_GROUPS = 50  # versions or segments to choose among


def task_of(model: LiveModel, specification: MonitorSpecification | None) -> str:
    """What the model does; without a specification as its metrics tell."""
    if specification is not None:
        return specification.task
    table = model.tables.get("performance")
    return "regression" if table is not None and ("mae",) in table.keys else "classification"


def performance_curves(model: LiveModel, task: str, segment: str = "") -> list[Curve]:
    """The metrics that the labels allow, the one that matters most first; of all traffic, or of a segment."""
    measurement, row = ("segment", (segment,)) if segment else ("performance", ())
    table = model.tables.get(measurement)
    names = (*(REGRESSION if task == "regression" else CLASSIFICATION), "coverage")
    return [] if table is None else _curves(table, [((*row, name), metric_title(name), UNITS.get(name, "share")) for name in names], model.windows.get(measurement, ""))


def estimate_curves(model: LiveModel) -> list[Curve]:
    """Performance without labels."""
    table = model.tables.get("estimate")
    return [] if table is None else _curves(table, [(("estimated_accuracy",), "estimated accuracy", "share")], model.windows.get("estimate", ""))


def service_curves(model: LiveModel) -> tuple[list[Curve], list[Curve]]:
    """Latencies, and the share of predictions that failed."""
    table, window = model.tables.get("service"), model.windows.get("service", "")
    if table is None:
        return [], []
    latencies = _curves(table, [((f"latency_{name}",), name, "ms") for name in ("p50", "p95", "p99")], window)
    return latencies, _curves(table, [(("failed",), "failed", "share")], window)


def quality_curves(model: LiveModel) -> tuple[list[Curve], int]:
    """The largest rates of values that are not as they should be, and how many others there are; those that are always 0 are left out."""
    table = model.tables.get("quality")
    if table is None:
        return [], 0
    asked = [(key, f"{key[1].replace('_', ' ')}{': ' if key[0] else ''}{key[0]}", "share") for key in table.keys if key[-1] == "rate"]
    found = [curve for curve in _curves(table, asked, model.windows.get("quality", "")) if np.nanmax(curve.values) > 0]
    shown = sorted(found, key=lambda curve: -float(np.nanmax(curve.values)))[:MOST_RATES]
    return shown, len(asked) - len(shown)


def groups(model: LiveModel) -> tuple[list[str], list[str]]:
    """Versions and segments with traffic, and segments with metrics of their own, by name."""
    traffic = model.tables.get("traffic")
    versions = sorted({key[0] for key in traffic.keys if key[0]}) if traffic else []
    segments = {key[0] for key in model.tables["segment"].keys} if "segment" in model.tables else set()
    segments |= {key[1] for key in traffic.keys if key[1]} if traffic else set()
    return versions[:MOST_GROUPS], sorted(segments)[:MOST_GROUPS]


def traffic_curves(model: LiveModel, pane: int, *, version: str = "", segment: str = "") -> list[Curve]:
    """Predictions and labels of a pane, summed over the versions and segments that were not chosen."""
    table = model.tables.get("traffic")
    if table is None or table.newest_time is None:
        return []
    curves = []
    for name in ("predictions", "labels"):
        mine = [key for key in table.keys if key[-1] == name and (not version or key[0] == version) and (not segment or key[1] == segment)]
        sums = np.nansum([table.of(key) for key in mine], axis=0) if mine else np.zeros(len(table.times))
        curves.append(Curve(name=name, unit=f"events per {format_duration(pane)}", window="", times=table.times, values=sums, low=sums, high=sums))
    return curves


def drift_heat(model: LiveModel, limits: Mapping[str, float]) -> Heat | None:
    """Statistics in units of their threshold; where no monitor of a column ran, Jensen-Shannon distances in units of what chance alone gives."""
    monitors = model.tables.get("monitor")
    if monitors is not None:
        watched = [key[0] for key in monitors.keys if key[-1] == "statistic" and (key[0].startswith("feature:") or key[0] == "prediction") and key[0] in limits]
        if watched:
            values = np.array([monitors.of((name, "statistic")) / limits[name] for name in watched])
            alarmed = np.array([monitors.of((name, "alarmed")) == 1 for name in watched])
            return _heat([column_name(name) for name in watched], monitors, values, alarmed, "the monitor's statistic over its threshold")
    distances = model.tables.get("drift")
    if distances is None or not distances.keys:
        return None
    keys = distances.keys
    values = np.array([distances.of(key) for key in keys])
    return _heat([key[0] for key in keys], distances, values, np.zeros(values.shape, bool), "the Jensen-Shannon distance over what it reaches by chance")


def _heat(names: list[str], table: SeriesTable, values: Float64, alarmed: np.ndarray, unit: str) -> Heat | None:
    """The columns that went furthest, their steps gathered into at most `HEAT_COLUMNS` cells."""
    times = table.times
    if not len(times):
        return None
    step = int(np.median(np.diff(times))) if len(times) > 1 else 1
    starts = np.arange(min(HEAT_COLUMNS, len(times))) * len(times) // min(HEAT_COLUMNS, len(times))
    known = np.where(np.isfinite(values), values, -np.inf)
    largest = np.maximum.reduceat(known, starts, axis=1)
    ever = np.logical_or.reduceat(alarmed, starts, axis=1)
    order = np.lexsort((np.array(names, dtype=str), -known.max(axis=1), -ever.any(axis=1).astype(int)))[:HEAT_ROWS]
    edges = np.append(times[starts], times[-1] + step)
    cells = np.where(np.isfinite(largest), largest, np.nan)[order]
    return Heat(unit=unit, names=tuple(names[place] for place in order), times=edges, values=cells, alarmed=ever[order], left_out=len(names) - len(order))


def _curves(table: SeriesTable, asked: list[tuple[Key, str, str]], window: str) -> list[Curve]:
    """Those that are defined anywhere."""
    times = table.times
    known = set(table.keys)
    curves = []
    for key, name, unit in asked:
        if key in known and np.isfinite(values := table.of(key)).any():
            low, high = (table.of((*key[:-1], f"{key[-1]}_{side}")) for side in ("low", "high"))
            curves.append(Curve(name=name, unit=unit, window=window, times=times, values=values, low=low, high=high))
    return curves


def newest_of(curve: Curve, most: int) -> Curve:
    """Its last values.

    Examples
    --------
    >>> ones = np.ones(3)
    >>> newest_of(Curve(name="a", unit="share", window="", times=np.arange(3), values=ones, low=ones, high=ones), 2).times.tolist()
    [1, 2]
    """
    return replace(curve, times=curve.times[-most:], values=curve.values[-most:], low=curve.low[-most:], high=curve.high[-most:])
