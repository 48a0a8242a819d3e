"""A version as a folder that becomes a container: model, code, exact packages, Dockerfile, and a server that answers as MLflow's and SageMaker's do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from detectors.errors import SettingsError
from retrainer.provenance import provenance
from retrainer.registry.mlflow_folder import NEEDED, write_folder
from retrainer.versions import Version

SERVER = "waitress==3.0.2"
"""The WSGI server of a package, the version that the tests ran with; it needs nothing else, and is not needed where a package is made."""

PORT = 8080
"""Where SageMaker expects a container to listen."""

_DOCKERFILE = """\
# {name}: docker build -t {tag} . && docker run --rm -p {port}:{port} {tag}
FROM python:{python}-slim

WORKDIR /opt/model
COPY requirements.txt ./
RUN pip install --no-cache-dir --no-deps --requirement requirements.txt \\
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin model
COPY serve.py ./
COPY model ./model

ENV HOST=0.0.0.0 PORT={port} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE {port}
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \\
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/ping', timeout=4)"]
ENTRYPOINT ["python", "serve.py"]
"""


def write_package(folder: Path, artifact: bytes, record: Version, *, source: bytes | None = None) -> None:
    """Write the folder.

    Parameters
    ----------
    folder : is made; it must be empty or not there.
    artifact : verified.
    record : of the version, with uri and digest.
    source : Driftwarden's code as it trained the version; default: ours.

    Raises
    ------
    SettingsError
        If the folder holds something, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; pass a folder, which is made")
    if folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} is not empty; pass another folder, or empty it: what is in it would be packed, too")
    folder.mkdir(parents=True, exist_ok=True)
    write_folder(folder / "model", artifact, record, source=source)
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in locked(record)))
    (folder / "serve.py").write_bytes(resources.files("streams.packaging").joinpath("serve.py").read_bytes())
    python = record.provenance.get("python", provenance()["python"])
    tag = re.sub(r"[^a-z0-9]+", "-", record.model.lower()).strip("-") or "model"
    said = {"name": f"Version {record.version} of '{_one_line(record.model)}'", "tag": f"{tag}:{_tag(record.version)}", "python": python, "port": PORT}
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(**said))
    (folder / ".dockerignore").write_text("**/__pycache__\n")


def locked(record: Version) -> list[str]:
    """Every package that serving needs, and what those need: in the version that the training ran with, or, where that is not recorded, in ours."""
    recorded = record.provenance.get("packages", {})
    ours = provenance()["packages"]
    known = ours | recorded
    return sorted([SERVER, *(f"{name}=={known[name]}" for name in _closure(NEEDED) if name in known)])


def _closure(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    todo = [str(canonicalize_name(name)) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        try:
            asked = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            continue
        todo += [str(canonicalize_name(one.name)) for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tag(version: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", version)
