"""The live page of a demonstration, for as long as somebody wants to look at it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from detectors.errors import DriftwardenError
from streams.broker import free_port
from streams.demo.processes import Processes

NAME = "ui"


class OpenPage:
    """The page of a broker's topics, in a process of its own; see `open_page`.

    Attributes
    ----------
    address : for a browser on this machine.
    """

    def __init__(self, processes: Processes, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/"
        self._processes = processes

    def stay(self) -> None:
        """Wait until somebody presses Ctrl-C.

        Raises
        ------
        DriftwardenError
            If the page ends by itself, with the end of its log.
        """
        with suppress(KeyboardInterrupt):
            while not self._processes.ended():
                time.sleep(0.2)
            raise DriftwardenError(f"the page ended with exit code {self._processes.ended()[NAME]}; its log ends:\n{self._processes.log_tail(NAME)}")


@contextmanager
def open_page(folder: Path, bootstrap: str, console: Console) -> Iterator[OpenPage]:
    """A page that follows the topics of a broker, and its address on the console; it ends with the block.

    Parameters
    ----------
    folder : for its log.
    bootstrap : of the broker.
    """
    processes, port = Processes(folder, {"DRIFTWARDEN_BOOTSTRAP": bootstrap}), free_port()
    page = OpenPage(processes, port)
    processes.start(NAME, "streams.cli", "ui", "--port", str(port))
    console.print(f"the page: {page.address}", highlight=False, soft_wrap=True)
    try:
        yield page
    finally:
        processes.stop()
