"""Numbers, times and spans as a reader of the report wants them."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from decimal import Decimal

from detectors.duration import format_duration
from detectors.rfc3339 import format_time, parse_time

_ON_THE_WIRE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def number(value: object, *, signed: bool = False) -> str:
    """Three significant digits, thousands separated as far as anybody reads them; an undefined number is a dash.

    Examples
    --------
    >>> number(0.012345), number(-0.5, signed=True), number(1234567), number(1e40), number(float("nan")), number(None)
    ('0.0123', '-0.5', '1,234,567', '1e+40', '–', '–')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    sign = "+" if signed else ""
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer of more digits than a float knows
        return f"{Decimal(value):{sign}.2e}"
    if not finite:
        return "–" if math.isnan(value) else "∞" if value > 0 else "-∞"
    is_read_whole = abs(value) < 1e15 and (abs(value) >= 1_000 or value == int(value))
    return f"{value:{sign},.0f}" if is_read_whole else f"{value:{sign}.3g}"


def share(value: float) -> str:
    """A share as a percentage.

    Examples
    --------
    >>> share(0.8134), share(0.0004), share(0.0)
    ('81.3 %', '0.04 %', '0 %')
    """
    return "–" if not math.isfinite(value) else f"{number(round(100 * value, 1 if abs(value) >= 0.01 else 3))} %"


def as_argument(name: str) -> str:
    """One argument of a shell's command. A name comes from records that others wrote: pasted, it must stay a name.

    Examples
    --------
    >>> as_argument("loans@3"), as_argument("my loans@3"), as_argument("-f@3")
    ('loans@3', "'my loans@3'", '-- -f@3')
    """
    return ("-- " if name.startswith("-") else "") + shlex.quote(name)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How times read: as UTC, or, where the table had no time column, as row numbers (a row is a second since epoch 0)."""

    event_times: bool = True

    def moment(self, time: int) -> str:
        """A time.

        Examples
        --------
        >>> Clock().moment(1_700_000_000_000), Clock(event_times=False).moment(1_500_000)
        ('2023-11-14 22:13:20 UTC', 'row 1,500')
        """
        return f"{format_time(time)[:19].replace('T', ' ')} UTC" if self.event_times else f"row {round(time / 1_000):,}"

    def span(self, milliseconds: int) -> str:
        """A duration, rounded to two units' precision.

        Examples
        --------
        >>> Clock().span(5_430_000), Clock().span(400), Clock(event_times=False).span(90_000)
        ('90m', '0.4s', '90 rows')
        """
        if not self.event_times:
            return f"{round(milliseconds / 1_000):,} rows"
        for unit in (86_400_000, 3_600_000, 60_000, 1_000):
            if milliseconds >= 3 * unit:
                return format_duration(round(milliseconds / unit) * unit)
        return f"{milliseconds / 1_000:g}s"

    def axis(self, time: int) -> float | int:
        """Place on a chart's axis: epoch milliseconds, or the row."""
        return time if self.event_times else time / 1_000

    def told(self, sentence: str) -> str:
        """A sentence from a record; where times are rows, the times in it are turned into them.

        Examples
        --------
        >>> Clock(event_times=False).told("since about 1970-01-01T00:20:00.000Z")
        'since about row 1,200'
        """
        return sentence if self.event_times else _ON_THE_WIRE.sub(lambda match: self.moment(parse_time(match[0])), sentence)
