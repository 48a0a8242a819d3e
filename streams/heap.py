"""What a process has freed goes back to the kernel, and what it asks for comes in small pages.

glibc keeps it for what comes next, and asks for more where that does not fit between what is still in use: after every closing of a thousand models' panes a
worker would hold some tens of mebibytes more that nobody uses.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache


def give_back() -> bool:
    """Give whole free pages of the C heap back to the kernel, some milliseconds for a gibibyte; returns whether any were.

    Elsewhere than with glibc, whose ``malloc_trim`` this is, it does nothing: other allocators do so by themselves.
    """
    trim = _trim()
    return trim is not None and bool(trim(0))


def take_small_pages() -> None:
    """Have numpy, which must not have been imported yet, ask for no huge pages; ``NUMPY_MADVISE_HUGEPAGE=1`` in the environment has it ask.

    They are for arrays that stay. A worker takes megabytes for each fetch, and gives them back: the kernel fills two mebibytes with zeros for the first byte that is written.
    """
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")


@cache
def _trim() -> Callable[[int], int] | None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
