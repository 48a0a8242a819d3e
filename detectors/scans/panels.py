"""Which banks walk side by side: those of one model, and those of all models whose panes close together."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from detectors.detector import State
from detectors.scans.panel import Panel, Way
from detectors.verdict import Verdicts

if TYPE_CHECKING:
    from detectors.scans.window_bank import WindowBank

_NUMBERS_AT_ONCE = 1 << 13  # sums of all panes; their windows are some ten times that, and more would not fit the processor's caches
_WALKINGS_AT_ONCE = 16  # each holds its panes, uncompressed
_PANELS = 256

Asked = tuple["WindowBank", Way]
Walked = tuple[State, Verdicts]
Result = TypeVar("Result")

Walking = Generator[Sequence[Asked], Sequence[Walked], Result]
"""What comes to points where banks have to walk, says which, and goes on with what they found."""


class Panels:
    """Finds out which banks can walk side by side, and remembers their panels."""

    def __init__(self) -> None:
        self._known: dict[tuple[WindowBank, ...], Panel] = {}

    def walk(self, asked: Sequence[Asked]) -> list[Walked]:
        """The same as if each bank walked its way alone."""
        alike: dict[object, list[int]] = {}
        for place, (bank, way) in enumerate(asked):
            alike.setdefault(place if bank.learning(way.state) else _what_is_shared(bank, way), []).append(place)
        found: dict[int, Walked] = {}
        for places in alike.values():
            for some in _portions(asked, places):
                panel = self._panel(tuple(asked[place][0] for place in some))
                found |= zip(some, panel.walk([asked[place][1] for place in some]), strict=True)
        return [found[place] for place in range(len(asked))]

    def walk_together(self, walkings: Iterable[Walking[object]]) -> None:
        """Lead all of them to their ends, some at a time: when each has asked or is at its end, banks walk for all that asked."""
        left = iter(walkings)
        while some := list(itertools.islice(_asking(left), _WALKINGS_AT_ONCE)):
            while some:
                found = iter(self.walk([one for _, asked in some for one in asked]))
                gone_on = [(walking, _next(walking, [next(found) for _ in asked])) for walking, asked in some]
                some = [(walking, asked) for walking, asked in gone_on if asked is not None]

    def _panel(self, banks: tuple[WindowBank, ...]) -> Panel:
        if banks not in self._known:
            if len(self._known) >= _PANELS:  # models come and go, and so do those that have the same panes
                self._known.clear()
            self._known[banks] = Panel(banks)
        return self._known[banks]


def _what_is_shared(bank: WindowBank, way: Way) -> object:
    """What banks must have in common to be put side by side."""
    settings = bank.bank.pane, bank.bank.resolve_after
    return *settings, tuple(way.starts), tuple(way.state["sizes"]), way.state["starts"].tobytes(), bank.seen(way.sums).tobytes()


def _portions(asked: Sequence[Asked], places: Sequence[int]) -> Iterator[list[int]]:
    """As many of them at once as is good."""
    some: list[int] = []
    numbers = 0
    for place in places:
        size = asked[place][1].sums.size
        if some and numbers + size > _NUMBERS_AT_ONCE:
            yield some
            some, numbers = [], 0
        some.append(place)
        numbers += size
    yield some


def _asking(walkings: Iterable[Walking[object]]) -> Iterator[tuple[Walking[object], Sequence[Asked]]]:
    """Those that ask for something, with what it is; the others go to their ends."""
    for walking in walkings:
        asked = _next(walking, None)
        if asked is not None:
            yield walking, asked


def _next(walking: Walking[object], found: Sequence[Walked] | None) -> Sequence[Asked] | None:
    """What it asks for next; None at its end."""
    try:
        return next(walking) if found is None else walking.send(found)
    except StopIteration:
        return None
