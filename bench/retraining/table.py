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
    accuracy, pool : that a single and an adaptive champion have to reach; None where the baselines tell it.
    """

    stream: str
    delay: int
    task: Task = "classification"
    fits: int | None = None
    accuracy: float | None = None
    pool: float | None = None

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
        """What is not reached, in words; nothing where what it is measured by was not run."""
        told = []
        most = self.fits if self.fits is not None else found[EVERY]["fits"] / 3 if EVERY in found else None
        for kind, wanted in ((SINGLE, self._single(found)), (ADAPTIVE, self._adaptive(found))):
            if kind in found and most is not None and found[kind]["fits"] > most:
                told.append(f"{kind}: {found[kind]['fits']} fits, at most {most:.3g}")
            if kind in found and wanted is not None and not found[kind]["loss"] <= wanted:
                told.append(f"{kind}: {told_loss(wanted, self.task)} wanted")
        return told

    def _single(self, found: dict[str, Any]) -> float | None:
        """Loss that a single champion may have."""
        if self.accuracy is not None:
            return 1 - self.accuracy
        if "static" not in found:
            return None
        static = float(found["static"]["loss"])
        return 0.9 * static if self.task == "regression" else static + _MARGIN

    def _adaptive(self, found: dict[str, Any]) -> float | None:
        """Loss that an adaptive champion may have."""
        if self.pool is not None:
            return 1 - self.pool
        if self.task == "regression":
            return float(found[EVERY]["loss"]) if EVERY in found else None
        return best_baseline(found) + _MARGIN if all(name in found for name in BASELINES) else None


ROWS: Sequence[Row] = (
    Row(stream="electricity", delay=500, fits=60, accuracy=0.735, pool=0.745),
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
