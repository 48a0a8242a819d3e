"""``python -m bench.detection.nab PATH``: the Numenta Anomaly Benchmark, scored by its standard profile, for a copy of its repository (https://github.com/numenta/NAB).

Every series is streamed through `detectors.monitors.novelty` with its own first part, the benchmark's probation, to learn from; one setting for all of them, and
a threshold that follows from a chance of false alarms and from no score.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from detectors.errors import SettingsError
from detectors.evaluation.nab import STANDARD, normalised, probation, raw_score
from detectors.event_batch import Bool, Float64
from detectors.monitors.novelty import Novelty

CHANCE = 0.01  # what a p-value of one in a hundred is to most people; scores at others are for seeing how much depends on it


@dataclass(frozen=True)
class Series:
    """A series of the corpus.

    Attributes
    ----------
    name : its file below the corpus's `data`.
    values : (n,).
    windows : first and last row of each labelled window.
    """

    name: str
    values: Float64
    windows: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Scored:
    """What came of a series.

    Attributes
    ----------
    raw : score of the standard profile.
    windows, hit : labelled windows that count, and those with an alarm.
    false : alarms outside.
    """

    name: str
    raw: float
    windows: int
    hit: int
    false: int


def corpus(path: Path) -> Iterator[Series]:
    """Every labelled series of a corpus, by name.

    Raises
    ------
    SettingsError
        If the folder is none, or a label is not in its series.
    """
    labels = path / "labels" / "combined_windows.json"
    if not labels.is_file():
        raise SettingsError(f"{path}: expected a copy of the benchmark's repository, with data/ and labels/combined_windows.json; get one from https://github.com/numenta/NAB")
    for name, windows in sorted(json.loads(labels.read_text()).items()):
        with (path / "data" / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        times = np.array([row["timestamp"] for row in rows], "datetime64[s]")
        values = np.array([float(row["value"]) for row in rows])
        # A window holds the rows from its first time to its last; where clocks go back in autumn a time comes twice.
        inside = [np.flatnonzero((times >= first) & (times <= last)) for first, last in np.array(windows, "datetime64[s]").reshape(-1, 2)]
        if not all(len(found) for found in inside):
            raise SettingsError(f"{path}: a labelled window of {name} holds no row of it; data/ and labels/ are of different versions")
        yield Series(name, values, tuple((int(found[0]), int(found[-1])) for found in inside))


def scored(series: Series, chance: float) -> Scored:
    """A series through the detector, which sees nothing of what comes later."""
    learn = probation(len(series.values))
    _, surprise = Novelty(chance=chance, learn=learn).walk({}, series.values)
    counted = [window for window in series.windows if window[1] >= learn]
    hits, false = _placed(surprise.alarm, counted, learn)
    return Scored(series.name, raw_score(surprise.alarm, series.windows, STANDARD), len(counted), hits, false)


def _placed(alarms: Bool, windows: list[tuple[int, int]], learn: int) -> tuple[int, int]:
    """Windows with an alarm, and alarms without a window."""
    rows = np.flatnonzero(alarms)
    rows = rows[rows >= learn]
    inside = np.array([(rows >= first) & (rows <= last) for first, last in windows], np.bool_).reshape(len(windows), len(rows))
    return int(inside.any(axis=1).sum()), int((~inside.any(axis=0)).sum())


def total(results: list[Scored]) -> float:
    """Score on the scale of the scoreboard."""
    return normalised(sum(one.raw for one in results), sum(one.windows for one in results))


def table(results: list[Scored]) -> str:
    """A line for each folder of the corpus, then all of them together."""
    lines = ["| series | windows | with an alarm | false alarms |", "|---|---|---|---|"]
    folders = [(folder, list(mine)) for folder, mine in groupby(results, key=lambda one: one.name.partition("/")[0])]
    for name, mine in [*folders, ("all", results)]:
        windows, hit, false = (sum(getattr(one, field) for one in mine) for field in ("windows", "hit", "false"))
        lines.append(f"| {name}, {len(mine)} | {windows} | {hit} | {false} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the corpus once, and tell its score."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection.nab", description=__doc__)
    parser.add_argument("path", type=Path, help="an unpacked copy of the benchmark")
    parser.add_argument("--chance", type=float, default=CHANCE, help="of a false alarm on a value; default: %(default)s")
    parser.add_argument("--series", action="store_true", help="a line for each series, too")
    chosen = parser.parse_args(arguments)
    try:
        results = [scored(series, chosen.chance) for series in corpus(chosen.path)]
    except SettingsError as error:
        parser.error(str(error))
    if chosen.series:
        for one in results:
            print(f"{one.name:60} {one.raw:7.2f}  {one.hit} of {one.windows} windows, {one.false} false alarms")
    print(table(results))
    print(f"score of the standard profile: {total(results):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
