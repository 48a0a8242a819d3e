"""Training sets as Parquet files: ``ROOT/MODEL/DIGEST.parquet``, named by what they hold, with their lineage inside.

Any tool that reads Parquet reads them. A file is whole or not there, and is never changed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.errors import DriftwardenError, SettingsError
from detectors.rows.examples import Examples
from retrainer.training_set import TrainingSet, digest
from streams.examples_codec import examples_of, table_of

_LINEAGE = b"driftwarden.lineage"
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A training set on disk.

    Attributes
    ----------
    path : the file.
    lineage : what a version says it was trained on, with ``model``, ``cause`` and ``at`` (epoch milliseconds).
    """

    path: Path
    lineage: dict[str, Any]

    @property
    def digest(self) -> str:
        """The one that was announced."""
        return str(self.lineage["digest"])

    def examples(self) -> Examples:
        """Its rows.

        Raises
        ------
        DriftwardenError
            If they are not what was announced.
        """
        try:
            rows = examples_of(str(self.lineage["model"]), pq.read_table(self.path))
        except (OSError, KeyError, ValueError) as error:  # what pyarrow raises are these, too
            why, _, _ = str(error).partition("\n")
            raise DriftwardenError(f"{self.path} cannot be read: {why}. Make it again with: driftwarden datasets rebuild") from error
        found = digest(rows)
        if found != self.digest:
            raise DriftwardenError(
                f"{self.path} holds rows with the digest {found}, but {self.digest} was announced; it was changed. Make it again with: driftwarden datasets rebuild"
            )
        return rows


@dataclass(frozen=True)
class DatasetFiles:
    """A folder of training sets."""

    root: Path

    def keep(self, chosen: TrainingSet, lineage: dict[str, Any]) -> Path:
        """Write a training set, unless it is there."""
        path = self._path(str(lineage["model"]), chosen.digest)
        if not path.exists():
            table = table_of(chosen.examples)
            buffer = io.BytesIO()
            pq.write_table(table.replace_schema_metadata({_LINEAGE: msgspec.json.encode(lineage)}), buffer, compression="zstd")
            _write(path, buffer.getvalue())
        return path

    def find(self, name: str) -> Dataset:
        """The training set whose digest begins so.

        Raises
        ------
        SettingsError
            If there is none, or more than one.
        """
        wanted = name.removeprefix("sha256:")
        found = [dataset for dataset in self if dataset.digest.removeprefix("sha256:").startswith(wanted)]
        if len(found) != 1:
            there = ", ".join(sorted(dataset.digest.removeprefix("sha256:")[:_DIGITS] for dataset in (found or self))) or "none"
            raise SettingsError(f"{'no' if not found else 'more than one'} training set in {self.root} has a digest that begins with {wanted!r}; there are: {there}")
        return found[0]

    def rows_of(self, model: str, trained_on: Mapping[str, Any]) -> Examples | None:
        """The rows that a version of a model was trained on; None where they are not here.

        Raises
        ------
        DriftwardenError
            If they are not what was announced.
        """
        path = self._path(model, str(trained_on["digest"]))
        return Dataset(path=path, lineage={"model": model, "digest": trained_on["digest"]}).examples() if path.exists() else None

    def _path(self, model: str, announced: str) -> Path:
        return self.root / _folder(model) / f"{announced.removeprefix('sha256:')[:_DIGITS]}.parquet"

    def __iter__(self) -> Iterator[Dataset]:
        for path in sorted(self.root.glob("*/*.parquet")):
            try:
                lineage = (pq.read_schema(path).metadata or {}).get(_LINEAGE)
            except (OSError, pa.ArrowInvalid):
                continue  # not one of ours
            if lineage is not None:
                yield Dataset(path=path, lineage=msgspec.json.decode(lineage))


def _folder(model: str) -> str:
    """A model's name as one part of a path."""
    return quote(model, safe="") if model.strip(".") else model.replace(".", "%2E")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
