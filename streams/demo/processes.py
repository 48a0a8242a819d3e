"""The processes of the demonstration: workers, retrainer and inference service, each with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from streams.child import dying_with_parent

STOPS_WITHIN = 20  # seconds


class Processes:
    """Starts programs of this installation, and ends what is left of them.

    Parameters
    ----------
    folder : for their logs.
    environment : put over this process's own.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start ``python -m ...`` under a name; its output goes to NAME.log."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  our own programs
                dying_with_parent([sys.executable, "-m", *arguments]), env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """``kill -9``: no chance to finish anything."""
        process = self._running[name]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def ended(self) -> dict[str, int]:
        """Programs that have ended by themselves, and their exit codes."""
        return {name: code for name, process in self._running.items() if (code := process.poll()) is not None}

    def stop(self) -> None:
        """Ask all to stop, and end those that do not."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_tail(self, name: str, lines: int = 8) -> str:
        """The end of a program's output."""
        return "\n".join((self._folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
