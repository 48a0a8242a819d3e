"""A slice in which a model became worse by more than elsewhere, as an alert carries it, says it, and computes it again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from detectors.alerts.slice_contrasts import Contrast, Sums, bar_of, chance_of, difference, interval_of


class SliceEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of both sides, since the change and before, and what follows from them.

    Attributes
    ----------
    where : one or two conditions, ``city = Oslo``.
    loss : ``errors``, or ``absolute error``.
    now, before, elsewhere, elsewhere_before : rows, what they lose in all, and the squares of that.
    mean, interval : what a row of the slice loses since the change, 95 %.
    rise : by how much more that rose than elsewhere; ``error`` is its standard error.
    chance : that it rises so much more by chance.
    bar : largest chance with which one of ``looked_at`` slices is told; ``told`` are.
    """

    where: tuple[str, ...]
    loss: str
    now: Sums
    before: Sums
    elsewhere: Sums
    elsewhere_before: Sums
    mean: float
    interval: tuple[float, float]
    rise: float
    error: float
    chance: float
    bar: float
    looked_at: int
    told: int


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


def said(evidence: SliceEvidence) -> str:
    """One sentence with all that matters."""
    low, high = evidence.interval
    now, before, there, there_before = (sums[1] / sums[0] for sums in (evidence.now, evidence.before, evidence.elsewhere, evidence.elsewhere_before))
    return (
        f"slice {' and '.join(evidence.where)}: {evidence.loss} {now:.3g} a row of {evidence.now[0]:,.0f} since the change (95 % {low:.3g} to {high:.3g}), {before:.3g} of "
        f"{evidence.before[0]:,.0f} before; elsewhere {there:.3g} of {evidence.elsewhere[0]:,.0f}, {there_before:.3g} before (by chance {evidence.chance:.2g}, "
        f"told below {evidence.bar:.2g}: one of {evidence.told:,} of {evidence.looked_at:,} slices)"
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
