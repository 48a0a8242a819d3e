"""Whether the parts of a profile fit one another, as those of a table's profile do.

One that was cut short, changed by hand, or written by a release that keeps it in another way would stop whoever works with it, in the middle of a pane.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.profile import AnomalyProfile, ColumnProfile, CorrelationProfile, GivenOthersProfile, OutcomeProfile, Profile

HOURS = 168
"""Of a week, as the rows of `detectors.references.hour_tables`."""

CELLS_OF_SCORED = 61
"""Of a class whose outputs have scores, as in `detectors.panes.output_cells`; that module and the one above stand on this one."""

_OF_NUMERIC = 7  # numbers for each hour
_NUMBER = 4  # bytes

Part = tuple[str, int, int]
"""What it is, how many there are, and how many there have to be."""


def unfit_part(profile: Profile) -> str:
    """The first part that does not fit, "" where all do.

    Examples
    --------
    >>> from detectors.profile import CategoricalProfile, Profile
    >>> plan = CategoricalProfile(levels=("free", "paid"), counts=(30, 10))
    >>> unfit_part(Profile.model_construct(rows=40, features={"plan": plan}))
    ''
    >>> unfit_part(Profile.model_construct(rows=40, features={"plan": plan.model_copy(update={"counts": (40,)})}))
    'features.plan.counts: got 1, expected 2'
    """
    return next((f"{what}: got {got}, expected {expected}" for what, got, expected in _parts(profile) if got != expected), "")


def _parts(profile: Profile) -> Iterator[Part]:
    columns = {f"features.{name}": column for name, column in profile.features.items()} | {"prediction": profile.prediction, "label": profile.label}
    for name, column in columns.items():
        if column is not None:
            yield from _under(name, _of_column(column))
    if profile.correlation is not None:
        yield from _under("correlation", _of_correlation(profile.correlation))
    if profile.anomalies is not None:
        yield from _under("anomalies", _of_anomalies(profile.anomalies, profile))
    if profile.given_others is not None:
        yield from _under("given_others", _of_given_others(profile.given_others, profile))
    classes = profile.label or profile.prediction
    if classes is not None and classes.kind == "categorical":
        yield "classes that differ", len(set(classes.levels)), len(classes.levels)
        if profile.outcomes is not None:
            yield from _under("outcomes", _of_outcomes(profile.outcomes, len(classes.levels)))
    if profile.error_hours is not None:
        yield "error_hours", _numbers(profile.error_hours, 2), HOURS * 2


def _under(name: str, parts: Iterator[Part]) -> Iterator[Part]:
    return ((f"{name}.{what}", got, expected) for what, got, expected in parts)


def _of_column(column: ColumnProfile) -> Iterator[Part]:
    if column.kind == "categorical":
        width = len(column.levels) + 2
        yield "counts", len(column.counts), len(column.levels)
        if column.other is not None:
            size = len(base64.b64decode(column.other.hashes))
            yield "other.hashes, in bytes", size, size // _NUMBER * _NUMBER
    else:
        width, bins = _OF_NUMERIC, len(column.scores)
        yield "counts", len(column.counts), bins
        yield "edges", len(column.edges), bins - 1
        for place, cycle in enumerate(column.cycles):
            pairs = len(cycle.location) // 2
            yield f"cycles.{place}.location", len(cycle.location), 2 * pairs
            yield f"cycles.{place}.square", len(cycle.square), 2 * pairs
    if column.hours is not None:
        yield "hours", _numbers(column.hours, width), HOURS * width


def _numbers(hours: str, width: int) -> int:
    """How many numbers a table of hours holds, as far as there have to be some; 0 where it is none."""
    most = _NUMBER * HOURS * width
    try:
        found = zlib.decompressobj().decompress(base64.b64decode(hours), most + _NUMBER)
    except zlib.error:
        return 0
    return len(found) // _NUMBER


def _of_correlation(profile: CorrelationProfile) -> Iterator[Part]:
    pairs = len(profile.features) * (len(profile.features) - 1) // 2
    yield "correlations", len(profile.correlations), pairs
    yield "deviations", len(profile.deviations), pairs
    yield "sum_counts", len(profile.sum_counts), len(profile.sum_values)


def _of_anomalies(anomalies: AnomalyProfile, profile: Profile) -> Iterator[Part]:
    columns, views = len(anomalies.numeric), len(anomalies.lows)
    for name in ("centres", "scales", "missing", "components"):
        yield name, len(getattr(anomalies, name)), columns
    for place, row in enumerate(anomalies.components):
        yield f"components.{place}", len(row), views - columns
    yield "steps", len(anomalies.steps), views
    yield "counts", len(anomalies.counts), views
    for place, counts in enumerate(anomalies.counts):
        yield f"counts.{place}", len(counts), len(anomalies.counts[0])
    yield "levels", len(anomalies.levels), len(anomalies.categorical)
    for name, counts in zip(anomalies.categorical, anomalies.levels, strict=False):
        column = profile.features.get(name)
        yield f"levels of {name}", len(counts), len(column.levels) + 2 if column is not None and column.kind == "categorical" else 0


def _of_given_others(given: GivenOthersProfile, profile: Profile) -> Iterator[Part]:
    numeric = {name for name, column in profile.features.items() if column.kind == "numeric"}
    yield "features that have a numeric profile", len(numeric.intersection(given.features)), len(given.features)
    yield "targets that are among them", len(set(given.features).intersection(given.targets)), len(given.targets)
    for name in ("coefficients", "deviations", "laws"):
        yield name, len(getattr(given, name)), len(given.targets)
    for place, row in enumerate(given.coefficients):
        yield f"coefficients.{place}", len(row), 1 + len(given.features)
    for place, law in enumerate(given.laws):
        yield f"laws.{place}", len(law), len(given.counts)


def _of_outcomes(outcomes: OutcomeProfile, classes: int) -> Iterator[Part]:
    rows, cells, witnesses = len(outcomes.counts), classes * (CELLS_OF_SCORED if outcomes.scored else 1) + 1, len(outcomes.witnesses)
    yield "labels", len(outcomes.labels), rows
    yield "cells", len(outcomes.cells), rows
    yield "labels that are a class", sum(0 <= label < classes for label in outcomes.labels), rows
    yield "cells of an output", sum(0 <= cell < cells for cell in outcomes.cells), rows
    yield "deviations", len(outcomes.deviations.keys() & outcomes.means.keys()), len(outcomes.means)
    for name, of_class in (("means", outcomes.means), ("deviations", outcomes.deviations)):
        yield from ((f"{name}.{column}", len(values), classes) for column, values in of_class.items())
    yield "covariances", len(outcomes.covariances), witnesses * (witnesses + 1) // 2
