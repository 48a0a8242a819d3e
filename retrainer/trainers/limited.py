"""Runs a command with limits: ``python limited.py SECONDS MEGABYTES COMMAND ...``. A program of its own, as limits that are set in a process cannot be lifted again."""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Set the limits, and become the command; on Windows, which has none of these, only become it."""
    seconds, megabytes, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  Linux alone has the call

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # else it would train on for a retrainer that was killed, beside the training that is done again
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  Unix alone has it

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.execvp(command[0], command)  # noqa: S606  what the monitor's owner asked for
    except OSError as error:
        sys.exit(f"cannot start {command[0]!r}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
