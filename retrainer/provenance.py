"""Where a version comes from besides its rows: the code, the interpreter and the packages that its training ran with.

What a version carries of it is enough to make the same environment again, and to say what differs where a training gives another model.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import platform
import shlex
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

PACKAGES = ("detectors", "retrainer")
"""What a model needs to be loaded, and a training to be repeated."""

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip file can say


def provenance(trainer: str = "scikit-learn") -> dict[str, Any]:
    """What is recorded with every version.

    Parameters
    ----------
    trainer : as in the specification; of a ``module:function`` the module's digest is recorded, too, of a ``command: ...`` that of the files that it names.

    Returns
    -------
    ``driftwarden`` and ``code`` (version and digest of our own source), ``python``, ``platform``, ``packages`` (name to version) and ``environment``, the digest of the last three.

    Examples
    --------
    >>> told = provenance()
    >>> sorted(told), told["code"] == digest_of_source(), "numpy" in told["packages"]
    (['code', 'driftwarden', 'environment', 'packages', 'platform', 'python'], True, True)
    """
    told = dict(_of_this_process())
    module, colon, rest = trainer.partition(":")
    if colon:
        told["trainer_code"] = _digest_of_files(_named_files(rest) if module == "command" else _file_of_module(module))
    return told


def requirements(told: dict[str, Any]) -> str:
    r"""The packages of a version as lines of a requirements file, exact versions.

    Examples
    --------
    >>> requirements({"packages": {"numpy": "2.4.6", "driftwarden": "0.1.0", "scipy": "1.17.1"}})
    'numpy==2.4.6\nscipy==1.17.1\n'
    """
    return "".join(f"{name}=={number}\n" for name, number in sorted(told.get("packages", {}).items()) if name != "driftwarden")


@lru_cache(maxsize=1)
def source_archive() -> bytes:
    """Our own source as a zip file that Python imports from; the same source always gives the same bytes (0.4 MB)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in _source():
            entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


@lru_cache(maxsize=1)
def digest_of_source() -> str:
    """Name of our own source: "sha256:" and 64 hexadecimal digits over the files' names and contents."""
    content = hashlib.sha256()
    for name, source in _source():
        content.update(f"{name}\0{len(source)}\0".encode() + source)
    return f"sha256:{content.hexdigest()}"


def _source() -> list[tuple[str, bytes]]:
    return sorted(file for package in PACKAGES for file in _files(files(package), package))


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    """Of a folder, or of a zip file that Python imports from."""
    for entry in folder.iterdir():
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _files(entry, path)
        elif entry.name.endswith((".py", ".json", ".npz")):
            yield path, entry.read_bytes()


@lru_cache(maxsize=1)
def _of_this_process() -> dict[str, Any]:
    packages = {str(one.name).lower().replace("_", "-"): one.version for one in distributions() if one.name}
    runs_on = {"python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}", "packages": dict(sorted(packages.items()))}
    environment = hashlib.sha256(msgspec.json.encode(runs_on, order="deterministic")).hexdigest()
    try:
        ours = version("driftwarden")
    except PackageNotFoundError:  # it runs from its source alone
        ours = ""
    return {"driftwarden": ours, "code": digest_of_source(), **runs_on, "environment": f"sha256:{environment}"}


def _named_files(command: str) -> list[Path]:
    return [Path(word) for word in shlex.split(command) if Path(word).is_file()]


def _file_of_module(module: str) -> list[Path]:
    try:
        found = importlib.util.find_spec(module)
    except (Exception, SystemExit):  # the package around it is imported, and may raise whatever it likes
        found = None
    return [Path(found.origin)] if found is not None and found.origin is not None and Path(found.origin).is_file() else []


def _digest_of_files(paths: list[Path]) -> str:
    """Empty where no file is known."""
    content = hashlib.sha256(b"".join(path.read_bytes() for path in paths))
    return f"sha256:{content.hexdigest()}" if paths else ""
