"""Two habits to compare with, computed on the same events: PSI > .2 on chunks of 500, and ADWIN at its default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from river.drift import ADWIN

from detectors.event_batch import Column, Float64

CHUNK = 500
PSI_HABIT = 0.2
BINS = 10


class PsiHabit:
    """Alarms when any feature of a chunk of 500 predictions has a PSI > .2 against the reference: ten quantile bins, or the categories.

    Parameters
    ----------
    reference : (n,) columns.
    """

    def __init__(self, reference: dict[str, Column]) -> None:
        self._reference = reference
        self._edges = {name: np.unique(np.nanquantile(column, np.arange(1, BINS) / BINS)) for name, column in reference.items() if column.dtype != object}
        self._waiting: list[dict[str, Column]] = []
        self._rows = 0
        self.alarms: list[int] = []

    def add(self, features: dict[str, Column], end: int) -> None:
        """Take rows; ``end`` is the stream's row behind them."""
        self._waiting.append(features)
        self._rows += len(next(iter(features.values())))
        while self._rows >= CHUNK:
            whole = {name: np.concatenate([part[name] for part in self._waiting]) for name in self._reference}
            self._rows -= CHUNK
            self._waiting = [{name: column[CHUNK:] for name, column in whole.items()}]
            if any(self._psi(name, column[:CHUNK]) > PSI_HABIT for name, column in whole.items()):
                self.alarms.append(end - self._rows)

    def _psi(self, name: str, column: Column) -> float:
        reference, current = (self._shares(name, values, self._reference[name]) for values in (self._reference[name], column))
        return float(((current - reference) * np.log(current / reference)).sum())

    def _shares(self, name: str, values: Column, reference: Column) -> Float64:
        if name in self._edges:
            known = values[~np.isnan(values)]
            counts = np.bincount(np.searchsorted(self._edges[name], known, side="right"), minlength=len(self._edges[name]) + 1)
        else:
            texts = values.astype(str)
            counts = np.array([(texts == level).sum() for level in np.unique(reference.astype(str))])
        shares: Float64 = np.maximum(counts / max(counts.sum(), 1), 1e-4)  # the habit's usual guard against empty bins
        return shares


class AdwinHabit:
    """river's ADWIN (Bifet and Gavalda 2007) at its default, on the losses as their labels come."""

    def __init__(self) -> None:
        self._adwin = ADWIN()  # type: ignore[no-untyped-call]  # river's are not typed
        self.alarms: list[int] = []

    def add(self, losses: Float64, end: int) -> None:
        """Take losses of labelled rows; ``end`` is the stream's row behind which they became known."""
        for place, loss in enumerate(losses.tolist()):
            self._adwin.update(loss)  # type: ignore[no-untyped-call]
            if self._adwin.drift_detected:
                self.alarms.append(end - len(losses) + place + 1)


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one method did. Delays are in rows from the change to the first alarm after it; None where there was none."""

    method: str
    false_alarms: int
    delays: dict[str, int | None] = field(default_factory=dict)


def score(method: str, alarms: Sequence[int], changes: dict[str, int]) -> Score:
    """Count alarms before the first change as false, and measure the delay to the first alarm between each change and the next.

    Examples
    --------
    >>> score("habit", [40, 120, 130, 210], {"covariate": 100, "concept": 200})
    Score(method='habit', false_alarms=1, delays={'covariate': 20, 'concept': 10})
    """
    starts = sorted(changes.values())
    delays: dict[str, int | None] = {}
    for name, start in changes.items():
        end = next((later for later in starts if later > start), None)
        found = [alarm - start for alarm in alarms if alarm > start and (end is None or alarm <= end)]
        delays[name] = min(found, default=None)
    return Score(method=method, false_alarms=sum(alarm <= starts[0] for alarm in alarms) if starts else len(alarms), delays=delays)
