"""A registry that may be away for a while: who uses it waits for it, instead of losing a training."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from retrainer.registry import Alias, DigestError, GoneError, Registry, RegistryError
from retrainer.trainers import Model
from retrainer.versions import Version

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 900.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0

_Answer = TypeVar("_Answer")


class PatientRegistry:
    """Asks again, in growing intervals, while a registry cannot be reached.

    Parameters
    ----------
    registry : asked.
    stopping : ends the waiting, with the registry's error.
    patience : seconds after which its error is raised, and the process ends for its supervisor to start it again.
    """

    def __init__(self, registry: Registry, stopping: threading.Event, *, patience: float = PATIENCE_SECONDS) -> None:
        self._registry, self._stopping, self._patience = registry, stopping, patience

    def register(self, artifact: bytes, record: Version) -> tuple[str, str]:
        """Store an artifact for a version."""
        return self._ask(f"register version {record.version} of '{record.model}'", lambda: self._registry.register(artifact, record))

    def fetch(self, uri: str, digest: str) -> Model:
        """The model behind a uri."""
        return self._ask(f"fetch {uri}", lambda: self._registry.fetch(uri, digest))

    def artifact(self, uri: str, digest: str) -> bytes:
        """The bytes behind a uri."""
        return self._ask(f"fetch {uri}", lambda: self._registry.artifact(uri, digest))

    def source(self, record: Version) -> bytes | None:
        """Driftwarden's own source as it trained a version."""
        return self._ask(f"fetch the source of version {record.version} of '{record.model}'", lambda: self._registry.source(record))

    def note(self, record: Version) -> None:
        """Take down what was announced of a version."""
        self._ask(f"note version {record.version} of '{record.model}'", lambda: self._registry.note(record))

    def set_alias(self, model: str, alias: Alias, version: str, *, digest: str = "") -> None:
        """Point an alias at a version."""
        self._ask(f"call version {version} of '{model}' {alias}", lambda: self._registry.set_alias(model, alias, version, digest=digest))

    def alias(self, model: str, alias: Alias) -> str | None:
        """Version that an alias points at."""
        return self._ask(f"look up the {alias} of '{model}'", lambda: self._registry.alias(model, alias))

    def _ask(self, what: str, question: Callable[[], _Answer]) -> _Answer:
        deadline, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            try:
                return question()
            except (DigestError, GoneError):
                raise  # it answers, and what it holds is wrong, or not there
            except (OSError, RegistryError) as error:
                if time.monotonic() + pause > deadline:
                    raise
                logger.warning("the registry could not %s, asking again in %g s: %s: %s", what, pause, type(error).__name__, error)
                if self._stopping.wait(pause):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)
