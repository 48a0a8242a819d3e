"""Registries: where artifacts of versions lie, and which of them is called champion.

What serves is decided by the records of ``models.versions``; an alias is a convenience for people and tools. Nothing is loaded before its digest matches the announced one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, Protocol

from detectors.errors import DriftwardenError, SettingsError
from retrainer.trainers import Model
from retrainer.versions import Version

Alias = Literal["champion", "challenger"]


class RegistryError(DriftwardenError):
    """The registry does not hold what it should."""


class DigestError(RegistryError):
    """An artifact is not the one that was announced. It was not loaded."""


class GoneError(RegistryError):
    """An artifact is not in a registry that can be reached: it will not come by waiting, as of one that is away."""


class Registry(Protocol):
    """Keeps artifacts."""

    def register(self, artifact: bytes, record: Version) -> tuple[str, str]:
        """Store an artifact for a version; gives its uri and digest. Doing it again with the same bytes changes nothing."""

    def fetch(self, uri: str, digest: str) -> Model:
        """The model behind a uri, loaded after its digest was verified; raises as `artifact` does."""

    def artifact(self, uri: str, digest: str) -> bytes:
        """The bytes behind a uri, after their digest was verified; nothing is loaded.

        Raises
        ------
        DigestError
            If its content is not what was announced.
        GoneError
            If it is not there, and the registry shows that it is there itself.
        RegistryError, OSError
            If that cannot be told.
        """

    def source(self, record: Version) -> bytes | None:
        """Driftwarden's own source (a zip file) as it trained a version, None where it was not kept."""

    def note(self, record: Version) -> None:
        """Take down what was announced of a version, of failed trainings and of rejected versions, too. Doing it again changes nothing."""

    def set_alias(self, model: str, alias: Alias, version: str, *, digest: str = "") -> None:
        """Point an alias at a version; the digest of its artifact tells it from others that were stored under its number, and never announced."""

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
        raise DigestError(f"{uri} has the digest {found}, but {announced}. Put back what was registered, or roll the version back")
    return artifact


def registry_at(place: Path | str) -> Registry:
    """The registry that a person names: a folder, or ``mlflow:`` before the address of an MLflow server.

    Examples
    --------
    >>> registry_at("models"), registry_at("mlflow:http://127.0.0.1:5000")
    (FilesRegistry(root=PosixPath('models')), MLflowRegistry('http://127.0.0.1:5000'))

    Raises
    ------
    SettingsError
        If it is neither, or a file.
    """
    from retrainer.registry.files import FilesRegistry  # noqa: PLC0415  it imports this module
    from retrainer.registry.mlflow_registry import MLflowRegistry  # noqa: PLC0415  as above

    scheme, colon, address = str(place).partition(":")
    if colon and scheme == "mlflow":
        if not address.startswith(("http://", "https://")):
            raise SettingsError(f"expected 'mlflow:' before the address of an MLflow server, such as mlflow:http://127.0.0.1:5000, got {str(place)!r}")
        return MLflowRegistry(address)
    if "://" in str(place):
        raise SettingsError(f"a registry is a folder, or 'mlflow:' before the address of an MLflow server, got {str(place)!r}; did you mean mlflow:{place}?")
    if Path(place).exists() and not Path(place).is_dir():
        raise SettingsError(f"the registry {str(place)!r} is a file; expected a folder, or one that can be made")
    return FilesRegistry(Path(place))


def load_model(artifact: bytes) -> Model:
    """The model of a verified artifact."""
    from retrainer.trainers.adaptive_pool import AdaptivePool  # noqa: PLC0415  river and scikit-learn take seconds to import; who only names a registry should not wait
    from retrainer.trainers.online_forest import OnlineForest  # noqa: PLC0415  as above

    for kind in (AdaptivePool, OnlineForest):
        if kind.is_artifact(artifact):
            return kind.from_artifact(artifact)
    from retrainer.skops_artifact import load  # noqa: PLC0415  scikit-learn takes a second to import; who only names a registry should not wait
    from retrainer.trainers.scikit_learn import ScikitLearnModel  # noqa: PLC0415  as above

    return ScikitLearnModel.from_content(load(artifact))
