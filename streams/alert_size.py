"""An alert that fits into one record of Kafka: what is left out of a change of hundreds of columns, the weakest monitors first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from detectors.alerts.alert import Alert
from detectors.verdict import Evidence

NAMED = 0.5
"""Share of a record's bytes at most that names, effects and counts of monitors may take; the rest is for the evidence of the strongest ones."""


def fitted(alert: Alert, max_bytes: int, size: Callable[[Alert | Evidence], int]) -> Alert:
    """The alert with as much as fits.

    First the edges of current bins go, which are the reference's. Then the evidence of the weakest monitors: their ``basis`` is ``left_out`` with the times of their change,
    and their figures cannot be computed again. Last their names, of which ``more_monitors`` is how many there were. The first monitor is named always: the summary speaks of it.

    Parameters
    ----------
    max_bytes : of the record.
    size : bytes of an alert or of one monitor's part, as they are written.
    """
    if size(alert) <= max_bytes:
        return alert
    alert = msgspec.structs.replace(alert, monitors=tuple(_without_edges_twice(evidence) for evidence in alert.monitors))
    if size(alert) <= max_bytes:
        return alert
    monitors = list(alert.monitors)
    strongest = sorted(range(len(monitors)), key=lambda place: (place != 0, -monitors[place].value / monitors[place].threshold))
    bare = [_without_evidence(evidence) for evidence in monitors]
    comma = 1
    room = max_bytes - size(msgspec.structs.replace(alert, monitors=(), more_monitors=len(monitors)))

    named = _first_that_fit([size(bare[place]) + comma for place in strongest], room * NAMED)
    strongest = strongest[: max(1, named)]
    room -= sum(size(bare[place]) + comma for place in strongest)
    whole = _first_that_fit([size(monitors[place]) - size(bare[place]) for place in strongest], room)
    kept = {place: monitors[place] if rank < whole else bare[place] for rank, place in enumerate(strongest)}
    return msgspec.structs.replace(alert, monitors=tuple(kept[place] for place in sorted(kept)), more_monitors=len(monitors) - len(kept))


def _first_that_fit(sizes: list[int], room: float) -> int:
    """How many from the beginning."""
    taken = 0
    for place, one in enumerate(sizes):
        taken += one
        if taken > room:
            return place
    return len(sizes)


def _without_edges_twice(evidence: Evidence) -> Evidence:
    if evidence.current.get("edges") != evidence.reference.get("edges"):
        return evidence
    return replace(evidence, current={name: value for name, value in evidence.current.items() if name != "edges"})


def _without_evidence(evidence: Evidence) -> Evidence:
    times = {name: evidence.basis[name] for name in ("since", "earliest") if name in evidence.basis}
    return replace(evidence, reference={}, current={}, basis={"left_out": "size"} | times)
