"""What a process has freed goes back to the kernel, and a worker asks for no huge pages."""

import os
import subprocess
import sys

import psutil
import pytest

from streams.heap import give_back

PROGRAM = """
import sys
from streams.cli import main
sys.argv = ["driftwarden", *sys.argv[1:]]
try:
    main()
except SystemExit:
    from numpy._core.multiarray import _get_madvise_hugepage
    print(_get_madvise_hugepage())
"""


def test_what_was_freed_below_something_that_is_still_used_goes_back_to_the_kernel():
    blocks = [bytes([number % 256]) * 2_000 for number in range(20_000)]
    last = blocks.pop()
    blocks.clear()
    before = psutil.Process().memory_info().rss
    assert give_back()
    assert psutil.Process().memory_info().rss < before - 20_000_000
    assert len(last) == 2_000


@pytest.mark.parametrize(("command", "environment", "asks"), [("worker", {}, "False"), ("worker", {"NUMPY_MADVISE_HUGEPAGE": "1"}, "True"), ("check", {}, "True")])
def test_the_arrays_of_a_worker_are_in_small_pages_unless_its_environment_says_otherwise(command: str, environment: dict[str, str], asks: str):
    inherited = {name: value for name, value in os.environ.items() if name != "NUMPY_MADVISE_HUGEPAGE"}
    told = subprocess.run([sys.executable, "-c", PROGRAM, command, "--help"], env=inherited | environment, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == asks
