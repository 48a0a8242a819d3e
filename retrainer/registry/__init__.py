"""Registries: where artifacts of versions lie, and which of them is called champion.

What serves is decided by the records of ``models.versions``; an alias is a convenience for people and tools. Nothing is loaded before its digest matches the announced one.
"""

from __future__ import annotations

import hashlib
from typing import Literal, Protocol

from detectors.errors import DriftwardenError
from retrainer.trainers import Model
from retrainer.versions import Version

Alias = Literal["champion", "challenger"]


class RegistryError(DriftwardenError):
    """The registry does not hold what it should."""


class DigestError(RegistryError):
    """An artifact is not the one that was announced. It was not loaded."""


class Registry(Protocol):
    """Keeps artifacts."""

    def register(self, artifact: bytes, record: Version) -> tuple[str, str]:
        """Store an artifact for a version; gives its uri and digest. Doing it again with the same bytes changes nothing."""

    def fetch(self, uri: str, digest: str) -> Model:
        """The model behind a uri, loaded after its digest was verified."""

    def set_alias(self, model: str, alias: Alias, version: str) -> None:
        """Point an alias at a version."""

    def alias(self, model: str, alias: Alias) -> str | None:
        """Version that an alias points at, None where there is none."""


def digest_of(artifact: bytes) -> str:
    """Name of an artifact's content.

    Examples
    --------
    >>> digest_of(b"")[:16]
    'sha256:e3b0c4429'
    """
    return f"sha256:{hashlib.sha256(artifact).hexdigest()}"


def verified(artifact: bytes, digest: str, uri: str) -> bytes:
    """The artifact, if it is the one that was announced.

    Raises
    ------
    DigestError
        If it is another one.
    """
    found = digest_of(artifact)
    if found != digest:
        announced = f"{digest or 'none'} was announced; it was changed after it was registered, and was not loaded"
        raise DigestError(f"{uri} has the digest {found}, but {announced}. Register the version again, or roll it back")
    return artifact


def load_model(artifact: bytes) -> Model:
    """The model of a verified artifact."""
    from retrainer.skops_artifact import load  # noqa: PLC0415  scikit-learn takes a second to import; who only names a registry should not wait
    from retrainer.trainers.scikit_learn import ScikitLearnModel  # noqa: PLC0415  as above

    return ScikitLearnModel.from_content(load(artifact))
