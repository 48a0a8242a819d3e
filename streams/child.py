"""Child processes that do not outlive the process that started them, even if that one is killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

# prctl(PR_SET_PDEATHSIG, SIGTERM), then the program itself takes the process over, under the same pid.
_DIE_WITH_PARENT = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """The command, to be ended when the thread that started it ends; elsewhere than on Linux, as it is."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, *command]
