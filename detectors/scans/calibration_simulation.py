"""Makes `calibration_table.json`: ``python -m detectors.calibration_simulation`` (a minute on one core; seeded).

Streams of standard normal looks run side by side through the exponential histogram of `detectors.scans.history`; the largest square of a suffix
statistic ``S_w / sqrt(w)`` less the price of its window is noted of each at several lengths, over all windows and over those of so many panes at
least: where a pane has few events, the shortest windows are not looked at, and a lower threshold does. The chance to stay below ``h`` for ``T``
looks gives the run length ``-T / log chance``.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np

from detectors.event_batch import Float64
from detectors.scans.calibration import price
from detectors.scans.history import merges_after

SEED = 20240229
STREAMS = 3_000
LENGTHS = (250, 1_000, 4_000, 16_000)
SMALLEST = (1, 2, 3, 5, 10, 20, 30)  # panes of the smallest window; a pane has one event at least
GRID = [round(2 + step / 4, 2) for step in range(33)]  # log10 of the run length, 10^2 to 10^10
FITTED = (3.0, 5.8)  # log10 of the run lengths that the extrapolation is fitted to; from 10^5.5 on it is used


def largest_statistics(streams: int, lengths: tuple[int, ...], seed: int) -> dict[int, Float64]:
    """By length: (len(SMALLEST), 2 streams) largest height, of either sign, over all windows of so many panes or more, and looks up to there."""
    generator = np.random.default_rng(seed)
    sums, sizes = np.empty((0, streams)), list[int]()
    largest = np.zeros((len(SMALLEST), 2, streams))
    noted = {}
    for look in range(1, lengths[-1] + 1):
        rows = np.concatenate((sums, generator.standard_normal((1, streams))))
        after, merges, _ = merges_after([*sizes, 1])
        skipped = {merge.position + 1 for merge in merges}
        sums = np.add.reduceat(rows, [row for row in range(len(rows)) if row not in skipped], axis=0) if merges else rows
        sizes = after
        panes = np.cumsum(sizes[::-1])
        windows = np.cumsum(sums[::-1], axis=0) / np.sqrt(panes)[:, None]
        heights = [side * side - price(panes)[:, None] for side in (np.maximum(windows, 0), np.minimum(windows, 0))]
        first = [*np.searchsorted(panes, SMALLEST), len(panes)]
        for place, (begin, end) in enumerate(itertools.pairwise(first)):
            if begin < end:
                for side in range(2):
                    np.maximum(largest[place, side], heights[side][begin:end].max(axis=0), out=largest[place, side])
        if look in lengths:
            noted[look] = np.sqrt(np.maximum.accumulate(largest[::-1], axis=0)[::-1]).reshape(len(SMALLEST), -1)
    return noted


def run_lengths(noted: dict[int, Float64], heights: Float64, *, smallest: int = 1) -> Float64:
    """(len(heights),) average run lengths; nan where fewer than 20 streams passed the height, or nearly all did at every length."""
    lengths = np.full(len(heights), np.nan)
    for length, of_all in sorted(noted.items()):
        of_stream = of_all[SMALLEST.index(smallest)]
        below = np.array([(of_stream <= height).mean() for height in heights])
        known = (below > 0.15) & (below <= 1 - 20 / len(of_stream))
        lengths[known] = -length / np.log(below[known])
    return lengths


def thresholds(noted: dict[int, Float64], *, smallest: int = 1) -> list[float]:
    """Thresholds for the run lengths of `GRID`: counted where streams are many, then along ``a + h^2 / 2 - b log h``."""
    heights = np.arange(0.5, 7.5, 0.01)
    logs = np.log10(run_lengths(noted, heights, smallest=smallest))
    fitted = (logs > FITTED[0]) & (logs < FITTED[1])
    design = np.stack((np.ones(fitted.sum()), -np.log(heights[fitted])), axis=1)
    (a, b), *_ = np.linalg.lstsq(design, logs[fitted] * np.log(10) - heights[fitted] ** 2 / 2, rcond=None)
    smooth = (a + heights**2 / 2 - b * np.log(heights)) / np.log(10)
    known = np.isfinite(logs) & (logs < FITTED[0])
    curve = np.maximum.accumulate(np.where(known, logs, np.where(heights < heights[fitted][0], -np.inf, smooth)))
    wide = np.arange(0.5, 7.5, 0.001)
    misfit = np.abs(smooth - logs)[fitted].max()
    print(f"{smallest} panes: log ARL = {a:.3f} + h^2/2 - {b:.3f} log h; largest misfit {misfit:.3f} in log10", file=sys.stderr)
    return [round(float(wide[np.argmax(np.interp(wide, heights, curve) >= wanted)]), 3) for wanted in GRID]


def main(streams: int = STREAMS, path: Path | None = None) -> None:
    """Simulate and write the table."""
    noted = largest_statistics(streams, LENGTHS, SEED)
    found = [thresholds(noted, smallest=smallest) for smallest in SMALLEST]
    content = {"seed": SEED, "looks": 2 * streams * LENGTHS[-1], "smallest": SMALLEST, "log10_looks": GRID, "thresholds": found}
    (path or Path(__file__).with_name("calibration_table.json")).write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
