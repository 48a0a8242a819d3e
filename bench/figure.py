"""What a row of the bench is, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Sense = Literal["at least", "at most"]


class CheckFailedError(AssertionError):
    """What was timed gave wrong numbers, so its speed means nothing."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of a row is run.

    ``factor`` scales the numbers of events (1.0 is what the targets speak of, less is for trying things); ``repeats`` is how often the timed part runs.
    """

    factor: float = 1.0
    repeats: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1 or self.repeats < 1:
            raise ValueError(f"factor must be > 0 and <= 1 and repeats >= 1, got {self.factor} and {self.repeats}; the targets are stated for 1 and 3")

    def of(self, events: int, *, multiple: int = 1) -> int:
        """So many events at this factor, at least one multiple.

        Examples
        --------
        >>> Size(factor=0.1).of(1_000_000), Size(factor=0.001).of(5_000, multiple=1_000)
        (100000, 1000)
        """
        return max(round(events * self.factor) // multiple, 1) * multiple


@dataclass(frozen=True, kw_only=True)
class Found:
    """Figures of one row, in the order in which they were measured; the row is judged by their median, or by the worst where a maximum was asked for."""

    figures: tuple[float, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figure(self) -> float:
        """The median."""
        return median(self.figures)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name : what it is asked for by.
    what : the work, in words.
    unit : of the figure.
    run : does the work, checks what came out, returns the figures.
    sense, target : what must be reached; a yardstick, which other rows are seen beside, has no target.
    """

    name: str
    what: str
    unit: str
    run: Callable[[Size], Found]
    sense: Sense = "at least"
    target: float | None = None

    @property
    def wanted(self) -> str:
        """What must be reached, in words.

        Examples
        --------
        >>> Row(name="wait", what="waiting", unit="s", run=lambda size: Found(figures=(2.0,))).wanted
        'a yardstick, s'
        """
        return f"a yardstick, {self.unit}" if self.target is None else f"{self.sense} {self.target:,g} {self.unit}"

    def holds(self, figure: float) -> bool:
        """Whether a figure reaches the target; nan never does, and what has no target always holds.

        Examples
        --------
        >>> row = Row(name="wait", what="waiting", sense="at most", target=3.0, unit="s", run=lambda size: Found(figures=(2.0,)))
        >>> row.holds(2.0), row.holds(3.5), row.holds(float("nan"))
        (True, False, False)
        """
        if self.target is None:
            return True
        return figure >= self.target if self.sense == "at least" else figure <= self.target


def expect(what: str, got: Any, expected: Any) -> None:
    """Stop the bench where a result is wrong.

    Raises
    ------
    CheckFailedError
        With what was got and what was expected.
    """
    if got != expected:
        raise CheckFailedError(f"{what}: got {got}, expected {expected}; the time that it took means nothing")


def spread(figures: Iterable[float]) -> str:
    """Smallest and largest, for people."""
    sorted_figures = sorted(figures)
    return f"{readable(sorted_figures[0])} to {readable(sorted_figures[-1])}"


def readable(figure: float) -> str:
    """A figure with three significant digits and thousands set apart.

    Examples
    --------
    >>> readable(151_234.0), readable(4.5678), readable(0.01234)
    ('151,000', '4.57', '0.0123')
    """
    if figure != figure:  # noqa: PLR0124  nan
        return "undefined"
    return f"{float(f'{figure:.3g}'):,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
