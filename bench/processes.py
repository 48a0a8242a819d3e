"""What a process has used: CPU seconds and memory."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

MEBIBYTE = 2**20


def cpu_seconds(pid: int | None = None) -> float:
    """User and system time of all threads of a process so far; default: this one."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident_mebibytes(pid: int | None = None) -> float:
    """Memory that a process holds now."""
    return float(psutil.Process(pid).memory_info().rss / MEBIBYTE)


class Stopwatch:
    """CPU seconds of this process between its start and now."""

    def __init__(self) -> None:
        gc.collect()
        self._began = time.process_time()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.process_time() - self._began


def in_a_fresh_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function that runs in a process of its own, where nothing else holds memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the garbage collector's pauses, for what is measured in microseconds."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
