"""Waiting for what another process or thread does: looked at often, given up late."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 150.0
"""Seconds; nothing takes a twentieth of it on an idle machine, and what takes longer will not happen."""


def eventually(told: Callable[[], object], what: str = "what was waited for") -> None:
    """Return as soon as ``told()`` is true; an ``AssertionError`` that names ``what`` where it stays false."""
    until = time.monotonic() + PATIENCE
    while not told():
        assert time.monotonic() < until, f"{what} did not happen in {PATIENCE:.0f} s"
        time.sleep(0.05)
