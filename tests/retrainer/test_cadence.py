"""How soon a pool gets members that nobody asked for: cases of a stream's life, and what holds in any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.settings.retraining import Retrain
from retrainer.cadence import AFTER, LATE, PACE, Cadence, asked, floor, is_after_alert, joined, trained, weighed

POOL = Retrain(champion="adaptive")

Alert = tuple[int, int, int]
"""Labels before an alert is opened, and before the two members that it asks for."""


@dataclass(frozen=True)
class Joined:
    """A member, the labels before it, and why it was trained: "asked" by an alert, "after" those that one asked for, "earned" by a proof, or "late" without any."""

    labels: int
    why: str


def life(alerts: Sequence[Alert], *, until: int, proved: Collection[int] = ()) -> list[Joined]:
    """Members that a pool gets whose alerts follow each other, and whose members of these places were worth having."""
    cadence, labels, members = weighed(Cadence(), "first", 0.4), 0, list[Joined]()
    coming = list(alerts)
    while True:
        wait = floor(cadence, POOL)
        assert wait is not None
        if coming and coming[0][0] <= labels + wait:
            _, *due = coming.pop(0)
            why = "asked"
        else:
            due, why = [labels + wait], "earned" if cadence.proved else "after" if is_after_alert(cadence) else "late"
        for labels in due:
            if labels > until:
                return members
            cadence = trained(cadence, labels, earned=why == "earned")
            cadence = (asked if why == "asked" else joined)(cadence, f"m{len(members)}")
            cadence = weighed(cadence, cadence.member, 0.7 if len(members) in proved else 0.3)
            members.append(Joined(labels, why))


@pytest.mark.parametrize(
    ("alert", "joins"),
    [
        ([], [500, 4_500, 8_500]),
        ([(4_200, 4_600, 5_800)], [500, 4_600, 5_800, 6_800]),
        ([(900, 1_100, 2_300)], [500, 1_100, 2_300, 3_500, 7_500]),
        ([(4_700, 5_100, 5_880)], [500, 4_500, 5_100, 5_880, 7_500]),
    ],
    ids=["no alert", "an alert", "an alert at the beginning", "an alert just after a member that nobody asked for"],
)
def test_the_member_after_an_alerts_own_waits_until_the_labels_of_all_trainings_but_the_last_are_over(alert: list[Alert], joins: list[int]) -> None:
    assert [one.labels for one in life(alert, until=9_000)] == joins


def test_what_a_proof_earned_takes_up_no_labels() -> None:
    found = life([(5_100, 5_700, 6_900)], until=8_000, proved=range(9))
    assert [(one.labels, one.why) for one in found[1:10]] == [(labels, "earned") for labels in range(1_000, 5_500, 500)]
    assert [(one.labels, one.why) for one in found[10:]] == [(5_700, "asked"), (6_900, "asked"), (7_900, "after")]


def in_turn(waits: list[tuple[int, int, int]]) -> list[Alert]:
    """Alerts of which each begins after the last member of the one before."""
    ends, found = 0, list[Alert]()
    for opened, first, second in waits:
        found.append((ends + opened, ends + opened + first, ends + opened + first + second))
        ends = found[-1][-1]
    return found


LIVES = st.builds(
    lambda waits, proved: life(in_turn(waits), until=30_000, proved=proved),
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 600), st.integers(1, 1_200)), max_size=12),
    st.sets(st.integers(0, 60), max_size=20),
)


@given(LIVES)
def test_the_member_after_an_alerts_own_keeps_the_pace_whatever_was_trained_before(members: list[Joined]) -> None:
    counted = [one for one in members if one.why != "earned"]
    for place, one in enumerate(counted):
        for start, other in enumerate(counted[:place]):
            labels = one.labels - other.labels
            assert one.why != "after" or labels >= LATE or (place - start - 1) * PACE <= labels


@given(st.integers(2_000, 4_500), st.integers(500, 1_200))
def test_the_member_after_an_alerts_own_is_as_soon_as_ever_where_the_last_one_before_the_alert_is_long_ago(first: int, between: int) -> None:
    *_, own, after = life([(first, first, first + between)], until=first + between + AFTER)
    assert (own.why, after.why, after.labels - own.labels) == ("asked", "after", AFTER)


@given(LIVES)
def test_no_pool_waits_longer_than_the_latest_for_its_next_member(members: list[Joined]) -> None:
    waits = [one.labels - before.labels for before, one in pairwise(members) if one.why != "asked"]
    assert max(waits, default=0) <= LATE
