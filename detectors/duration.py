"""Durations as people write them: ``10s``, ``5m``, ``2h``, ``30d``.

Inside Driftwarden a time and a duration are integers of milliseconds; the text form exists in files and on the command line only.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_duration(text: str | int) -> int:
    """Milliseconds of a duration such as ``10s``; an integer is taken as milliseconds already.

    Raises
    ------
    ValueError
        If the text is not a number followed by one of ms, s, m, h, d.

    Examples
    --------
    >>> parse_duration("5m")
    300000
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"a duration is a number and a unit (ms, s, m, h, d) such as 10s or 5m; got {text!r}")
    return round(float(match[1]) * _UNITS[match[2]])


def format_duration(milliseconds: int) -> str:
    """The shortest exact text of a duration.

    Examples
    --------
    >>> format_duration(300_000), format_duration(90_000)
    ('5m', '90s')
    """
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _UNITS[unit] == 0:
            return f"{milliseconds // _UNITS[unit]}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


Duration = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(format_duration, when_used="json")]
"""An integer of milliseconds that reads and writes itself as ``10s``."""
