"""The distances of `detectors.metrics.distances` of many columns from their references at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from scipy import special

from detectors.columns.shared_arrays import shared
from detectors.event_batch import Float64, Int64
from detectors.metrics.distances import KOLMOGOROV_95, NATS_TO_BITS
from detectors.profile import ColumnProfile, NumericProfile
from detectors.statistics.folded_normal import quantile_of_distribution, quantile_of_largest, quantile_of_shares
from detectors.statistics.noncentrality import noncentrality

_OF_CATEGORIES = ("psi", "jensen_shannon", "hellinger", "total_variation", "l_infinity")
_OF_NUMBERS = (*_OF_CATEGORIES, "kolmogorov_smirnov", "wasserstein")
_ROWS_AT_ONCE = 256  # more would not fit the processor's caches


class ColumnDistances:
    """References of ``c`` columns, all numeric or all categorical.

    Parameters
    ----------
    profiles : of the columns.
    blocks : where each column's counts begin in a summary vector.

    Attributes
    ----------
    fields : what is measured: each distance, then each ``_low`` and each ``_high`` (95 % interval), then each ``_by_chance`` (95 % are below while nothing has changed), then
        ``n``, the rows.

    Examples
    --------
    >>> profile = NumericProfile(edges=(0.0,), counts=(100, 100), scores=(-1.0, 1.0), mean=0.0, deviation=1.0, minimum=-1.0, maximum=1.0)
    >>> columns = ColumnDistances([profile], [slice(0, 4)])
    >>> (measured,) = measure([(columns, np.array([90.0, 10.0, 0.0, 0.0]))])
    >>> print({name: round(value, 3) for name, value in zip(columns.fields, measured[0].tolist()) if "wasserstein" in name})
    {'wasserstein': 0.8, 'wasserstein_low': 0.567, 'wasserstein_high': 1.033, 'wasserstein_by_chance': 0.233}
    """

    def __init__(self, profiles: Sequence[ColumnProfile], blocks: Sequence[slice]) -> None:
        counts = [reference_counts(profile) for profile in profiles]
        self.sizes = np.array([len(of_column) for of_column in counts])
        shape = len(counts), int(self.sizes.max(initial=1))
        self.ordered = any(isinstance(profile, NumericProfile) for profile in profiles)
        reference, gaps = np.zeros(shape), np.zeros((shape[0], shape[1] - 1))
        cells = np.full(shape, -1)  # the padding points at a cell behind the vector that is always 0
        for column, (profile, block, of_column) in enumerate(zip(profiles, blocks, counts, strict=True)):
            reference[column, : len(of_column)] = of_column
            cells[column, : len(of_column)] = np.arange(block.start, block.start + len(of_column))
            if isinstance(profile, NumericProfile):
                gaps[column, : len(of_column) - 1] = np.diff(profile.scores)
        self.reference, self.gaps, self._cells = shared(reference), shared(gaps), shared(cells)
        self.fields = _fields(_OF_NUMBERS if self.ordered else _OF_CATEGORIES)

    def __len__(self) -> int:
        return len(self.sizes)

    def current(self, counts: Float64) -> Float64:
        """(c, B) counts of each column in a summary vector (size,)."""
        held: Float64 = np.append(counts, 0.0)[self._cells]
        return held


@cache
def _fields(names: tuple[str, ...]) -> tuple[str, ...]:
    return (*names, *(f"{name}_{part}" for part in ("low", "high", "by_chance") for name in names), "n")


def reference_counts(profile: ColumnProfile) -> Float64:
    """Counts of the reference in the cells that hold values; a categorical column's last one is ``unseen``."""
    return np.asarray(profile.counts if profile.kind == "numeric" else (*profile.counts, profile.unseen), dtype=np.float64)


def measure(asked: Sequence[tuple[ColumnDistances, Float64]]) -> list[Float64]:
    """Distances of windows, of one model or of many.

    Parameters
    ----------
    asked : references, and a summary vector (size,) to compare with them.

    Returns
    -------
    For each, (c, len(fields)): the values of `ColumnDistances.fields`; distances are nan where one side has no rows.
    """
    found: list[Float64] = [np.empty((len(columns), len(columns.fields))) for columns, _ in asked]
    for places in _alike(asked):
        references = [asked[place][0] for place in places]
        measured = _measured(
            np.concatenate([columns.reference for columns in references]),
            np.concatenate([columns.current(asked[place][1]) for place, columns in zip(places, references, strict=True)]),
            np.concatenate([columns.sizes for columns in references]),
            np.concatenate([columns.gaps for columns in references]) if references[0].ordered else None,
        )
        end = 0
        for place, columns in zip(places, references, strict=True):
            begin, end = end, end + len(columns)
            found[place] = measured[begin:end]
    return found


def _alike(asked: Sequence[tuple[ColumnDistances, Float64]]) -> Iterable[list[int]]:
    """Places of those that can be put together: of one kind and width, as many as is good."""
    parts: dict[tuple[bool, int], list[int]] = {}
    rows: dict[tuple[bool, int], int] = {}
    for place, (columns, _) in enumerate(asked):
        key = columns.ordered, columns.reference.shape[1]
        if len(columns):
            parts.setdefault(key, []).append(place)
            rows[key] = rows.get(key, 0) + len(columns)
        if rows.get(key, 0) >= _ROWS_AT_ONCE:
            yield parts.pop(key)
            del rows[key]
    yield from parts.values()


def _measured(reference: Float64, current: Float64, sizes: Int64, gaps: Float64 | None) -> Float64:
    """(r, fields) of counts (r, B), padded by 0 behind their sizes (r,); ``gaps`` (r, B - 1) between the scores of numeric columns."""
    n, m = reference.sum(axis=1), current.sum(axis=1)
    both = reference + current
    chi_square = _chi_square_95(int(sizes.max()))[np.maximum(np.count_nonzero(both, axis=1) - 1, 1)]
    with np.errstate(all="ignore"):
        scale = 1 / n + 1 / m
        p, q = reference / n[:, None], current / m[:, None]
        half = 0.5 * (np.arange(reference.shape[1]) < sizes[:, None])
        smooth, smooth_current = (reference + half) / (n + 0.5 * sizes)[:, None], (current + half) / (m + 0.5 * sizes)[:, None]
        ratio = np.divide(smooth_current, smooth, out=np.ones_like(smooth), where=half > 0)
        middle = (p + q) / 2
        divergence = np.maximum((special.rel_entr(p, middle).sum(axis=1) + special.rel_entr(q, middle).sum(axis=1)) / 2, 0)
        moved, pooled = np.abs(p - q), both / (n + m)[:, None]
        values: list[Float64] = [
            ((smooth_current - smooth) * np.log(ratio)).sum(axis=1),
            np.sqrt(divergence * NATS_TO_BITS),
            np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=1) / 2),
            moved.sum(axis=1) / 2,
            moved.max(axis=1),
        ]
        by_chance: list[Float64] = [
            chi_square * scale,
            np.minimum(np.sqrt(chi_square * (scale / 8) * NATS_TO_BITS), 1),
            np.minimum(np.sqrt(chi_square * (scale / 8)), 1),
            quantile_of_shares(pooled, scale),
            quantile_of_largest(np.sqrt(pooled * (1 - pooled) * scale[:, None])),
        ]
        if gaps is not None:
            apart = np.abs(np.cumsum(p - q, axis=1))
            values += [apart.max(axis=1), (gaps * apart[:, :-1]).sum(axis=1)]
            by_chance += [np.minimum(KOLMOGOROV_95 * np.sqrt(scale), 1), quantile_of_distribution(gaps, np.cumsum(both, axis=1)[:, :-1] / (n + m)[:, None], scale)]
        lows, highs = _intervals(values, by_chance, np.stack([scale, scale / 8, scale / 8]), np.maximum(np.count_nonzero(both, axis=1) - 1, 1))
    found: Float64 = np.stack([*values, *lows, *highs, *by_chance, m], axis=1)
    found[np.minimum(n, m) <= 0, :-1] = np.nan
    return found


def _intervals(values: Sequence[Float64], by_chance: Sequence[Float64], scales: Float64, degrees: Int64) -> tuple[Float64, Float64]:
    """Bounds (k, r) of distances, in their order: of the three that have a chi-square law by its non-centrality, of the others, which are norms, by what chance adds to them."""
    value, noise = np.array(values), np.array(by_chance)
    squared = np.stack([value[0], value[1] ** 2 / NATS_TO_BITS, value[2] ** 2])
    bounds = noncentrality(squared / scales, np.broadcast_to(degrees, squared.shape)) * scales
    bounds[:, 1] *= NATS_TO_BITS
    bounds[:, 1:] = np.minimum(np.sqrt(bounds[:, 1:]), 1)
    lows, highs = np.maximum(value - noise, 0), value + noise
    highs[:6] = np.minimum(highs[:6], 1)  # a Wasserstein distance, the last, has no end
    lows[:3], highs[:3] = bounds
    return lows, highs


@cache
def _chi_square_95(most: int) -> Float64:
    """95 % quantiles by degrees of freedom, up to so many; that of 0 is nan."""
    return np.asarray(special.chdtri(np.arange(most + 1), 0.05), np.float64)
