"""What MLflow's ``python_function`` calls to load a model of Driftwarden: this file travels with the model, and needs no Driftwarden where it is loaded.

Beside it lies the source that trained the model, as a zip file that Python imports from. The artifact is read after its digest was verified.
"""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np


class LoadedModel:
    """A model as ``mlflow.pyfunc`` calls it."""

    def __init__(self, model):  # type: ignore[no-untyped-def]  # types of Driftwarden cannot be named before its source is found
        self.model = model

    def predict(self, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002  the signature is MLflow's
        """(n,) class names or numbers, for a table with a column for each feature."""
        columns = {name: model_input[name].to_numpy() for name in model_input.columns} if hasattr(model_input, "columns") else model_input
        features = {str(name): np.atleast_1d(np.asarray(column)) for name, column in columns.items()}
        return self.model.predict({name: column if column.dtype.kind in "fiub" else column.astype(object) for name, column in features.items()})


def _load_pyfunc(path):  # type: ignore[no-untyped-def]  # called by MLflow, with the path of the folder "data"
    folder = Path(path)
    told = json.loads((folder / "version.json").read_text())
    artifact = (folder / "model.skops").read_bytes()
    found = f"sha256:{hashlib.sha256(artifact).hexdigest()}"
    if found != told["digest"]:
        raise ValueError(f"the model has the digest {found}, but {told['digest']} was registered; it was changed since, and was not loaded. Download it again")
    if importlib.util.find_spec("retrainer") is None:
        sys.path.append(str(folder.parent / "code" / "driftwarden.zip"))
    from retrainer.registry import load_model  # noqa: PLC0415  it is found only now

    return LoadedModel(load_model(artifact))  # type: ignore[no-untyped-call]  # as above
