"""The shell around the core: Kafka, Faust, files, the command line. For applications: `Publisher`, `AlertSubscriber`, `ModelWatcher`.

Importing this package imports nothing heavy; each of the three is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.alert_subscriber import AlertSubscriber
    from streams.model_watcher import ModelWatcher
    from streams.publisher import Publisher

__all__ = ["AlertSubscriber", "ModelWatcher", "Publisher"]

_HOMES = {"AlertSubscriber": "streams.alert_subscriber", "ModelWatcher": "streams.model_watcher", "Publisher": "streams.publisher"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'streams' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
