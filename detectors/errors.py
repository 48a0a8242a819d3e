"""Whose fault it is decides what happens.

`EventError`: the sender's; the record goes to the dead letter topic and the next one is read. `SettingsError`: the operator's; the program
refuses to start. Anything else is ours, or a dependency's: the worker stops with nothing declared.
"""

from __future__ import annotations


class DriftwardenError(Exception):
    """Base of the errors that Driftwarden raises on purpose."""


class SettingsError(DriftwardenError):
    """A setting, a specification or an input file that cannot be worked with; the message says what was got, what was expected, and what to do."""


class EventError(DriftwardenError):
    """An event that cannot be counted.

    Parameters
    ----------
    reason : short and stable, so that dead letters can be counted by it: ``not JSON``, ``timestamp is missing``.
    path : where in the event, such as ``features.salary``; "" for the whole of it.

    Examples
    --------
    >>> print(EventError("expected a number, got text", path="features.salary"))
    features.salary: expected a number, got text
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def __reduce__(self) -> tuple[type[EventError], tuple[str, str]]:
        return type(self), (self.reason, self.path)
