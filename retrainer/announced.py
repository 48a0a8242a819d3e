"""What has been announced of a model: the records of its versions, and the models behind them, each fetched once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from retrainer.registry import Alias, Registry
from retrainer.trainers import Model
from retrainer.versions import Version, VersionStatus, champion


class Announced:
    """The versions of one model, and what is added to them.

    Parameters
    ----------
    model : name of the model.
    registry : keeps the artifacts. Its errors are raised, as nothing may be announced without it.
    """

    def __init__(self, model: str, registry: Registry) -> None:
        self.model = model
        self.records: list[Version] = []
        self._known: set[tuple[object, ...]] = set()
        self._registry = registry
        self._models: dict[str, Model] = {}
        self._failed: dict[str, Version] = {}

    @property
    def champion(self) -> Version | None:
        """The version in service; None before the first promotion."""
        return champion(self.records)

    def take(self, record: Version) -> bool:
        """Take a record that was announced; False where it tells of what is known, as our own do when they are read back."""
        if _event(record) in self._known:
            return False
        self._add(record)
        return True

    def of(self, version: str) -> Sequence[Version]:
        """All records of a version, in their order."""
        return [record for record in self.records if record.version == version]

    def registered(self, version: str) -> Version:
        """First record of a version: with its artifact, or of a training that failed."""
        return next((record for record in self.records if record.version == version), None) or self._failed[version]

    def with_artifact(self, version: str) -> Version | None:
        """Last record of a version that names an artifact; None where it was never registered with us."""
        return next((record for record in reversed(self.records) if record.version == version and record.uri), None)

    def model_of(self, version: str) -> Model | None:
        """A version's model, as it was registered first; None where it never was."""
        if version not in self._models:
            record = next((record for record in self.records if record.version == version and record.uri), None)
            if record is None:
                return None
            self._models[version] = self.fetch(record)
        return self._models[version]

    def keep(self, version: str, model: Model) -> None:
        """Have a version's model at hand."""
        self._models[version] = model

    def forget(self, version: str) -> None:
        """A version's model is not needed any more."""
        self._models.pop(version, None)

    def fetch(self, record: Version) -> Model:
        """The model of a record, from the registry."""
        return self._registry.fetch(record.uri, record.digest)

    def register(self, artifact: bytes, draft: Version) -> Version:
        """The record with its artifact in the registry."""
        uri, digest = self._registry.register(artifact, draft)
        record = msgspec.structs.replace(draft, uri=uri, digest=digest)
        self._add(record)
        return record

    def failed(self, draft: Version) -> None:
        """A training failed: there is no artifact, and its record will be that of its rejection."""
        self._failed[draft.version] = draft

    def tell(self, version: str, status: VersionStatus, at: int, gate: dict[str, Any], *, share: float | None = None) -> Version:
        """The next record of a version that was registered, or whose training failed; ``share`` is that of a canary."""
        failed = self._failed.pop(version, None)  # announced now for the first time, so its record is to say which target of the cause it was for
        record = msgspec.structs.replace(failed or self.registered(version), status=status, at=at, share=share, gate=gate if failed is None else failed.gate | gate)
        self._add(record)
        return record

    def roll_back(self, version: str, at: int, gate: dict[str, Any]) -> Version:
        """Take out what serves, or serves a share, in its latest revision; the retrainer never promotes it again."""
        record = msgspec.structs.replace(self.of(version)[-1], status="rolled_back", at=at, by="retrainer", share=None, gate=gate)
        self._add(record)
        return record

    def call(self, alias: Alias, version: str) -> None:
        """Let an alias in the registry name a version."""
        named = self.with_artifact(version)
        self._registry.set_alias(self.model, alias, version, digest=named.digest if named is not None else "")

    def _add(self, record: Version) -> None:
        self.records.append(record)
        self._known.add(_event(record))


def _event(record: Version) -> tuple[object, ...]:
    """What records of the same event have in common; a version may be promoted again after it was rolled back."""
    return record.version, record.status, record.revision, record.at, record.by
