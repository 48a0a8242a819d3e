"""What a process has freed goes back to the kernel."""

import psutil

from streams.heap import give_back


def test_what_was_freed_below_something_that_is_still_used_goes_back_to_the_kernel():
    blocks = [bytes([number % 256]) * 2_000 for number in range(20_000)]
    last = blocks.pop()
    blocks.clear()
    before = psutil.Process().memory_info().rss
    assert give_back()
    assert psutil.Process().memory_info().rss < before - 20_000_000
    assert len(last) == 2_000
