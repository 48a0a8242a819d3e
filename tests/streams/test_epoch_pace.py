"""Epochs are seldom while a partition is behind, and never withheld from one that keeps up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.epoch_pace import EpochPace


def turns(reads: list[int], behind: list[int], **more: bool) -> list[bool]:
    """Whether an epoch was due at turns a second apart, by what was read before each and what was left of the log then."""
    pace, position, due = EpochPace(longest=5.0, began=0.0, position=0), 0, []
    for turn, (read, left) in enumerate(zip(reads, behind, strict=True), start=1):
        position += read
        due.append(pace.is_due(now=float(turn), position=position, log_end=position + left, **more))
    return due


def test_a_partition_that_keeps_up_has_an_epoch_at_every_turn():
    assert turns([100, 100, 0, 100], [0, 40, 0, 100]) == [True] * 4


def test_a_partition_that_is_behind_has_one_at_every_fifth():
    assert [number for number, due in enumerate(turns([100] * 12, [1_000] * 12), start=1) if due] == [5, 10]


def test_a_partition_that_gets_nothing_of_a_log_that_goes_on_is_behind():
    assert turns([0] * 5, [1] * 5) == [False, False, False, False, True]


def test_a_backlog_ends_with_an_epoch_at_the_first_turn_that_sees_its_end():
    assert turns([100, 100, 100], [200, 100, 0]) == [False, True, True]


def test_what_was_read_in_great_amounts_is_not_kept_waiting():
    assert turns([100] * 3, [1_000] * 3, full=True) == [True] * 3


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 5_000)), min_size=5, max_size=40))
def test_no_epoch_is_longer_than_was_allowed(history):
    due = turns(*map(list, zip(*history, strict=True)))
    assert all(any(due[first : first + 5]) for first in range(len(due) - 4))
