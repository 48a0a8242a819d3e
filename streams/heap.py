"""What a process has freed goes back to the kernel.

glibc keeps it for what comes next, and asks for more where that does not fit between what is still in use: after every closing of a thousand models' panes a
worker would hold some tens of mebibytes more that nobody uses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> bool:
    """Give whole free pages of the C heap back to the kernel, some milliseconds for a gibibyte; returns whether any were.

    Elsewhere than with glibc, whose ``malloc_trim`` this is, it does nothing: other allocators do so by themselves.
    """
    trim = _trim()
    return trim is not None and bool(trim(0))


@cache
def _trim() -> Callable[[int], int] | None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
