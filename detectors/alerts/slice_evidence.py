"""A slice in which a model became worse by more than elsewhere, as an alert carries it and says it. Applications import this, so it computes nothing."""

from __future__ import annotations

import msgspec

Sums = tuple[float, float, float]
"""Rows, what they lose, and its squares, which is the same for right and wrong."""


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


def said(evidence: SliceEvidence) -> str:
    """One sentence with all that matters."""
    low, high = evidence.interval
    now, before, there, there_before = (sums[1] / sums[0] for sums in (evidence.now, evidence.before, evidence.elsewhere, evidence.elsewhere_before))
    return (
        f"slice {' and '.join(evidence.where)}: {evidence.loss} {now:.3g} a row of {evidence.now[0]:,.0f} since the change (95 % {low:.3g} to {high:.3g}), {before:.3g} of "
        f"{evidence.before[0]:,.0f} before; elsewhere {there:.3g} of {evidence.elsewhere[0]:,.0f}, {there_before:.3g} before (by chance {evidence.chance:.2g}, "
        f"told below {evidence.bar:.2g}: one of {evidence.told:,} of {evidence.looked_at:,} slices)"
    )
