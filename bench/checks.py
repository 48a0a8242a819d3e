"""Whether what was timed is right: counts of every pane, and PSI against numpy on the same values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from bench.figure import CheckFailedError, expect
from bench.installation import Installation
from bench.workload import PANE, Workload
from detectors.event_batch import Float64, Int64
from detectors.point import Point
from detectors.profile import NumericProfile
from detectors.specification import MonitorSpecification
from streams.wire import decode_points

PSI_TOLERANCE = 1e-9


def check_stream(installed: Installation, workload: Workload, specification: MonitorSpecification, end: int) -> None:
    """Check everything that was made of the first ``end`` events, whose panes are all closed.

    Parameters
    ----------
    specification : of the first model; its columns are checked against numpy.

    Raises
    ------
    CheckFailedError
        If a prediction or a label was lost or counted twice, a record was refused wrongly, or a PSI is not numpy's.
    """
    events = workload.events(0, end)
    bad = workload.bad(0, end)
    expect("dead letters", sum(installed.ends(installed.topics.dead_letters)), bad)
    traffic: Counter[str] = Counter()
    drift: dict[tuple[int, str], Point] = {}
    for value in installed.values(installed.topics.metrics):
        for point in _points(value, model=specification.model):
            if point.measurement == "traffic":
                if point.fields["final"]:
                    traffic.update({name: int(point.fields[name]) for name in ("predictions", "labels", "duplicates", "late")})
            elif point.tags["window"] == _window(specification):
                drift[point.time, point.tags["feature"]] = point
    labels = int(events.is_label.sum()) if workload.labels == "separate" else end - bad
    expect(
        "predictions, labels, duplicates and late events of all closed panes",
        [traffic[name] for name in ("predictions", "labels", "duplicates", "late")],
        [
            int((~events.is_label).sum()) - bad,
            labels,
            0,
            0,
        ],
    )
    if not bad:
        check_psi(drift, specification, events.time, events.matrix, (events.of % workload.models == 0) & ~events.is_label)


def check_psi(drift: dict[tuple[int, str], Point], specification: MonitorSpecification, time: Int64, matrix: Float64, mine: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    """Check the last points of every numeric feature against numpy on the values themselves."""
    profile = specification.reference.profile
    if profile is None or not drift:
        raise CheckFailedError(f"no drift points of '{specification.model}' were found; its PSI cannot be checked")
    at = max(when for when, _ in drift)
    start = at - specification.windows[0]
    rows = mine & (time >= start) & (time < at)
    for place, (name, column) in enumerate(profile.features.items()):
        if isinstance(column, NumericProfile):
            fields = drift[at, name].fields
            expect(f"rows in the window of {name}", fields["n"], float(rows.sum()))
            truth = psi(column, matrix[rows, place])
            if abs(float(fields["psi"]) - truth) > PSI_TOLERANCE:
                raise CheckFailedError(f"PSI of {name} over {int(rows.sum())} rows: got {fields['psi']}, numpy says {truth}")


def psi(profile: NumericProfile, values: Float64) -> float:
    """Population stability index of values against a profile, half a row added to each bin; written apart from `detectors.metrics.distances`.

    Examples
    --------
    >>> profile = NumericProfile(edges=(0.0,), counts=(100, 100), scores=(-1.0, 1.0), mean=0.0, deviation=1.0, minimum=-1.0, maximum=1.0)
    >>> round(psi(profile, np.repeat([-1.0, 1.0], [90, 10])), 3)
    0.853
    """
    current = np.histogram(values, [-np.inf, *profile.edges, np.inf])[0] + 0.5
    reference = np.asarray(profile.counts) + 0.5
    current, reference = current / current.sum(), reference / reference.sum()
    return float(((current - reference) * np.log(current / reference)).sum())


def _window(specification: MonitorSpecification) -> str:
    """Tag of the shortest rolling window."""
    seconds = specification.windows[0] // 1_000
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


def _points(value: bytes, *, model: str) -> Iterable[Point]:
    """Traffic of every model; drift of one."""
    wanted = [line for line in value.split(b"\n") if b'"measurement":"traffic"' in line or (b'"measurement":"drift"' in line and b'"model":"%s"' % model.encode() in line)]
    return decode_points(b"\n".join(wanted))


def closing_time(workload: Workload, end: int, lateness: int) -> int:
    """Event time that closes every pane of the first ``end`` events."""
    return int(workload.time(np.array([end]))[0]) + lateness + 2 * PANE
