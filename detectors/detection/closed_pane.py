"""A pane that has closed: what was counted in it, by version and segment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Float64

Group = tuple[str, str]
"""Model version and segment."""


@dataclass(frozen=True)
class ClosedPane:
    """Start, epoch milliseconds, the counts of each version and segment, and whether all that is known to belong into it has come."""

    start: int
    groups: dict[Group, Float64]
    whole: bool = True

    def total(self) -> Float64:
        """(size,) counts of all of them."""
        return _sum(counts for _, counts in sorted(self.groups.items()))

    def of_version(self, version: str | None) -> Float64:
        """(size,) counts of one version; 0 where it had no event."""
        mine = [counts for (name, _), counts in sorted(self.groups.items()) if name == version]
        return _sum(mine) if mine else np.zeros_like(next(iter(self.groups.values())))


def _sum(parts: Iterable[Float64]) -> Float64:
    first, *others = parts
    return sum(others, first)
