"""What a fetch took is there for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ROUNDS = """
import resource, sys
from streams.freed_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def rounds(count):
    for _ in range(count):
        fetch = bytearray(4_000_000)
        values = [bytes(fetch[place : place + 3_000]) for place in range(0, len(fetch), 3_000)]
rounds(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
rounds(10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept: str) -> int:
    return int(subprocess.run([sys.executable, "-c", ROUNDS, kept], check=True, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep freed memory")
def test_memory_that_was_freed_is_not_asked_of_the_kernel_again() -> None:
    assert faults("kept") < 1_000 < faults("not kept")
