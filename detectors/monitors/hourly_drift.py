"""Monitors whose windows are compared with the hours of the week that they are of.

What is expected of a pane's events is taken off pane by pane, and what is left goes through the same scans (`detectors.scans`). A window's reference is the mixture
of its hours: it has their shares of hits or levels, and as many rows as it is known by (`detectors.references.hours_of_week`), so few where a window is of few
hours. An alert tells that reference in the place of the whole, and is recomputed from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.numeric_drift import NumericDrift
from detectors.monitors.rate_change import Rate, RateChange
from detectors.profile import CategoricalProfile, NumericProfile
from detectors.references.hourly_columns import HourlyColumns
from detectors.references.hours_of_week import HoursOfWeek
from detectors.scans.history import Histogram
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows

_DIGITS = 9
"""After the point, to which counts are told: what is expected was taken off and is added again."""


class HourlyRateChange(RateChange):
    """Rates, each compared with its hours.

    Parameters
    ----------
    bank, rates, floor : see `RateChange`.
    hours : of the rates.
    """

    def __init__(self, bank: Bank, *, rates: Sequence[Rate], floor: float, hours: HoursOfWeek) -> None:
        super().__init__(bank, rates=rates, floor=floor)
        m = len(rates)
        columns = np.arange(m)
        self._hours = hours
        self.width, self.channel_sums = 4 * m, np.stack((columns, m + columns, 2 * m + columns))

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 4 m) events, hits less what the hour is expected to have more or fewer of, their squares, and what was taken off."""
        events, hits = np.split(super().sums_of(counts, starts), 2, axis=1)
        beyond = self._hours.at(starts, self.bank.pane)
        return np.concatenate((events, hits - events * beyond, hits * (1 - 2 * beyond) + events * beyond**2, events * beyond), axis=1)

    @override
    def _hits(self, windows: Windows) -> Float64:
        m = len(self.names)
        hits: Float64 = (windows.sums[..., m : 2 * m] + windows.sums[..., 3 * m :]).round(_DIGITS)
        return hits

    @override
    def _compared(self, windows: Windows, state: State) -> tuple[Float64, Float64]:
        m = len(self.names)
        hits, events = self._reference(state)
        rows = self._hours.rows_behind(windows.begins, windows.ends, events)
        rates = np.clip(hits / events + windows.sums[..., 3 * m :] / windows.sums[..., :m], 0, 1)
        return rates * rows, rows

    @override
    def _basis(self, histogram: Histogram, state: State, monitor: int, bucket: int) -> dict[str, object]:
        hits = self._hits(Windows(histogram.suffixes(), np.empty(0, np.int64), np.empty(0), np.empty(0)))[bucket, monitor].tolist()
        return super()._basis(histogram, state, monitor, bucket) | {"totals": [hits], "squares": [hits]}

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """As of any rate; what the window's hours are uncertain by adds to its own error, so that no window of an hour proves that a change is gone."""
        left = super().remains(scored, inflation, state)
        hits, rows = self._compared(scored.windows, state)
        base = (hits + 0.5) / (rows + 1)
        return replace(left, error=np.sqrt(left.error**2 + inflation * base * (1 - base) / rows))

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Hits and events of both, the reference as it is in the window's hours."""
        told = super().tell(state, monitor, bucket, scored)
        return replace(told, basis=told.basis | {"hours": True})


class HourlyCategoricalDrift(CategoricalDrift):
    """Categorical columns, each compared with its hours.

    Parameters
    ----------
    bank, profiles, blocks, floor : see `CategoricalDrift`.
    hours : of the columns, a value for each level and for what is unseen.
    """

    def __init__(self, bank: Bank, *, profiles: Sequence[CategoricalProfile], blocks: Sequence[slice], floor: float, hours: HoursOfWeek) -> None:
        super().__init__(bank, profiles=profiles, blocks=blocks, floor=floor)
        m, levels = len(profiles), len(self._column)
        columns = m + np.arange(levels)
        self._hours, self._levels = hours, levels
        self.width, self.channel_sums = m + 3 * levels, np.stack((self._column, columns, levels + columns))

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, m + 3 levels) values of each column; then of each level less what the hour is expected to have more or fewer of, their squares, and what was taken off."""
        sums = super().sums_of(counts, starts)
        n, levels = sums[:, : len(self.names)], sums[:, len(self.names) :]
        beyond, of_column = self._hours.at(starts, self.bank.pane), n[:, self._column]
        return np.concatenate((n, levels - of_column * beyond, levels * (1 - 2 * beyond) + of_column * beyond**2, of_column * beyond), axis=1)

    @override
    def _level_counts(self, windows: Windows) -> Float64:
        m, levels = len(self.names), self._levels
        counts: Float64 = (windows.sums[..., m : m + levels] + windows.sums[..., m + 2 * levels :]).round(_DIGITS)
        return counts

    @override
    def _compared(self, windows: Windows) -> tuple[Float64, Float64, Float64]:
        m, levels = len(self.names), self._levels
        rows = self._hours.rows_behind(windows.begins, windows.ends, self._n_reference)
        shares = np.clip(self._rates + windows.sums[..., m + 2 * levels :] / windows.sums[..., :m][..., self._column], 0, None)
        shares /= self._of_columns(shares)[..., self._column]
        return shares * rows[..., self._column], shares, rows

    @override
    def _basis(self, histogram: Histogram, state: State, monitor: int, bucket: int) -> dict[str, object]:
        counts = self._level_counts(Windows(histogram.suffixes(), np.empty(0, np.int64), np.empty(0), np.empty(0)))[bucket, self._column == monitor].tolist()
        return super()._basis(histogram, state, monitor, bucket) | {"totals": counts, "squares": counts}

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """As of any column; what the window's hours are uncertain by adds to its own error."""
        left = super().remains(scored, inflation, state)
        spread = np.sqrt((1 / scored.events + 1 / self._compared(scored.windows)[2]) * self._inflation(inflation))
        effect = np.sqrt(np.maximum(scored.detail["distance"] ** 2 - (scored.detail["by_chance"] * spread) ** 2, 0))
        return replace(left, effect=effect[None], error=(0.5 * spread)[None])

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Counts of all levels in both, the reference as it is in the window's hours; and that of the whole week, which says how levels are weighed."""
        told = super().tell(state, monitor, bucket, scored)
        mine = self._column == monitor
        reference, shares, rows = (part[bucket] for part in self._compared(scored.windows))
        current = self._level_counts(scored.windows)[bucket, mine].tolist()
        whole = {"counts": self._counts[mine].tolist(), "shares": shares[mine].tolist(), "rows": float(rows[monitor])}
        return replace(
            told,
            n_reference=float(rows[monitor]),
            reference=dict(zip(told.reference, reference[mine].tolist(), strict=True)),
            current=dict(zip(told.current, current, strict=True)),
            basis=told.basis | {"hours": whole},
        )


class HourlyNumericDrift(NumericDrift):
    """Numeric columns, each compared with its hours.

    Parameters
    ----------
    bank, profiles, blocks, shift, deviation_ratio : see `NumericDrift`; the profiles have hours.
    """

    def __init__(self, bank: Bank, *, profiles: Sequence[NumericProfile], blocks: Sequence[slice], shift: float, deviation_ratio: float) -> None:
        columns = HourlyColumns(profiles)
        super().__init__(bank, profiles=profiles, blocks=blocks, shift=shift, deviation_ratio=deviation_ratio, swing=columns)
        self._hours = columns.hours

    @override
    def _compared(self, windows: Windows) -> Float64:
        return self._hours.rows_behind(windows.begins, windows.ends, self._rows_of_laws)

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """As of any column; what the window's hours are uncertain by adds to its own error."""
        left = super().remains(scored, inflation, state)
        rows = np.stack(np.split(self._compared(scored.windows), 2, axis=-1))
        return replace(left, error=left.error * np.sqrt(1 + scored.events / rows))

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """As of any numeric column, and what is known of the window's hours."""
        told = super().tell(state, monitor, bucket, scored)
        rows = self._rows_at(scored.windows, bucket, np.array([monitor, len(self.names) + monitor]))
        swing = self._reference.cycles
        hours = {"rows": rows.tolist(), "explained": float(swing.location_variance[monitor]), "largest_square": float(swing.largest_square()[monitor])}
        return replace(told, basis=told.basis | {"hours": hours})
