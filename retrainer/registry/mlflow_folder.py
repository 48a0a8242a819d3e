"""A version as the folder that MLflow calls a model: ``mlflow.pyfunc.load_model`` loads it wherever scikit-learn and skops are, without Driftwarden."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import yaml

from retrainer.provenance import source_archive
from retrainer.registry import load_model
from retrainer.versions import Version

LOADER = "mlflow_loader"
NEEDED = ("joblib", "msgspec", "numpy", "pydantic", "river", "scikit-learn", "scipy", "skops", "threadpoolctl", "xxhash")
"""Packages that loading a model and predicting with it may import; a version's own numbers are asked for."""


def write_folder(folder: Path, artifact: bytes, record: Version, *, source: bytes | None = None) -> None:
    """Write ``MLmodel``, the requirements, the artifact and the source into an empty folder.

    Parameters
    ----------
    artifact : of a model that was just trained, or whose digest was verified: it is loaded, to say what columns it takes.
    record : with uri and digest; its provenance names the packages.
    source : the code that the model is loaded with; default: ours.
    """
    (folder / "data").mkdir(parents=True)
    (folder / "code").mkdir()
    (folder / "data" / "model.skops").write_bytes(artifact)
    (folder / "data" / "version.json").write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    (folder / "code" / f"{LOADER}.py").write_bytes(resources.files("retrainer.registry").joinpath(f"{LOADER}.py").read_bytes())
    (folder / "code" / "driftwarden.zip").write_bytes(source or source_archive())
    packages = record.provenance.get("packages", {})
    (folder / "requirements.txt").write_text("".join(f"{name}=={packages[name]}\n" if name in packages else f"{name}\n" for name in NEEDED))
    (folder / "MLmodel").write_text(yaml.safe_dump(_described(artifact, record), sort_keys=False))


def _described(artifact: bytes, record: Version) -> dict[str, Any]:
    flavor: dict[str, Any] = {"loader_module": LOADER, "code": "code", "data": "data"}
    if "python" in record.provenance:
        flavor["python_version"] = record.provenance["python"]
    content: dict[str, Any] = {"flavors": {"python_function": flavor}}
    levels = getattr(load_model(artifact), "levels", None)
    if levels:
        # A number is declared as "any": MLflow refuses whole numbers for "double", and the model takes both.
        columns = [{"type": "any" if known is None else "string", "name": name, "required": False} for name, known in levels.items()]
        content["signature"] = {"inputs": msgspec.json.encode(columns).decode()}
    content["metadata"] = {"driftwarden": {"model": record.model, "version": record.version, "digest": record.digest}}
    return content
