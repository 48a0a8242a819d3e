"""The history of a bank, while panes are added to it: its windows are those that the buckets say."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.scans.calibration import price
from detectors.scans.history import LARGEST, GrowingHistogram, Histogram, narrow, narrow_each


@pytest.mark.parametrize("at_once", [1, 3, 40])
@pytest.mark.parametrize("width", [4, 600])
def test_windows_of_many_times_are_those_of_each_time(at_once: int, width: int) -> None:
    """To the bit: a window is summed up from the newest bucket on, and where there are fewer windows than at another time there is nothing."""
    generator = np.random.default_rng(3)
    histogram = Histogram.empty(sums=width, labels=0)
    for first in range(0, 120, at_once):
        growing = GrowingHistogram(histogram.sizes, histogram.starts, histogram.sums, room=at_once)
        times, alone = [], []
        for pane in range(first, first + at_once):
            values = generator.normal(size=width) * 10.0 ** generator.integers(-9, 12, width)
            values[3] = -0.0
            growing.append(10 * pane, values, pane)
            times.append(growing.buckets)
            alone.append((Histogram(growing.sizes, growing.starts, growing.sums(slice(None)), np.empty(0), []), growing.noted))
        windows = growing.windows(times)
        for place, (one, noted) in enumerate(alone):
            w = len(one.sizes)
            assert windows.sums[place, :w].tobytes() == one.suffixes().tobytes()
            assert windows.begins[place, :w].tolist() == one.starts.tolist()
            assert windows.noted[place, :w].tolist() == noted
            assert windows.prices[place, :w].tobytes() == price(np.cumsum(one.sizes[::-1])[::-1]).tobytes()
            assert not windows.sums[place, w:].any()
            assert not windows.prices[place, w:].any()
            assert (windows.begins[place, w:] == np.iinfo(np.int64).max).all()
        histogram = alone[-1][0]


def test_buckets_hold_the_panes_that_came_since_they_began() -> None:
    growing, sums, sizes = GrowingHistogram([], np.empty(0, np.int64), np.empty((0, 1)), room=100), np.arange(100.0) ** 2, []
    for pane in range(100):
        pairs = growing.append(pane, sums[[pane]], 0)
        for level, start, (older, newer) in pairs:
            middle = start + 2**level
            assert (older, newer) == (sums[start:middle].sum(), sums[middle : middle + 2**level].sum())
        sizes.append(growing.sizes)
    bounds = [*growing.starts.tolist(), 100]
    assert np.diff(bounds).tolist() == growing.sizes
    assert growing.sums(slice(None)).ravel().tolist() == np.add.reduceat(sums, bounds[:-1]).tolist()


def test_what_falls_off_the_end_is_in_no_window() -> None:
    full = [LARGEST >> level for level in range(20) for _ in range(3)]
    growing = GrowingHistogram(full, np.arange(60), np.ones((60, 1)), room=1)
    growing.append(60, np.ones(1), 0)
    assert growing.sizes.count(LARGEST) == 3
    assert growing.windows([growing.buckets]).sums[0, 0] == 60
    assert growing.starts[0] == 1


@pytest.mark.parametrize("largest", [255, 256, 70_000])
def test_counts_of_many_panes_take_the_bytes_that_each_of_them_needs(largest: int) -> None:
    counts = np.array([[0.0, 3.0, 1.0], [2.0, largest, 0.0]])
    for found, row in zip(narrow_each(counts), counts, strict=True):
        assert (found.dtype, found.tolist()) == (narrow(row).dtype, row.tolist())
        assert found.base is None
