"""What waits for a receiver, and when which of it goes out: grouping, rate limit, digest. Time is an argument, epoch milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from streams.notify.notice import Notice
from streams.notify.rate_limit import TokenBucket
from streams.notify.values import Rate

Grouping = Literal["one", "incident", "all"]
"""How notices become messages: each by itself, those of an incident together, or all that wait together."""

BEFORE_ALL = -1
"""Offset of a notice that stands for what lies before the place where reading began: until it is delivered, no place of its partition is settled."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one message tells.

    Attributes
    ----------
    notices : of one incident, or whatever goes out together.
    held_back : those that the rate limit kept waiting, which are told in a line each.
    event : ``told``; ``acknowledged`` says that somebody has acknowledged the alert of its notice; ``again`` repeats what is open.
    """

    notices: tuple[Notice, ...]
    held_back: tuple[Notice, ...] = ()
    event: Literal["told", "acknowledged", "again"] = "told"


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    notice: Notice
    partition: Hashable
    offset: int
    since: int


@dataclass(kw_only=True)
class Desk:
    """What waits for one receiver.

    Parameters
    ----------
    grouping : how notices become messages.
    group_wait : milliseconds for which those of an incident are gathered.
    rate : most messages.
    max_waiting : notices from which on the desk is full, and nothing more is to be read.
    now : time at which it is set up.
    """

    grouping: Grouping
    group_wait: int
    rate: Rate
    max_waiting: int
    now: int
    _waiting: list[_Waiting] = field(default_factory=list)
    _under_way: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bucket = TokenBucket(self.rate, now=self.now)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read."""
        return len(self) >= self.max_waiting

    def add(self, notice: Notice, *, partition: Hashable, offset: int, now: int) -> None:
        """Take a notice that is to be delivered before its place counts as read."""
        self._waiting.append(_Waiting(notice=notice, partition=partition, offset=offset, since=now))

    def due(self, now: int) -> Batch | None:
        """What is to go out now, if anything; to be answered by `settle` before the next is asked for."""
        if self._under_way:
            raise RuntimeError("a message is under way; settle it first")
        groups = self._ripe(now)
        if not groups:
            return None
        allowed = self._bucket.whole(now)
        if not self._bucket.take(now):
            return None
        first, *others = groups
        # The last message that may go out tells of everything that would have to wait for the next.
        later = [one for group in others for one in group] if self.grouping == "incident" and allowed == 1 else []
        self._under_way = [*first, *later]
        taken = {id(one) for one in self._under_way}
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        return Batch(notices=_last_of_each(first), held_back=_last_of_each(later))

    def settle(self) -> None:
        """What was under way is delivered, or finally refused."""
        self._under_way = []

    def held(self, now: int) -> int:
        """Notices whose time has come, and that the rate keeps waiting."""
        return 0 if self._bucket.whole(now) else sum(map(len, self._ripe(now)))

    def drop(self, partition: Hashable) -> None:
        """Somebody else delivers what is of this partition; what is under way goes out all the same."""
        self._waiting = [one for one in self._waiting if one.partition != partition]
        self._under_way = [one for one in self._under_way if one.partition != partition]

    def discard(self, is_over: Callable[[Notice], bool]) -> None:
        """Leave out what people need not be told any more; what is under way goes out all the same."""
        self._waiting = [one for one in self._waiting if not is_over(one.notice)]

    def first_unsettled(self, partition: Hashable) -> int | None:
        """Smallest offset of a partition that is not settled; None where all that was added is."""
        return min((one.offset for one in (*self._waiting, *self._under_way) if one.partition == partition), default=None)

    def _ripe(self, now: int) -> list[list[_Waiting]]:
        """Groups whose time has come, the oldest first."""
        if self.grouping == "all":
            return [self._waiting] if self._waiting else []
        if self.grouping == "one":
            return [[one] for one in self._waiting]
        groups: dict[str, list[_Waiting]] = {}
        for one in self._waiting:
            groups.setdefault(one.notice.incident, []).append(one)
        return [group for group in groups.values() if now - group[0].since >= self.group_wait]


def _last_of_each(waiting: Iterable[_Waiting]) -> tuple[Notice, ...]:
    """The newest notice of each alert, or other name: who is told late needs to know how things stand."""
    last: dict[str, Notice] = {}
    for one in waiting:
        notice = one.notice
        key = notice.alert_id or notice.name
        before = last.get(key)
        if before is not None and notice.status == "updated" and before.status != "resolved":
            notice = msgspec.structs.replace(notice, status=before.status)  # it opened and grew before anybody was told
        last[key] = notice
    return tuple(last.values())
