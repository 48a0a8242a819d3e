"""What runs until it is told to stop, beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.waiting import PATIENCE


@contextmanager
def running_beside(run: Callable[[], None], stopping: threading.Event) -> Iterator[None]:
    """``run`` in a thread for as long as the block lasts; what it raises is raised at the end of the block."""
    raised: list[Exception] = []

    def told() -> None:
        try:
            run()
        except Exception as error:  # told by the test's thread
            raised.append(error)

    thread = threading.Thread(target=told)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        if raised:
            raise raised[0]
