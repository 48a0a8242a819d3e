"""The rows of the bench, and what each has to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

from bench.installation import BenchError
from bench.retraining.baselines import BASELINES
from bench.retraining.streams import FILES, GENERATORS, Change, Stream, generated
from detectors.specification import Task

SINGLE, ADAPTIVE = "single", "adaptive"
EVERY = "every-500"
_MARGIN = 0.01


@dataclass(frozen=True, kw_only=True)
class Row:
    """A stream and a delay of its labels.

    Attributes
    ----------
    delay : in rows.
    fits : trainings at most; None: a third of those of a training every 500 labels.
    accuracy : that a single champion has to reach; None where it is told by the baselines.
    """

    stream: str
    delay: int
    task: Task = "classification"
    fits: int | None = None
    accuracy: float | None = None

    @property
    def name(self) -> str:
        """Of the stream, and the delay."""
        return f"{self.stream}/{self.delay}"

    def read(self, paths: dict[str, Path], rows: int) -> Stream:
        """The row's stream.

        Raises
        ------
        BenchError
            If it comes from a file that was not named, or is not there.
        """
        if self.stream in FILES:
            if self.stream not in paths:
                raise BenchError(f"{self.stream} is read from a file: name it with --data {self.stream}=PATH")
            return FILES[self.stream].read(self.stream, paths[self.stream])
        name, _, change = self.stream.rpartition("-")
        found: dict[str, Change] = {kind: kind for kind in get_args(Change)}
        return generated(name, found[change], rows=rows)

    def missed(self, found: dict[str, Any]) -> list[str]:
        """What the single champion does not reach, in words; nothing where what it is measured by was not run."""
        ours, static = found[SINGLE], found.get("static", found[SINGLE] | {"loss": found[SINGLE]["static"]})
        told = []
        most = self.fits if self.fits is not None else found[EVERY]["fits"] / 3 if EVERY in found else None
        if most is not None and ours["fits"] > most:
            told.append(f"{ours['fits']} fits of {most:.0f}")
        wanted = 0.9 * static["loss"] if self.task == "regression" else 1 - self.accuracy if self.accuracy is not None else static["loss"] + _MARGIN
        if not ours["loss"] <= wanted:
            told.append(f"wanted {told_loss(wanted, self.task)}")
        return told


ROWS: Sequence[Row] = (
    Row(stream="electricity", delay=500, fits=60, accuracy=0.735),
    *(Row(stream=f"{name}-{change}", delay=delay) for name, change, delay in product(GENERATORS, get_args(Change), (0, 1_000))),
    Row(stream="bike_sharing", delay=24, task="regression", fits=40),
)


def told_loss(loss: float, task: Task) -> str:
    """A loss as it is read: accuracy, or the mean absolute error.

    Examples
    --------
    >>> told_loss(0.265, "classification"), told_loss(39.01, "regression")
    ('.735', '39.0')
    """
    return f"{loss:.3g}" if task == "regression" and loss < 1_000 and len(f"{loss:.3g}") > 3 else f"{loss:.1f}" if task == "regression" else f"{1 - loss:.3f}".removeprefix("0")


def best_baseline(found: dict[str, Any]) -> float:
    """Least loss of the five."""
    return min(float(found[name]["loss"]) for name in BASELINES)
