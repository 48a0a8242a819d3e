"""How commands that run on write their log; without Faust, which sets up its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"
REPEATED = 30.0
"""Seconds for which Kafka's client says the same thing once; while a broker is away it says so ten times a second."""


def log_to_terminal(level: str) -> None:
    """Write what is told from this level on to standard error; of Kafka's client, warnings, and each of them now and then."""
    logging.basicConfig(level=level, format=FORM)
    logging.getLogger("kafka").setLevel(logging.WARNING)  # it tells of every connection
    for handler in logging.getLogger().handlers:
        handler.addFilter(OnceInAWhile("kafka", seconds=time.monotonic))  # a logger's own filter would not see what those below it say


class OnceInAWhile(logging.Filter):
    """Lets what a library repeats through once in `REPEATED`; all else passes.

    Parameters
    ----------
    name : of the library's logger.
    seconds : the clock.

    Examples
    --------
    >>> now = 0.0
    >>> calm = OnceInAWhile("kafka", seconds=lambda: now)
    >>> lost, ours = (logging.LogRecord(name, logging.ERROR, "", 0, "lost node %s", ("1",), None) for name in ("kafka.net", "streams"))
    >>> [calm.filter(record) for record in (lost, lost, ours, ours)]
    [True, False, True, True]
    >>> now = 31.0
    >>> calm.filter(lost)
    True
    """

    def __init__(self, name: str, *, seconds: Callable[[], float]) -> None:
        super().__init__(name)
        self._seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is told."""
        if not super().filter(record):
            return True
        now, key = self._seconds(), (record.name, str(record.msg))
        if now - self._said.get(key, -REPEATED) < REPEATED:
            return False
        if len(self._said) >= 1_000:  # a few lines come with their figures in them
            self._said.clear()
        self._said[key] = now
        return True
