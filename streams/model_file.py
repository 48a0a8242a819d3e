"""A model in a file of its own: an artifact such as ``model.skops`` of a registry's folder, or a fitted estimator of scikit-learn. It is read as carefully as from the registry."""

from __future__ import annotations

import math
import pickle
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec

from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from retrainer.registry import load_model, verified
from retrainer.skops_artifact import EstimatorError, load_estimator
from retrainer.trainers import Model
from retrainer.trainers.scikit_learn import of_numbers
from retrainer.versions import Version
from streams.unreadable import UNREADABLE

_NO_MODEL = (BadZipFile, zlib.error, pickle.UnpicklingError, EOFError, AttributeError, KeyError, TypeError, ValueError)
"""What the readers of artifacts raise for a file that is none, or holds what may not be built."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What a file holds.

    Attributes
    ----------
    content : an artifact, as a registry keeps it.
    record : of the version that it is an artifact of, where that lies beside it, as in a registry's folder.
    """

    content: bytes
    model: Model
    record: Version | None


def read_model(path: Path, specification: MonitorSpecification | None = None) -> ModelFile:
    """The model of a file.

    Parameters
    ----------
    specification : of an estimator that was not trained by Driftwarden: it says the task, and which columns there are. Without one, artifacts alone are read.

    Raises
    ------
    SettingsError
        If there is no such file, or no model in it.
    DigestError
        If the artifact is not the one that its record tells of; nothing of it was loaded.
    """
    try:
        content, beside = path.read_bytes(), path.with_name("version.json")
        record = _record(beside.read_bytes()) if beside.is_file() else None
    except (OSError, *UNREADABLE) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    if record is not None:
        verified(content, record.digest, str(path))
    try:
        return ModelFile(content=content, model=load_model(content), record=record)
    except EstimatorError as error:
        if specification is None:
            raise SettingsError(f"{path} is no artifact of Driftwarden: {error}") from error
    except _NO_MODEL as error:
        raise SettingsError(
            f"{path} is no model: expected an artifact such as model.skops, or an estimator of scikit-learn by skops.io.dump ({type(error).__name__}: {error})"
        ) from error
    try:
        model = of_numbers(load_estimator(content), specification)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{path} cannot be a model of '{specification.model}': {error}") from error
    return ModelFile(content=model.artifact(), model=model, record=None)


def _record(content: bytes) -> Version:
    """A record as a registry's folder keeps it; a metric that is not defined is null there."""
    told = msgspec.json.decode(content, type=dict[str, Any])
    metrics = told.get("metrics", {})
    return msgspec.convert(told | {"metrics": {name: math.nan if value is None else value for name, value in metrics.items()}}, Version)
