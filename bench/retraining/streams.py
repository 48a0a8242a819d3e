"""Streams that change: those of river's generators, and those of files that are named on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from river.datasets import synth

from bench.installation import BenchError
from detectors.event_batch import Column
from detectors.specification import Task
from streams.tables import Table, read_table

LABEL = "label"
KNOWN = 0.2
"""Share of a stream that the first champion is trained on; the rest is predicted."""

Change = Literal["abrupt", "gradual"]
_Drawn = Iterator[tuple[dict[str, Any], Any]]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A stream in its order.

    Attributes
    ----------
    table : features, and the label's column, which is called ``label``.
    """

    name: str
    task: Task
    table: Table

    def __len__(self) -> int:
        return len(self.table)

    @property
    def known(self) -> int:
        """Rows that the first champion is trained on."""
        return int(KNOWN * len(self))

    def part(self, rows: slice) -> Table:
        """Some of its rows, as a table of their own."""
        return Table(source=self.name, columns={name: column[rows] for name, column in self.table.columns.items()})


@dataclass(frozen=True, kw_only=True)
class FileStream:
    """How a public data set is read; the file itself is never ours.

    Attributes
    ----------
    label, leave_out : columns of the file; what is left out would tell the label.
    """

    task: Task
    label: str
    leave_out: tuple[str, ...] = ()

    def read(self, name: str, path: Path) -> Stream:
        """The stream of a file.

        Raises
        ------
        BenchError
            If there is none, or it is another one.
        """
        if not path.is_file():
            raise BenchError(f"{name}: there is no {path}")
        table = read_table(path)
        if self.label not in table.columns:
            raise BenchError(f"{name}: {path.name} has no column {self.label!r}; it has: {', '.join(table.columns)}")
        columns = {column: values for column, values in table.columns.items() if column not in {*self.leave_out, self.label}}
        return Stream(name=name, task=self.task, table=Table(source=name, columns=columns | {LABEL: table.columns[self.label]}))


FILES = {
    "electricity": FileStream(task="classification", label="class"),
    "bike_sharing": FileStream(task="regression", label="cnt", leave_out=("instant", "dteday", "casual", "registered")),
}
"""Harries 1999, New South Wales electricity market; Fanaee-T & Gama 2013, Capital Bikeshare by the hour (UCI 275)."""

GENERATORS: dict[str, Callable[[int, int], Iterable[tuple[dict[str, Any], Any]]]] = {
    "sea": lambda concept, seed: synth.SEA(variant=3 * concept, seed=seed + concept, noise=0.1),
    "agrawal": lambda concept, seed: synth.Agrawal(classification_function=2 * concept, seed=seed + concept),
    "random-rbf": lambda concept, seed: synth.RandomRBF(seed_model=seed + 10 * concept, seed_sample=seed + concept, n_classes=4, n_features=10, n_centroids=20),
    "hyperplane": lambda concept, seed: synth.Hyperplane(seed=seed + concept, n_features=10, n_drift_features=0, noise_percentage=0.05),
    "led": lambda concept, seed: _led(concept, seed),  # noqa: PLW0108  it is defined below
}
"""A stream of each concept, 0 before the change and 1 after it, by its seed."""


def _led(concept: int, seed: int) -> Iterable[tuple[dict[str, Any], Any]]:
    """Seven segments of a digit among 17 lights that say nothing; after the change they sit elsewhere."""
    if concept:
        return synth.LEDDrift(seed=seed + concept, noise_percentage=0.1, irrelevant_features=True, n_drift_features=7)
    return synth.LED(seed=seed, noise_percentage=0.1, irrelevant_features=True)


def generated(name: str, change: Change, *, rows: int, seed: int = 1) -> Stream:
    """A stream of a generator that changes in the middle of what is predicted.

    Parameters
    ----------
    change : at once, or over a fifth of the stream, in which rows of the new concept become more and more frequent.
    rows : in all.

    Examples
    --------
    >>> stream = generated("sea", "abrupt", rows=50)
    >>> len(stream), stream.known, list(stream.table.columns)
    (50, 10, ['x0', 'x1', 'x2', 'label'])
    """
    middle = int((KNOWN + (1 - KNOWN) / 2) * rows)
    before, after = (iter(GENERATORS[name](concept, seed)) for concept in (0, 1))
    drawn = list(_abrupt(before, after, middle, rows) if change == "abrupt" else _gradual(before, after, middle, rows, np.random.default_rng(seed)))
    names = list(drawn[0][0])
    columns: dict[str, Column] = {f"x{place}": _column([x[column] for x, _ in drawn]) for place, column in enumerate(names)}
    return Stream(name=f"{name}-{change}", task="classification", table=Table(source=name, columns=columns | {LABEL: np.array([str(int(y)) for _, y in drawn], object)}))


def _abrupt(before: _Drawn, after: _Drawn, middle: int, rows: int) -> _Drawn:
    return chain(islice(before, middle), islice(after, rows - middle))


def _gradual(before: _Drawn, after: _Drawn, middle: int, rows: int, rng: np.random.Generator) -> _Drawn:
    """A sigmoid of a fifth of the rows, as in the streams of MOA and river."""
    share = 1 / (1 + np.exp(-4 * (np.arange(rows) - middle) / (rows / 5)))
    return (next(after if new else before) for new in rng.random(rows) < share)


def _column(values: list[Any]) -> Column:
    return np.array([str(value) for value in values], object) if isinstance(values[0], str) else np.array(values, np.float64)
