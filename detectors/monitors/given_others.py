"""Numeric columns by what the others say they should be: a column that shifts alone is told from few events, however far all of them swing together.

Temperatures of a day follow each other, and the weather: beside the day's highest and lowest one the mean temperature is known to a sixteenth of its spread. What is left of a
column when the others are taken off (`detectors.references.columns_given_others`) is linear in the columns, so its mean over a pane follows from their means,
and panes need nothing that they do not hold. It is scanned like a column, with its floor in sigma of the column.

Not for what all columns do together, which is their own monitors' to tell. A shift of one column is one of the rest of every column that leans on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from detectors.acknowledgement import Present
from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.prior_drift import NumericCells, numeric_cells
from detectors.panes.layout import Layout
from detectors.profile import GivenOthersProfile, NumericProfile
from detectors.scans.calibration import normal_of_student, threshold
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.statistics.large_deviation import DeviationTable, normal_of_root
from detectors.verdict import Effect

RESOLUTION = 0.05  # sigma; stands in for a floor of 0 where an alert is resolved


@dataclass(frozen=True)
class Rest:
    """What is left of columns in a pane.

    Attributes
    ----------
    cells : of all columns, also those that others are only predicted from.
    own : place of each watched column among them.
    coefficients : (m, 1 + F) of the constant and of all columns.
    """

    cells: NumericCells
    own: Sequence[int]
    coefficients: Float64

    def means(self, counts: Float64) -> tuple[Float64, Float64]:
        """(k,) rows of panes whose vectors (k, size) are given, and (k, m) means of what is left; 0 without rows."""
        values, totals = np.split(self.cells.sums(counts), 2, axis=1)
        rows = values.min(axis=1)
        means = totals / np.maximum(values, 1)
        left: Float64 = means[:, self.own] - self.coefficients[:, 0] - means @ self.coefficients[:, 1:].T
        return rows, np.where(rows[:, None] > 0, left, 0.0)


def rest_of(layout: Layout, profile: GivenOthersProfile) -> Rest:
    """Of the columns of a profile."""
    profiles: dict[str, NumericProfile] = {name: column for name in profile.features if isinstance(column := layout.columns[name], NumericProfile)}
    own = [profile.features.index(name) for name in profile.targets]
    return Rest(numeric_cells(layout, profiles), own, np.asarray(profile.coefficients))


@dataclass(frozen=True, kw_only=True)
class Law:
    """What is left of a column in its reference.

    Attributes
    ----------
    values, counts : points of its law.
    rows : that it is known from.
    mean : of what is left, 0 unless somebody acknowledged another.
    others : coefficient by column, for people.
    """

    values: Sequence[float]
    counts: Sequence[float]
    rows: float
    mean: float = 0.0
    others: Mapping[str, float]


def laws_of(profile: GivenOthersProfile, acknowledged: Mapping[str, Present]) -> list[Law]:
    """Of a profile, or as somebody acknowledged that they are now; by the names of the monitors."""
    found = []
    for target, values, coefficients in zip(profile.targets, profile.laws, profile.coefficients, strict=True):
        others = {name: value for name, value in zip(profile.features, coefficients[1:], strict=True) if value}
        law = Law(values=values, counts=profile.counts, rows=float(profile.rows), others=others)
        present = acknowledged.get(f"given_others:{target}")
        if present is not None:
            events = float(present.events)
            law = Law(values=values, counts=profile.counts, rows=events, mean=present.sums["totals"][0] / events if events else 0.0, others=others)
        found.append(law)
    return found


class GivenOthers(WindowBank):
    """A monitor for each column that the others explain well; `Verdicts.effect` is the shift of what is left, in sigma of the column.

    Parameters
    ----------
    bank : names, budget and times.
    laws : of what is left of each column.
    rest : how it is taken from a pane; None where nothing but an evidence is recomputed.
    floor : smallest material shift, in sigma of the column.
    """

    def __init__(self, bank: Bank, *, laws: Sequence[Law], rest: Rest | None, floor: float) -> None:
        m = len(laws)
        places = np.arange(m)
        super().__init__(bank, width=1 + 2 * m, channel_sums=np.stack((0 * places, 1 + places, 1 + m + places)), channel_monitor=places)
        self._laws, self._rest, self._floor = tuple(laws), rest, floor
        self._mean, self._n_reference = np.array([law.mean for law in laws]), np.array([law.rows for law in laws])
        self._tails = DeviationTable.of_means([(np.asarray(law.values), np.asarray(law.counts, np.float64)) for law in laws])
        self._spread = self._tails.scale
        ease = np.where(np.isnan(self._spread), np.nan, 0.0)
        self._at_floor = normal_of_root(0 * ease, ease)
        self._thresholds = tuple(np.full(m, threshold(looks, sides=2, smallest=bank.smallest)) for looks in (bank.looks, bank.looks / WARNING_RATE))

    @property
    def floors(self) -> Float64:
        """(m,) the floor of the shift in sigma, .05 where it is 0."""
        return np.full(len(self.names), self._floor or RESOLUTION)

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 1 + 2 m) rows, sums of what is left of each column, and squares: those between panes, and within as many as the reference's law has."""
        if self._rest is None:
            raise ValueError("a detector that was made from an evidence takes no panes; make one from the specification")
        rows, means = self._rest.means(counts)
        totals = means * rows[:, None]
        return np.concatenate((rows[:, None], totals, totals * means + np.maximum(rows - 1, 0)[:, None] * self._spread**2), axis=1)

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """How surely the mean of what is left differs by more than the floor."""
        m = len(self.names)
        n = np.broadcast_to(windows.sums[..., :1], (*windows.sums.shape[:-1], m))
        shift = windows.sums[..., 1 : 1 + m] / n - self._mean
        beyond = np.copysign(np.maximum(np.abs(shift) - self._floor, 0), shift)
        statistic = windows.of_known(normal_of_student(self._at_floor, windows.known_freedom))
        flat = np.flatnonzero((n >= MIN_EVENTS) & (beyond != 0))
        if len(flat):
            window, law = np.divmod(flat, m)
            inflation, freedom = windows.known_at(window, law)
            error = np.sqrt((1 / n.reshape(-1, m)[window, law] + 1 / self._n_reference[law]) * inflation)
            known = error > 0
            slope, ease = self._tails.at(beyond.ravel()[flat[known]], law[known])
            root = np.abs(beyond.ravel()[flat[known]]) * slope / error[known]
            statistic.reshape(-1, m)[window[known], law[known]] = normal_of_student(normal_of_root(root, ease), freedom[known])
        return Scored(windows, n, statistic, shift)

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Shift in sigma."""
        own, of_reference = self._spread * np.sqrt(inflation / scored.events), self._spread * np.sqrt(inflation / self._n_reference)
        return Remains(np.abs(scored.effect)[None], own[None], tolerance(self._floor, of_reference)[None])

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Mean of what is left in both, and what it was taken from."""
        law, n, value = self._laws[monitor], float(scored.events[bucket, monitor]), float(scored.effect[bucket, monitor])
        inflation = float(np.nan_to_num(scored.windows.inflation[bucket, monitor], nan=1.0))
        error = float(self._spread[monitor] * np.sqrt((1 / n + 1 / law.rows) * inflation))
        return Told(
            statistic="largest (|shift of what the others do not explain| - floor) / se over windows",
            effect=Effect(name="shift given the other columns, in sigma", value=value, interval=interval_of(value, error), floor=self._floor),
            n_reference=law.rows,
            n_current=n,
            reference={"mean": law.mean, "values": list(law.values), "counts": list(law.counts)},
            current={"mean": value + law.mean},
            basis={"detector": "given others", "others": dict(law.others)},
        )
