"""A registry in a directory: one folder a version, one small file an alias; every write is whole or not there."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from retrainer.provenance import digest_of_source, source_archive
from retrainer.registry import Alias, GoneError, RegistryError, digest_of, load_model, verified
from retrainer.trainers import Model
from retrainer.versions import Version

_SCHEME = "files:"
_OURS = ("*/aliases/*", "*/versions/*/*/*", "source/*.zip")
"""What a registry has written, as paths under its root."""


@dataclass(frozen=True)
class FilesRegistry:
    """Artifacts as ``ROOT/MODEL/versions/VERSION/DIGEST/model.skops`` beside the version's record, aliases as ``ROOT/MODEL/aliases/ALIAS``.

    A uri names the file relative to the root (``files:churn/versions/7/1f0c9a3b52de/model.skops``), so that the directory can be mounted elsewhere.
    The source of Driftwarden that trained a version is kept once for all that share it, as ``ROOT/source/DIGEST.zip``.
    What was announced never changes: another content of the same version, left by a retrainer that died before it could announce it, lies beside it.
    """

    root: Path

    def register(self, artifact: bytes, record: Version) -> tuple[str, str]:
        """Store an artifact and its record."""
        digest = digest_of(artifact)
        name = f"{_part(record.model)}/versions/{_part(record.version)}/{digest.removeprefix('sha256:')[:12]}/model.skops"
        path, uri = self.root / name, _SCHEME + name
        _write(path, artifact)
        _write(path.with_name("version.json"), msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(record, uri=uri, digest=digest)), indent=2))
        source = self._source_path(record)
        if source is not None and not source.exists() and record.provenance["code"] == digest_of_source():
            _write(source, source_archive())
        return uri, digest

    def fetch(self, uri: str, digest: str) -> Model:
        """The model behind a uri.

        Raises
        ------
        GoneError
            If there is no such file under a root that holds others.
        RegistryError
            If there is no such file, and the root may be a folder that nothing is mounted on.
        DigestError
            If its content is not what was announced; nothing of it was loaded.
        """
        return load_model(self.artifact(uri, digest))

    def artifact(self, uri: str, digest: str) -> bytes:
        """The bytes behind a uri, verified; raises as `fetch` does."""
        path = (self.root / uri.removeprefix(_SCHEME)).resolve()
        if not uri.startswith(_SCHEME) or not path.is_relative_to(self.root.resolve()):
            raise RegistryError(f"there is no {uri!r} in the registry {self.root}; a uri reads 'files:MODEL/versions/VERSION/DIGEST/model.skops'")
        if not path.is_file():
            if self._has_lost(path):
                raise GoneError(f"there is no {uri!r} in the registry {self.root}, which holds other files. Put it back where it was deleted, or have another version serve")
            raise RegistryError(f"there is no {uri!r} in the registry {self.root}; is that the folder, and is it mounted?")
        return verified(path.read_bytes(), digest, uri)

    def source(self, record: Version) -> bytes | None:
        """Driftwarden's own source as it trained a version."""
        path = self._source_path(record)
        return path.read_bytes() if path is not None and path.exists() else None

    def note(self, record: Version) -> None:
        """Nothing to do: the topic of versions is the account, and there is no page here that people look at."""

    def set_alias(self, model: str, alias: Alias, version: str, *, digest: str = "") -> None:  # noqa: ARG002  the alias is the number; which artifact it has is said by the topic
        """Point an alias at a version; readers see the old or the new one, never a part."""
        _write(self.root / _part(model) / "aliases" / alias, version.encode())

    def alias(self, model: str, alias: Alias) -> str | None:
        """Version that an alias points at, None where there is none."""
        path = self.root / _part(model) / "aliases" / alias
        return path.read_text() if path.exists() else None

    def _has_lost(self, path: Path) -> bool:
        """Whether a file is not there while the registry is: it is looked for between two looks at the registry, as that may be mounted, or taken away, meanwhile."""
        there = self._holds_any()
        try:
            path.stat()
        except FileNotFoundError:
            return there and self._holds_any()
        return False

    def _holds_any(self) -> bool:
        """Whether anything that a registry has written is there; a folder that its volume is not mounted on is empty, or none."""
        return any(True for pattern in _OURS for _ in self.root.glob(pattern))

    def _source_path(self, record: Version) -> Path | None:
        code = record.provenance.get("code", "")
        return self.root / "source" / f"{_part(code.removeprefix('sha256:'))}.zip" if code else None


def _part(name: str) -> str:
    """A name as one part of a path.

    Examples
    --------
    >>> _part("loans/eu"), _part("..")
    ('loans%2Feu', '%2E%2E')
    """
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


def _write(path: Path, content: bytes) -> None:
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # a service under another user reads it
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_names(path.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_names(folder.parent)


def _sync_names(folder: Path) -> None:
    """Bring the names in a folder to disk: a file whose name is lost with the power is lost, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
