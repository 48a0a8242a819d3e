"""What online members that hold arrays alone have in common: how rows and labels are coded, copies, and artifacts without a pickle.

They learn row by row, so that the same rows give the same bytes however they were batched, and forget: a row counts half as much after `HALF_LIFE` rows more. That is what
lets them follow a change that nobody told them of. No library has them in this form: those of scikit-learn forget nothing, those of river take a dictionary for each row.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64, Int64
from detectors.specification import Task
from retrainer.trainers.row_coding import RowCoding

HALF_LIFE = 500
"""Rows after which one counts half as much: a quarter of the usual window. Half or twice of it changes the accuracy on streams that drift by a point at most, either way."""

FADES = 0.5 ** (1 / HALF_LIFE)
"""What a row counts for when one more has come."""

_KIND = b"driftwarden online 1\n"


@dataclass(kw_only=True)
class OnlineArrays(ABC):
    """An online member.

    Attributes
    ----------
    coding : of its rows.
    task : "classification" or "regression".
    classes : in the order in which they came; none for a regression.
    """

    name: ClassVar[str]

    coding: RowCoding
    task: Task
    classes: list[str] = field(default_factory=list)

    @classmethod
    def fresh(cls, features: dict[str, Column], task: Task) -> Self:
        """One that has learnt nothing, for rows such as these."""
        return cls(coding=RowCoding.of(features), task=task)

    def learn(self, features: dict[str, Column], label: Column) -> None:
        """Learn from labelled rows, in their order."""
        if self.task == "regression":
            self._learn(self.coding.matrix(features), np.asarray(label, np.float64))
            return
        names = class_names(label)
        self.classes += [name for name in dict.fromkeys(names.tolist()) if name not in self.classes]
        place = {name: code for code, name in enumerate(self.classes)}
        self._learn(self.coding.matrix(features), np.array([place[name] for name in names.tolist()], np.int64))

    def probabilities(self, features: dict[str, Column], classes: tuple[str, ...]) -> Float64:
        """(n, k) probability of each of some classes; rows of zeros while nothing was learnt."""
        told = self._told(self.coding.matrix(features))
        found = np.zeros((len(told), len(classes)))
        for place, name in enumerate(classes):
            if name in self.classes:
                found[:, place] = told[:, self.classes.index(name)]
        return found

    def predict(self, features: dict[str, Column]) -> Column:
        """(n,) class names or numbers; None or 0 while nothing was learnt."""
        told = self._told(self.coding.matrix(features))
        if self.task == "regression":
            return np.asarray(told[:, 0])
        return np.array(self.classes, object)[told.argmax(axis=1)] if self.classes else np.full(len(told), None, object)

    def frozen(self) -> tuple[Self, bytes]:
        """The member as it is now, which will learn nothing more, and its artifact."""
        artifact = self.artifact()
        return self.from_artifact(artifact), artifact

    def artifact(self) -> bytes:
        """Coding and arrays."""
        told = {"task": self.task, "classes": self.classes, "coding": self.coding.told()}
        content = io.BytesIO()
        np.savez_compressed(content, **self._arrays())  # type: ignore[arg-type]  # arrays by their names, as its documentation says
        return _KIND + json.dumps(told).encode() + b"\n" + content.getvalue()

    @classmethod
    def from_artifact(cls, artifact: bytes) -> Self:
        """The member of an artifact whose digest was checked."""
        head, _, content = artifact.removeprefix(_KIND).partition(b"\n")
        told = json.loads(head)
        made = cls(coding=RowCoding.from_told(told["coding"]), task=told["task"], classes=told["classes"])
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            made._restore({name: arrays[name] for name in arrays.files})
        return made

    @abstractmethod
    def _learn(self, matrix: Float64, target: Float64 | Int64) -> None:
        """Learn from coded rows, one after the other; ``target`` holds numbers, or places among the classes."""

    @abstractmethod
    def _told(self, matrix: Float64) -> Float64:
        """(n, k) probabilities of the classes, or with k = 1 numbers, of coded rows."""

    @abstractmethod
    def _arrays(self) -> dict[str, Float64]:
        """All that was learnt."""

    @abstractmethod
    def _restore(self, arrays: dict[str, Float64]) -> None:
        """Take up what `_arrays` told."""


def product(matrix: Float64, weights: Float64) -> Float64:
    """(n, k) products of rows with (p, k) weights, column by column: unlike those of a library, their last bits do not depend on how many rows are asked for at once.

    Examples
    --------
    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    found = np.zeros((len(matrix), weights.shape[1]))
    for column, weight in zip(matrix.T, weights, strict=True):
        found += column[:, None] * weight
    return found


def grown(array: Float64, rows: int) -> Float64:
    """An array with zeros for classes that came later."""
    return array if len(array) >= rows else np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]))])
