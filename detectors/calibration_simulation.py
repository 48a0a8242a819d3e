"""Makes `calibration_table.json`: ``python -m detectors.calibration_simulation`` (some minutes on one core; seeded).

Streams of standard normal looks run side by side through the exponential histogram of `detectors.history`; the largest suffix statistic
``S_w / sqrt(w)`` of each is noted at several lengths. The chance to stay below ``h`` for ``T`` looks gives the run length ``-T / log chance``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from detectors.event_batch import Float64
from detectors.history import merges_after

SEED = 20240229
STREAMS = 4_000
LENGTHS = (250, 1_000, 4_000, 16_000)
GRID = [round(2 + step / 4, 2) for step in range(33)]  # log10 of the run length, 10^2 to 10^10
FITTED = (3.0, 5.8)  # log10 of the run lengths that the extrapolation is fitted to; from 10^5.5 on it is used


def largest_statistics(streams: int, lengths: tuple[int, ...], seed: int) -> dict[int, Float64]:
    """By length: (2, streams) largest of ``S_w / sqrt(w)`` and of its negative over all windows and looks up to there."""
    generator = np.random.default_rng(seed)
    sums, sizes = np.empty((0, streams)), list[int]()
    largest = np.full((2, streams), -np.inf)
    noted = {}
    for look in range(1, lengths[-1] + 1):
        rows = np.concatenate((sums, generator.standard_normal((1, streams))))
        after, merges, _ = merges_after([*sizes, 1])
        skipped = {merge.position + 1 for merge in merges}
        sums = np.add.reduceat(rows, [row for row in range(len(rows)) if row not in skipped], axis=0) if merges else rows
        sizes = after
        windows = np.cumsum(sums[::-1], axis=0) / np.sqrt(np.cumsum(sizes[::-1]))[:, None]
        np.maximum(largest[0], windows.max(axis=0), out=largest[0])
        np.maximum(largest[1], -windows.min(axis=0), out=largest[1])
        if look in lengths:
            noted[look] = largest.copy()
    return noted


def run_lengths(noted: dict[int, Float64], heights: Float64, *, sides: int) -> Float64:
    """(len(heights),) average run lengths; nan where fewer than 20 streams passed the height, or nearly all did at every length."""
    lengths = np.full(len(heights), np.nan)
    for length, largest in sorted(noted.items()):
        of_stream = largest.ravel() if sides == 1 else largest.max(axis=0)
        below = np.array([(of_stream <= height).mean() for height in heights])
        known = (below > 0.15) & (below <= 1 - 20 / len(of_stream))
        lengths[known] = -length / np.log(below[known])
    return lengths


def thresholds(noted: dict[int, Float64], *, sides: int) -> list[float]:
    """Thresholds for the run lengths of `GRID`: counted where streams are many, then along ``a + h^2 / 2 - b log h``."""
    heights = np.arange(2.5, 7.5, 0.01)
    logs = np.log10(run_lengths(noted, heights, sides=sides))
    fitted = (logs > FITTED[0]) & (logs < FITTED[1])
    design = np.stack((np.ones(fitted.sum()), -np.log(heights[fitted])), axis=1)
    (a, b), *_ = np.linalg.lstsq(design, logs[fitted] * np.log(10) - heights[fitted] ** 2 / 2, rcond=None)
    smooth = (a + heights**2 / 2 - b * np.log(heights)) / np.log(10)
    known = np.isfinite(logs) & (logs < FITTED[0])
    curve = np.maximum.accumulate(np.where(known, logs, smooth))
    wide = np.arange(2.5, 7.5, 0.001)
    print(f"sides {sides}: log ARL = {a:.3f} + h^2/2 - {b:.3f} log h; largest misfit {np.abs(smooth - logs)[fitted].max():.3f} in log10", file=sys.stderr)
    return [round(float(wide[np.argmax(np.interp(wide, heights, curve) >= wanted)]), 3) for wanted in GRID]


def main(streams: int = STREAMS, path: Path | None = None) -> None:
    """Simulate and write the table."""
    noted = largest_statistics(streams, LENGTHS, SEED)
    content = {"seed": SEED, "looks": streams * LENGTHS[-1], "log10_looks": GRID, "thresholds": {str(sides): thresholds(noted, sides=sides) for sides in (1, 2)}}
    (path or Path(__file__).with_name("calibration_table.json")).write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
