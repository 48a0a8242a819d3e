"""A small history with everything in it, and what the detect stage says of it: the numbers of `said_before.json`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from detectors.alerts.alert import Alert
from detectors.bundle import Bundle, Cohort, Summary
from detectors.detect import Detect
from detectors.duration import parse_duration
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import REGRESSION, TRAFFIC, Layout
from detectors.panes.model_summariser import COHORT
from detectors.point import Point
from detectors.profile import Cycle, PerformanceProfile
from detectors.references.reference import numeric_profile as reference_profile
from detectors.settings.watching import Alerts
from detectors.specification import MonitorSpecification
from tests.detectors.reference_samples import PANE, categorical_profile, numeric_profile, pane_vectors, specification_of

SAID = Path(__file__).parent / "said_before.json"
PANES, EVENTS = 200, 20_000
CHANGED, BACK, PROMOTED = 90, 130, 160  # panes: everything changes, is as before, and another version serves
INPUTS = ("feature:", "missing:", "unseen:", "out_of_range:", "traffic:")  # causes that tests/detectors/test_causes.py looks at
EXPLAINED_ELSEWHERE = ("events_per_pane", "incident", "acknowledged", "slices", "more_monitors")  # of alerts, and their monitors' basis, which other tests hold
_EVERY = 29  # panes whose points are kept, in the file


def specifications() -> list[MonitorSpecification]:
    """A classifier and a regression with columns of every kind."""
    u = (np.arange(4_000) + 0.5) / 4_000
    day = (Cycle(period=600_000, location=(0.3, 0.1), square=(0.05, 0.0)),)
    columns = {
        "even": numeric_profile(u),
        "skewed": numeric_profile(np.exp(3 * u)),
        "cyclic": numeric_profile(u - 0.5, cycles=day),
        "zeros": numeric_profile(np.where(u < 0.6, 0.0, u)),
        "constant": reference_profile(np.full(4_000, 2.0)),
        "city": categorical_profile({"a": 0.5, "b": 0.3, "c": 0.1995, "d": 0.0005}),
    }
    alerts = Alerts(resolve_after=parse_duration("100s"), cooldown=parse_duration("5m"))
    windows = (60_000, 600_000)
    classes = categorical_profile({"no": 0.5, "yes": 0.5})
    performance = PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3)
    classifier = specification_of(columns, performance=performance, prediction=classes, alerts=alerts, windows=windows, lateness=20_000)
    plain = {name: columns[name] for name in ("even", "city")}
    regression = specification_of(plain, prediction=columns["even"], task="regression", alerts=alerts, windows=windows, lateness=20_000)
    return [classifier, regression.model_copy(update={"model": "prices"})]


def vectors_of(specification: MonitorSpecification) -> np.ndarray:
    """(PANES, size): quiet hours with few events or none, values missing, unseen and out of range, a change, and the way back."""
    random = np.random.default_rng(17)
    pane = np.arange(EVENTS) * PANES // EVENTS
    changed = (pane >= CHANGED) & (pane < BACK)
    u = [np.clip(random.random(EVENTS), 1e-6, 1 - 1e-6) for _ in range(8)]
    even = np.where(changed & (u[5] < 0.3), 0.9, u[0])
    even = np.where(u[5] > np.where(changed, 0.9, 0.99), np.nan, even)
    data = {
        "feature:even": even,
        "feature:skewed": np.where(changed & (u[5] < 0.05), -7.0, np.exp(3 * u[1])),
        "feature:cyclic": u[2] - 0.5 + 0.05 * np.sin(2 * np.pi * pane / 60),
        "feature:zeros": np.where(u[3] < np.where(changed, 0.8, 0.6), 0.0, u[3]),
        "feature:constant": np.where(changed & (u[4] < 0.2), 3.0, 2.0),
        "feature:city": np.where(changed & (u[4] < 0.25), 4.0, np.searchsorted([0.5, 0.8, 0.9995], u[4]).astype(float)),
    }
    layout = Layout(specification)
    data = {name: values for name, values in data.items() if name in layout.blocks}
    right = u[6] > np.where(changed, 0.3, 0.1)
    if specification.task == "regression":
        vectors = pane_vectors(layout, PANES, data | {"prediction": u[1]})
        error = np.where(changed, 1.5, 1.0) * u[7] - 0.3
        sums = [np.ones(EVENTS), u[1], u[1] ** 2, error, np.abs(error), error**2, error**4, error * np.abs(error)]
        for name, values in zip(REGRESSION, sums, strict=True):
            np.add.at(vectors, (pane, layout.blocks["performance"].start + REGRESSION.index(name)), values)
    else:
        label = (u[1] < 0.5).astype(int)
        output = np.where(right, label, 1 - label)
        vectors = pane_vectors(layout, PANES, data | {"prediction": output.astype(float)})
        np.add.at(vectors, (pane, layout.blocks["performance"].start + 3 * label + output), 1)
    for counter, rows in {"predictions": slice(None), "failed": slice(None, None, 50), "labels": slice(None)}.items():
        np.add.at(vectors, (pane[rows], layout.blocks["traffic"].start + TRAFFIC.index(counter)), 1)
    np.add.at(vectors, (pane, layout.blocks["latency"].start + (u[2] * 30).astype(int)), 1)
    np.add.at(vectors, (pane, layout.blocks["delay"].start + (u[3] * 9).astype(int)), 1)
    if specification.task == "classification":
        vectors[10:14] = np.floor(vectors[10:14] / 10)
    vectors[20] = 0
    return vectors


def bundles() -> list[Bundle]:
    """The history as two source partitions tell it, pane by pane, with two segments."""
    made, plans = [], [(specification, vectors_of(specification)) for specification in specifications()]
    for pane in range(PANES + 4):
        for partition in range(2):
            summaries, cohorts = [], []
            for specification, vectors in plans if pane < PANES else ():
                model, digest, version = specification.model, specification.digest, "2" if pane >= PROMOTED else "1"
                half = np.floor(vectors[pane] / 2) if specification.task == "classification" else vectors[pane] / 2
                counts = half if partition == 0 else vectors[pane] - half
                parts = [("eu", counts)] if pane % 5 else [("eu", counts * (counts >= 4)), ("us", counts * (counts < 4))]
                start = pane * PANE
                summaries += [Summary(model=model, revision=1, digest=digest, version=version, segment=segment, start=start, counts=part) for segment, part in parts]
                if pane % 30 == 29:
                    of_cohort = np.concatenate(([counts[0]], counts[Layout(specification).blocks["performance"]]))
                    cohorts.append(Cohort(model=model, revision=1, digest=digest, version=version, start=start // COHORT * COHORT, counts=of_cohort))
            made.append(
                Bundle(
                    partition=partition,
                    partitions=2,
                    generation=1,
                    epoch=pane + 1,
                    high=pane * PANE + 9_000,
                    covered=100 * (pane + 1),
                    summaries=tuple(summaries),
                    cohorts=tuple(cohorts),
                )
            )
    return made


def monitors() -> Monitors:
    """Both models."""
    return Monitors([Monitor(specification=specification) for specification in specifications()])


def said() -> tuple[list[Point], list[Alert]]:
    """Points and alerts of the whole history."""
    stage, points, alerts = Detect(monitors()), [], []
    for offset, bundle in enumerate(bundles()):
        stage.absorb(bundle, offset)
        if offset % 3 == 2:
            flushed = stage.flush()
            points += flushed.points
            alerts += flushed.alerts
    flushed = stage.flush()
    return [*points, *flushed.points], [*alerts, *flushed.alerts]


def kept(points: list[Point]) -> list[Point]:
    """Those whose numbers are in the file."""
    return [point for point in points if point.time // PANE % _EVERY == 0 and point.fields.get("final", True)]


def plain(points: list[Point], alerts: list[Alert]) -> dict[str, list[object]]:
    """As JSON has them: nan is None."""
    found = [[point.measurement, point.time, point.tags, _plain(dict(point.fields))] for point in points]
    content = [_plain({field: getattr(alert, field) for field in alert.__struct_fields__}) for alert in alerts]
    loaded: dict[str, list[object]] = json.loads(json.dumps({"points": found, "alerts": content}, default=vars))
    for alert in loaded["alerts"]:
        assert isinstance(alert, dict)
        for name in EXPLAINED_ELSEWHERE:
            alert.pop(name, None)
        alert["causes"] = [cause for cause in alert["causes"] if not cause.startswith(INPUTS)]
        for monitor in alert["monitors"]:
            monitor.pop("basis", None)
    return loaded


def _plain(value: object) -> object:
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.14g}")
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


if __name__ == "__main__":
    points, alerts = said()
    content = plain(kept(points), alerts)
    lines = [*(f'"{name}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]" for name, items in content.items())]
    SAID.write_text("{\n" + ",\n".join(lines) + "\n}\n")
