"""A member whose group goes on without it ends, and one whose broker is away waits."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, RebalanceInProgressError

from detectors.errors import DriftwardenError
from streams.group_commits import GroupCommits


class Group:
    """Answers commits with what it is told to."""

    def __init__(self) -> None:
        self.answer: KafkaError | None = None
        self.time = 0.0
        self.places: dict[str, int] = {}

    def commit(self, places: dict[str, int]) -> None:
        if self.answer is not None:
            raise self.answer
        self.places |= places

    def committed_at(self, commits: GroupCommits, time: float) -> bool:
        self.time = time
        return commits.commit(self, {"a": 1})


def test_a_rebalance_that_ends_in_time_is_waited_for() -> None:
    group = Group()
    commits = GroupCommits("sink", patience=1, clock=lambda: group.time)
    group.answer = RebalanceInProgressError()
    assert [group.committed_at(commits, time) for time in (0, 0.5, 1)] == [False] * 3
    group.answer = None
    assert group.committed_at(commits, 1.01)
    assert group.places == {"a": 1}
    group.answer = RebalanceInProgressError()
    assert not group.committed_at(commits, 5)  # another rebalance has its own time


def test_a_rebalance_without_an_end_ends_the_process_with_nothing_acknowledged() -> None:
    group = Group()
    commits = GroupCommits("sink", patience=1, clock=lambda: group.time)
    group.answer = RebalanceInProgressError()
    assert [group.committed_at(commits, time) for time in (0, 0.9)] == [False] * 2
    with pytest.raises(DriftwardenError, match=r"sink: its group has refused commits for 1 s \(RebalanceInProgressError\); .* start the process anew"):
        group.committed_at(commits, 1.01)
    assert group.places == {}


def test_refusals_that_lie_far_apart_are_two_rebalances_and_not_a_long_one() -> None:
    group = Group()
    commits = GroupCommits("sink", patience=1, clock=lambda: group.time)
    group.answer = RebalanceInProgressError()
    assert [group.committed_at(commits, time) for time in (0, 7_200)] == [False] * 2


def test_a_broker_that_is_away_is_waited_for_however_long_it_takes() -> None:
    group = Group()
    commits = GroupCommits("sink", patience=1, clock=lambda: group.time)
    group.answer = KafkaTimeoutError()
    assert [group.committed_at(commits, time) for time in (0, 10, 100)] == [False] * 3
