"""Figures of a slice's evidence: as they come from a contrast, and again from the counts that an alert carries."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.alerts.slice_contrasts import Contrast, bar_of, chance_of, difference, interval_of
from detectors.alerts.slice_evidence import SliceEvidence


def slice_evidence(contrast: Contrast, *, binary: bool) -> SliceEvidence:
    """Of a slice whose losses rose."""
    assert contrast.before is not None  # noqa: S101  a rise is from something
    assert contrast.elsewhere_before is not None  # noqa: S101
    sides = (contrast.now, contrast.elsewhere, contrast.before, contrast.elsewhere_before)
    rise, error = difference(sides, binary=binary)
    return SliceEvidence(
        where=contrast.where,
        loss="errors" if binary else "absolute error",
        now=contrast.now,
        before=contrast.before,
        elsewhere=contrast.elsewhere,
        elsewhere_before=contrast.elsewhere_before,
        mean=contrast.now[1] / contrast.now[0],
        interval=interval_of(contrast.now, binary=binary),
        rise=rise,
        error=error,
        chance=contrast.chance,
        bar=contrast.bar,
        looked_at=contrast.looked_at,
        told=contrast.told,
    )


def again(evidence: SliceEvidence) -> Iterator[tuple[str, float, float]]:
    """Each figure: its name, as stated, and as it comes from the counts."""
    binary = evidence.loss == "errors"
    rise, error = difference((evidence.now, evidence.elsewhere, evidence.before, evidence.elsewhere_before), binary=binary)
    low, high = interval_of(evidence.now, binary=binary)
    yield "mean", evidence.mean, evidence.now[1] / evidence.now[0]
    yield "interval, low", evidence.interval[0], low
    yield "interval, high", evidence.interval[1], high
    yield "rise beyond that elsewhere", evidence.rise, rise
    yield "standard error of the rise", evidence.error, error
    yield "chance", evidence.chance, chance_of(rise, error)
    yield "largest chance that is told", evidence.bar, bar_of(evidence.told, evidence.looked_at)
