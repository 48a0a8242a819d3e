"""Decisions that no alert asks for: by a schedule, by enough new labels, and members of a pool."""

from __future__ import annotations

import msgspec

from detectors.settings.retraining import Retrain
from retrainer.decide import due
from retrainer.messages import MemberTrained, PoolLearnt
from retrainer.stage import DAY, LONG_AGO, Stage, State
from tests.retrainer.events import MINUTE, WEEK, WEEKLY, decide, labels, opened, refused, trained


def test_a_slot_of_the_schedule_is_trained_once_on_the_newest_rows() -> None:
    serving, said = decide(labels(5, 3 * DAY), retrain=WEEKLY)
    assert (serving.stage, said, due(serving, WEEKLY)) == (Stage.SERVING, [], ((0, WEEK),))
    state, (collect,) = decide(labels(9_000, WEEK + 1), retrain=WEEKLY, state=serving)
    assert (collect.cause, collect.target) == ("schedule-1970-01-08T00:00:00.000Z", 200)
    assert state.cause is not None
    assert (state.cause.since, state.cause.targets) == (None, (200,))
    ended, _ = decide(labels(200, WEEK + 2), trained("2", WEEK, cause=collect.cause), refused("2", WEEK + 3), retrain=WEEKLY, state=state)
    assert due(ended, WEEKLY) == ((0, 2 * WEEK),)
    assert decide(labels(9_000, 2 * WEEK - 1), retrain=WEEKLY, state=ended)[0].stage is Stage.SERVING


def test_a_slot_with_a_training_needs_no_other_and_says_so() -> None:
    ended, _ = decide(labels(5, WEEK - 2), opened(at=WEEK - 1), labels(800, WEEK + 5), trained("2", WEEK), refused("2", WEEK + 9), retrain=WEEKLY)
    state, (said,) = decide(labels(9, WEEK + DAY), retrain=WEEKLY, state=ended)
    assert (state.stage, said.cause, said.reason) == (Stage.SERVING, "schedule-1970-01-08T00:00:00.000Z", "there was a training in this slot of the schedule already")


def test_enough_new_labels_start_a_training_after_the_cooldown() -> None:
    floor = Retrain.model_validate({"new_labels": 5_000, "refresh": [200], "cooldown": "10m"})
    ended, _ = decide(opened(), labels(200), trained("2", 190), refused("2", 900), retrain=floor)
    assert due(ended, floor) == ((5_000, 900 + 10 * MINUTE),)
    assert decide(labels(4_999, DAY), retrain=floor, state=ended)[0].stage is Stage.SERVING
    state, (collect,) = decide(labels(5_000, DAY), retrain=floor, state=ended)
    assert (state.stage, collect.cause) == (Stage.COLLECTING, "labels-1970-01-02T00:00:00.000Z")


POOL = Retrain.model_validate({"champion": "adaptive", "refresh": [200, 800], "cooldown": "0s"})


def joins(state: State, count: int) -> State:
    """A member more, after so many labels without an alert."""
    so_far = state.cadence.labels + count
    began, (collect,) = decide(labels(count, state.quiet_until + 1, so_far=so_far), retrain=POOL, state=state)
    trained_one = MemberTrained(model="churn", at=began.quiet_until + 2, version="1", cause=collect.cause, cut=5, middle=5)
    return decide(labels(count, began.quiet_until + 1, so_far=so_far), trained_one, retrain=POOL, state=began)[0]


MEMBER = MemberTrained(model="churn", at=30, version="1", cause="a1", cut=5, middle=5)


def learnt(cause: str, weight: float) -> PoolLearnt:
    return PoolLearnt(model="churn", at=10, version="1", cause=cause, weight=weight)


def test_the_wait_for_the_next_member_is_short_after_one_that_was_worth_having_and_doubles_after_others() -> None:
    state, waits = State(model="churn", champion="1", quiet_until=0), []
    assert due(state, POOL)[0][0] == 4_000, "no pool serves"
    state, said = decide(learnt("first", 0.4), retrain=POOL, state=state)
    assert (said, due(state, POOL)[0][0]) == ([], 500)
    for weight in (0.5, 0.61, 0.3, 0.3):
        state = joins(state, due(state, POOL)[0][0])
        state, _ = decide(learnt(state.cadence.member, weight), retrain=POOL, state=state)
        waits.append(due(state, POOL)[0][0])
    assert waits == [4_000, 500, 500, 1_000]
    assert (state.cadence.labels, state.cadence.taken) == (5_500, 2_000), "the one after 5,000, which a proof earned, takes up none"


def test_what_a_member_was_worth_is_said_once_and_not_of_those_that_an_alert_asked_for() -> None:
    state = joins(State(model="churn", champion="1", quiet_until=0), 4_000)
    assert decide(learnt("a1", 0.9), retrain=POOL, state=state)[1] == []
    proved, (said,) = decide(learnt(state.cadence.member, 0.7), retrain=POOL, state=state)
    assert said.reason.endswith("has 70% of the weight, and 60% are enough: the next one joins after 500 labelled events, not 4000")
    assert decide(learnt(state.cadence.member, 0.8), retrain=POOL, state=proved)[1] == []
    fixed = Retrain.model_validate({"champion": "adaptive", "new_labels": 900})
    assert decide(learnt(state.cadence.member, 0.7), retrain=fixed, state=state)[1] == []


def test_the_members_of_an_alert_are_followed_by_one_of_what_came_after_them_at_once_if_need_be_within_the_cooldown() -> None:
    slow = Retrain.model_validate({"champion": "adaptive", "refresh": [600]})
    joined = MemberTrained(model="churn", at=310, version="1", cause="a1", cut=305, middle=300)
    state, _ = decide(opened(), labels(600, 300), joined, retrain=slow, state=State(model="churn", champion="1"))
    assert state.quiet_until > 320
    assert due(state, slow) == ((1_000, LONG_AGO),)
    assert decide(learnt("a1", 0.9), retrain=slow, state=state)[1] == [], "it needs no proof"
    began, _ = decide(labels(1_000, 320), retrain=slow, state=state)
    assert began.cause is not None
    assert (began.cause.since, began.cause.clock, began.cause.targets) == (306, "outcome", (600,))
    after, _ = decide(labels(1_000, 320), msgspec.structs.replace(joined, cause=began.cause.cause, at=330), retrain=slow, state=began)
    assert due(after, slow) == ((4_000, LONG_AGO),)
    proved, _ = decide(learnt(began.cause.cause, 0.7), retrain=slow, state=after)
    assert due(proved, slow) == ((3_000, LONG_AGO),)


def test_a_member_that_joined_just_before_an_alert_puts_off_the_one_after_it_and_not_the_alerts_own() -> None:
    state, _ = decide(learnt("first", 0.4), retrain=POOL, state=State(model="churn", champion="1", quiet_until=0))
    state = joins(joins(state, 500), 4_000)
    twice = Retrain.model_validate({"champion": "adaptive", "refresh": [600, 1_800], "cooldown": "0s"})
    own = [labels(600, 20, so_far=4_900), MEMBER, labels(1_800, 30, so_far=6_100), MEMBER]
    answered, _ = decide(opened(at=10, change_at=9), *own, retrain=twice, state=state)
    assert due(answered, twice)[0][0] == 1_400, "the three trainings since 4,500 labels take up those until 9,000, and all but the last those until 7,500"
    alone, _ = decide(opened(at=10, change_at=9), *own, retrain=twice, state=State(model="churn", champion="1"))
    assert due(alone, twice)[0][0] == 1_000
