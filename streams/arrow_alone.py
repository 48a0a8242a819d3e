"""Arrow without pandas, in a process that makes no data frames."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow


class _Hidden:
    """Finds no pandas, whether or not it is installed."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """What Python's import system asks for each module that is not there yet."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden while pyarrow looks for it", name=name)


def without_pandas() -> None:
    """Let pyarrow find no pandas: to tell a data frame's column from others it imports it with its first array, whatever that is made of.

    That is 35 MiB of a process in which nobody uses it. Whoever imports pandas later has it, and pyarrow makes and reads data frames as ever.
    """
    sys.meta_path.insert(0, _Hidden)
    try:
        pyarrow.array([""])
    finally:
        sys.meta_path.remove(_Hidden)
