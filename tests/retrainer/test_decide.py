"""Decisions: a list of events in, a list of instructions out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from detectors.settings.retraining import Retrain
from retrainer.decide import TABLE, DecisionError, due, picture, step
from retrainer.messages import (
    AlertOpened,
    AlertResolved,
    AlertUpdated,
    CandidateTrained,
    ChampionChanged,
    Event,
    GatePassed,
    GateRefused,
    LabelsArrived,
    MemberTrained,
    PoolLearnt,
    RetrainRequested,
    TrainingFailed,
)
from retrainer.stage import DAY, LONG_AGO, Stage, State, restore
from retrainer.versions import Version

MINUTE = 60_000
RETRAIN = Retrain.model_validate({"refresh": [200, 800], "earlier": False, "cooldown": "10m"})
BOTH = Retrain.model_validate({"refresh": [200, 600, 1_800], "cooldown": "10m"})


def opened(alert_id: str = "a1", *, at: int = 100, change_at: int = 50, kind: str = "performance") -> AlertOpened:
    return AlertOpened(model="churn", at=at, alert_id=alert_id, kind=kind, change_at=change_at)


def labels(count: int, at: int = 200, *, so_far: int | None = None) -> LabelsArrived:
    return LabelsArrived(model="churn", at=at, count=count, labels=count if so_far is None else so_far)


def trained(version: str, cut: int, cause: str = "a1", middle: int | None = None) -> CandidateTrained:
    return CandidateTrained(model="churn", at=cut, version=version, cause=cause, cut=cut, middle=cut if middle is None else middle)


def passed(version: str, at: int = 900) -> GatePassed:
    return GatePassed(model="churn", at=at, version=version, evidence={"reason": "better", "wealth": 81.0})


def refused(version: str, at: int = 900) -> GateRefused:
    return GateRefused(model="churn", at=at, version=version, reason="not better", evidence={"wealth": 0.1})


def decide(*events: Event, retrain: Retrain = RETRAIN, state: State | None = None) -> tuple[State, list[Any]]:
    """The state after the events, and the instructions of the last one."""
    state, instructions = state or State(model="churn", champion="1"), []
    for event in events:
        state, instructions = step(state, event, retrain)
    return state, instructions


def names(instructions: list[Any]) -> list[str]:
    return [type(instruction).__name__ for instruction in instructions]


def test_a_drift_trains_validates_and_publishes_exactly_once() -> None:
    state = State(model="churn", champion="1")
    told = []
    for event in [opened(), labels(150), labels(200, 300), trained("2", 290), passed("2"), labels(800, 950), trained("3", 940), refused("3", 2_000)]:
        state, instructions = step(state, event, RETRAIN)
        told.append(names(instructions))
    assert told == [["Collect"], [], ["Train"], ["StartGate"], ["Publish"], ["Train"], ["StartGate"], ["Reject", "DoNothing"]]
    assert (state.stage, state.champion, state.finished) == (Stage.SERVING, "2", (("a1", 940),))


def test_where_the_rows_before_a_change_may_count_again_a_second_challenger_learns_from_them_too() -> None:
    state, (first,) = decide(opened(), labels(200), retrain=BOTH)
    state, instructions = decide(trained("2", 190), labels(600), retrain=BOTH, state=state)
    assert (first.slot, first.with_earlier, due(state, BOTH)) == (0, False, ())
    assert [(one.slot, one.with_earlier) for one in instructions] == [(1, False)]
    state, (gate,) = decide(trained("3", 590), retrain=BOTH, state=state)
    assert (gate.challengers, due(state, BOTH)[0][0]) == (4, 600)
    state, (earlier,) = decide(labels(600), retrain=BOTH, state=state)
    assert (earlier.slot, earlier.with_earlier, earlier.reason) == (2, True, "600 labelled events for cause a1, and all from before the change")
    assert decide(trained("4", 590), labels(1_800), retrain=BOTH, state=state)[1][0].with_earlier is False


def test_a_change_that_is_seen_late_skips_targets_of_the_same_kind_alone() -> None:
    state, slots = decide(opened(), retrain=BOTH)[0], []
    for version in ("2", "3"):
        state, (train,) = decide(labels(2_000), retrain=BOTH, state=state)
        state, _ = decide(trained(version, 190), retrain=BOTH, state=state)
        slots.append((train.slot, train.with_earlier))
    assert slots == [(2, True), (3, False)]
    assert due(state, BOTH) == ()


@pytest.mark.parametrize(("winner", "later"), [("2", False), ("3", True)])
def test_once_one_that_knows_the_rows_before_the_change_serves_later_ones_learn_from_them_too(winner: str, later: bool) -> None:
    state, _ = decide(opened(), labels(600), trained("2", 590), labels(600), retrain=BOTH)
    known = CandidateTrained(model="churn", at=590, version="3", cause="a1", cut=590, middle=300, with_earlier=True)
    _, (train,) = decide(known, passed(winner), labels(1_800), retrain=BOTH, state=state)
    assert (train.slot, train.with_earlier) == (3, later)


def test_an_adaptive_champion_needs_no_second_training_as_its_members_remember() -> None:
    adaptive = Retrain.model_validate({"champion": "adaptive"})
    assert decide(opened(), retrain=adaptive)[0].cause.targets == (600, 1_800), "what learns row by row is as good before"  # type: ignore[union-attr]
    alone = Retrain.model_validate({"champion": "adaptive", "online": []})
    assert decide(opened(), retrain=alone)[0].cause.targets == (200, 600, 1_800)  # type: ignore[union-attr]


def test_the_cause_travels_from_the_alert_to_every_instruction() -> None:
    _, (train,) = decide(opened(), labels(200))
    _, (gate,) = decide(opened(), labels(200), trained("2", 190))
    _, (publish,) = decide(opened(), labels(200), trained("2", 190), passed("2"))
    assert (train.cause.cause, train.cause.since, gate.cause, publish.cause) == ("a1", 50, "a1", "a1")
    assert gate.challengers == 2


def test_a_promotion_closes_challengers_that_were_trained_before_the_new_champion() -> None:
    state, instructions = decide(opened(), labels(200), trained("2", 190), labels(800, 800), trained("3", 790), passed("3"))
    assert names(instructions) == ["Publish", "Reject", "DoNothing"]
    assert instructions[1].reason == "superseded by version 3, which was proved first"
    assert state.stage is Stage.SERVING


def test_challengers_that_were_trained_after_the_new_champion_are_judged_anew_against_it() -> None:
    state, instructions = decide(opened(), labels(200), trained("2", 190), labels(800, 800), trained("3", 790), passed("2"))
    assert names(instructions) == ["Publish", "JudgeAnew"]
    assert instructions[1].reason == "it learnt from more than version 2, which serves now, and is judged against it anew"
    assert (state.stage, state.champion, state.open) == (Stage.VALIDATING, "2", ("3",))
    state, instructions = decide(passed("3"), state=state)
    assert names(instructions) == ["Publish", "DoNothing"]
    assert (state.stage, state.champion) == (Stage.SERVING, "3")


def test_a_promotion_earns_challengers_of_the_newest_rows_and_a_cause_without_one_earns_none() -> None:
    once = Retrain.model_validate({"refresh": [200], "cooldown": "0s", "window": 1_000})
    state, _ = decide(opened(), labels(200, 300), trained("2", 290), passed("2"), retrain=once)
    ended = state.quiet_until
    assert due(state, once) == ((1_000, ended),)
    state, (collect,) = decide(labels(1_000, 1_900), retrain=once, state=state)
    assert collect.reason == "new labels after a promotion: wait for 1000 labelled events to train on"
    assert state.cause is not None
    assert (state.cause.since, state.cause.clock, state.cause.newest, state.cause.targets) == (ended + 1, "predicted", True, (1_000, 2_000, 3_000))
    assert names(decide(opened("a2", at=1_950), retrain=once, state=state)[1]) == ["Collect"], "an alert need not wait for it"
    for place in range(3):
        state, _ = decide(labels(state.cause.targets[place], 1_000), trained(str(3 + place), 1_990), refused(str(3 + place), 2_000), retrain=once, state=state)
        assert state.cause is not None or place == 2
    assert (state.stage, due(state, once)) == (Stage.SERVING, ())


@pytest.mark.parametrize("settings", [{"follow_up": False}, {"champion": "adaptive", "new_labels": 9_000}])
def test_a_promotion_earns_nothing_where_it_is_not_asked_for(settings: dict[str, object]) -> None:
    once = Retrain.model_validate({"refresh": [200]} | settings)
    state, _ = decide(opened(), labels(200, 300), trained("2", 290), passed("2"), retrain=once)
    assert [count for count, _ in due(state, once)] == ([9_000] if "new_labels" in settings else [])


def test_a_version_that_somebody_else_put_in_service_earns_nothing() -> None:
    state, _ = decide(opened(), labels(200, 300), trained("2", 290), passed("2"), retrain=Retrain(refresh=(200,)))
    state, _ = decide(ChampionChanged(model="churn", at=400, version="1"), retrain=Retrain(), state=state)
    assert due(state, Retrain()) == ()


def test_targets_that_were_passed_while_nobody_looked_are_trained_once() -> None:
    state, (train,) = decide(opened(), labels(5_000))
    assert (train.slot, state.slot) == (1, 2)


@pytest.mark.parametrize(
    ("policy", "kind", "instruction"),
    [
        ("never", "performance", "DoNothing"),
        ("performance", "performance", "Collect"),
        ("performance", "drift", "DoNothing"),
        ("any", "drift", "Collect"),
        ("any", "quality", "DoNothing"),
        ("any", "service", "DoNothing"),
    ],
)
def test_the_policy_says_which_alerts_start_a_training(policy: str, kind: str, instruction: str) -> None:
    _, (said,) = decide(opened(kind=kind), retrain=Retrain.model_validate({"policy": policy}))
    assert type(said).__name__ == instruction
    assert said.reason


def test_the_same_cause_is_not_trained_twice() -> None:
    ended, _ = decide(opened(), labels(800), trained("2", 190), refused("2"))
    state, (said,) = decide(opened(at=10 * DAY), state=ended)
    assert state.stage is Stage.SERVING
    assert said.reason == "alert a1 was answered already, by trainings on what came until 190"


def test_a_second_change_under_the_same_alert_is_a_cause_of_its_own() -> None:
    ended, _ = decide(opened(), labels(800), trained("2", 190), refused("2"))
    update = AlertUpdated(model="churn", at=10 * DAY, alert_id="a1", kind="performance", change_at=9 * DAY, sequence=7)
    state, (said,) = decide(update, state=ended)
    assert state.cause is not None
    assert (state.cause.cause, type(said).__name__) == ("a1#7", "Collect")


def test_an_alert_within_the_cooldown_waits_for_its_end_and_then_starts() -> None:
    ended, _ = decide(opened(), labels(800), trained("2", 190), refused("2", 900))
    state, (said,) = decide(opened("a2", at=1_000, change_at=950), state=ended)
    assert (type(said).__name__, said.until) == ("Postpone", 900 + 10 * MINUTE)
    assert due(state, RETRAIN) == ((0, 900 + 10 * MINUTE),)
    assert decide(labels(0, said.until - 1), state=state)[0].stage is Stage.SERVING
    state, (collect,) = decide(labels(0, said.until), state=state)
    assert (state.stage, collect.cause) == (Stage.COLLECTING, "a2")


def test_an_alert_that_resolves_while_it_waits_trains_nothing() -> None:
    ended, _ = decide(opened(), labels(800), trained("2", 190), refused("2", 900))
    state, (said,) = decide(opened("a2", at=1_000, change_at=950), AlertResolved(model="churn", at=1_100, alert_id="a2"), state=ended)
    assert state.pending == ()
    assert said.reason == "resolved while it waited: no training"


def test_an_alert_that_resolves_before_there_are_labels_trains_nothing() -> None:
    state, (said,) = decide(opened(), AlertResolved(model="churn", at=150, alert_id="a1"))
    assert state.stage is Stage.SERVING
    assert "before there were enough labels" in said.reason


def test_a_change_after_the_training_cut_supersedes_the_challengers() -> None:
    state, instructions = decide(opened(), labels(200), trained("2", 190), opened("a2", at=500, change_at=400))
    assert names(instructions) == ["Reject", "Collect"]
    assert "the world changed at 400" in instructions[0].reason
    assert state.cause is not None
    assert (state.cause.cause, state.open) == ("a2", ())


@pytest.mark.parametrize(("change_at", "superseded"), [(1_800, True), (1_400, False)])
def test_challengers_that_no_alert_asked_for_answer_one_only_where_most_of_what_they_learnt_from_came_after_the_change(change_at: int, superseded: bool) -> None:
    once = Retrain.model_validate({"refresh": [200], "cooldown": "0s", "window": 1_000})
    state, _ = decide(opened(), labels(200, 300), trained("2", 290), passed("2"), labels(1_000, 1_900), labels(1_000, 1_950), retrain=once)
    assert state.cause is not None
    state, instructions = decide(trained("3", 1_950, state.cause.cause, middle=1_500), opened("a2", at=2_000, change_at=change_at), retrain=once, state=state)
    assert names(instructions) == (["Reject", "Collect"] if superseded else ["DoNothing"])
    assert instructions[0].reason.endswith("the world changed at 1800, after most of what it learnt from" if superseded else "are being judged, and answer this alert, too")


def test_an_alert_that_waits_and_then_supersedes_what_it_waited_for_waits_no_longer() -> None:
    asked, _ = decide(opened(), RetrainRequested(model="churn", at=100, request_id="r1"), AlertResolved(model="churn", at=101, alert_id="a1"))
    waits, (said,) = decide(opened("a2", at=200), state=asked)
    assert (type(said).__name__, [cause.cause for cause in waits.pending]) == ("Postpone", ["r1", "a2"])
    judged, _ = decide(labels(200, 11 * MINUTE), labels(200, 11 * MINUTE), trained("2", 11 * MINUTE, "r1"), state=waits)
    assert [cause.cause for cause in judged.pending] == ["a2"]
    state, instructions = decide(AlertUpdated(model="churn", at=13 * MINUTE, alert_id="a2", kind="performance", change_at=12 * MINUTE, sequence=1), state=judged)
    assert names(instructions) == ["Reject", "Collect"]
    assert (state.cause.cause if state.cause else "", state.pending) == ("a2", ())


def test_a_second_change_under_an_alert_that_was_answered_has_a_name_of_its_own_while_a_canary_serves_too() -> None:
    shares = Retrain.model_validate({"refresh": [200], "cooldown": "0s", "follow_up": False, "canary": {"share": 0.1}})
    state, _ = decide(opened(), labels(200), trained("2", 190), refused("2"), opened("a2", at=1_000, change_at=950), retrain=shares)
    state, _ = decide(labels(200, 1_100), trained("3", 1_090, "a2"), passed("3", 1_200), retrain=shares, state=state)
    assert state.stage is Stage.CANARY
    again = [AlertUpdated(model="churn", at=at, alert_id="a1", kind="performance", change_at=1_250, sequence=sequence) for at, sequence in ((1_300, 4), (1_400, 5))]
    state, (said,) = decide(*again, retrain=shares, state=state)
    assert (said.cause, [cause.cause for cause in state.pending]) == ("a1#5", ["a1#5"])


def test_another_alert_for_the_same_change_is_answered_by_the_same_challengers() -> None:
    state, (said,) = decide(opened(), labels(200), trained("2", 190), opened("a2", at=500, change_at=60))
    assert said.reason == "challengers of cause a1 are being judged, and answer this alert, too"
    assert state.open == ("2",)


def test_a_later_estimate_of_the_change_leaves_out_the_rows_before_it() -> None:
    state, (said,) = decide(opened(), AlertUpdated(model="churn", at=120, alert_id="a1", kind="performance", change_at=80, sequence=1))
    assert state.cause is not None
    assert (state.cause.since, type(said).__name__) == (80, "Collect")


def test_the_quota_postpones_a_training_and_says_so_once() -> None:
    retrain = Retrain.model_validate({"refresh": [200, 800], "earlier": False, "quotas": {"trainings_per_day": 1}})
    state, (said,) = decide(opened(), labels(200, 300), trained("2", 190), labels(800, 1_000), retrain=retrain)
    assert (type(said).__name__, said.until, said.reason) == ("Postpone", 300 + DAY, "quota: 1 training in a day of 1 allowed")
    assert due(state, retrain) == ((800, 300 + DAY),)
    assert decide(labels(900, 1_100), state=state, retrain=retrain)[1] == []
    assert names(decide(labels(900, 300 + DAY), state=state, retrain=retrain)[1]) == ["Train"]


def test_a_postponement_by_the_quota_is_told_of_each_cause_be_it_that_the_one_before_it_was_held_back_too() -> None:
    retrain = Retrain.model_validate({"refresh": [200], "new_labels": 500, "quotas": {"trainings_per_day": 1}})
    one = State(model="churn", champion="1", trainings=(100,))
    state, (said,) = decide(labels(500, 300), labels(500, 400), retrain=retrain, state=one)
    assert (type(said).__name__, said.until) == ("Postpone", 100 + DAY)
    _, (said,) = decide(ASK, labels(500, 500), retrain=retrain, state=state)
    assert (type(said).__name__, said.cause, said.until) == ("Postpone", "r1", 100 + DAY)


def test_a_training_that_failed_is_rejected_and_the_next_target_has_its_chance() -> None:
    failed = TrainingFailed(model="churn", at=210, version="2", cause="a1", reason="one class only")
    state, (said,) = decide(opened(), labels(200), failed)
    assert (said.reason, state.stage) == ("training failed: one class only", Stage.COLLECTING)
    assert names(decide(labels(800, 900), state=state)[1]) == ["Train"]


def test_with_manual_approval_a_person_has_the_last_word() -> None:
    retrain = Retrain.model_validate({"refresh": [200], "approval": "manual"})
    state, instructions = decide(opened(), labels(200), trained("2", 190), passed("2"), retrain=retrain)
    assert names(instructions) == ["AskApproval", "DoNothing"]
    assert instructions[0].reason == "the gate was passed (better); approval is 'manual'"
    assert instructions[1].reason == "cause ended; the champion stays until a person promotes version 2"
    assert state.champion == "1"


def test_a_cause_ends_with_the_version_that_a_person_was_asked_for_unless_another_one_serves_by_then() -> None:
    retrain = Retrain.model_validate({"refresh": [200, 800], "earlier": False, "approval": "manual"})
    asked, _ = decide(opened(), labels(200), trained("2", 190), passed("2"), labels(800, 950), trained("3", 940), retrain=retrain)
    assert decide(refused("3", 2_000), retrain=retrain, state=asked)[1][-1].reason == "cause ended; the champion stays until a person promotes version 2"
    answered, instructions = decide(ChampionChanged(model="churn", at=1_000, version="2"), retrain=retrain, state=asked)
    assert instructions[-1].reason == "cause ended; version 2 serves: it was chosen, not trained for a1"
    _, instructions = decide(opened("a2", at=DAY, change_at=DAY), labels(800, DAY + 1), trained("4", DAY, "a2"), refused("4", DAY + 2), retrain=retrain, state=answered)
    assert instructions[-1].reason == "cause ended; the champion stays: no challenger of a2 proved to be better"


def test_a_request_needs_no_policy_and_no_cooldown_only_its_turn() -> None:
    never = Retrain(policy="never")
    ask = RetrainRequested(model="churn", at=100, request_id="r1")
    assert names(decide(ask, retrain=never)[1]) == ["Collect"]
    waiting, (said,) = decide(opened(), ask)
    assert (type(said).__name__, said.reason) == ("Postpone", "request r1: after cause a1")
    again, (said,) = decide(ask, state=waiting)
    assert again == waiting
    assert (type(said).__name__, said.reason) == ("Postpone", "request r1 was sent again: it waits for its turn, after cause a1")
    ended, _ = decide(labels(800), trained("2", 190), refused("2"), state=waiting)
    assert names(decide(labels(0, 901), state=ended)[1]) == ["Collect"]


def test_requests_that_wait_keep_their_order_before_alerts_and_tell_who_asked_and_why() -> None:
    asked = [RetrainRequested(model="churn", at=100, request_id=name, by="ci:main", why="new features") for name in ("r1", "r2")]
    state, (said,) = decide(opened(), labels(200), opened("a2"), *asked)
    assert [cause.cause for cause in state.pending] == ["r1", "r2", "a2"]
    assert said.reason == "request r2 of ci:main (new features): after cause a1"


def follow_up() -> tuple[State, Retrain]:
    """A cause that nobody asked for collects its rows: a promotion has earned it."""
    once = Retrain.model_validate({"refresh": [200], "cooldown": "10m", "window": 1_000})
    state, _ = decide(opened(), labels(200, 300), trained("2", 290), passed("2"), labels(1_000, 20 * MINUTE), retrain=once)
    assert state.cause is not None
    assert (state.stage, state.cause.kind) == (Stage.COLLECTING, "labels")
    return state, once


ASK = RetrainRequested(model="churn", at=10**12, request_id="r1", by="ci:main", why="new features")


def test_a_request_ends_the_collecting_that_nobody_asked_for_and_starts_at_once() -> None:
    state, once = follow_up()
    quiet, alert = state.quiet_until, opened("a2", at=30 * MINUTE, change_at=0)
    began, (ended, collect) = decide(ASK, retrain=once, state=state)
    assert (ended.cause, ended.reason) == (state.cause.cause if state.cause else "", "cause ended: request r1 of ci:main (new features) goes before what nobody asked for")
    assert collect.reason == "request r1 of ci:main (new features): wait for 200 labelled events to train on"
    assert (began.stage, began.cause.cause if began.cause else "", began.quiet_until) == (Stage.COLLECTING, "r1", quiet), "the clock that a person asks by begins no cooldown"
    through, _ = decide(labels(200, 25 * MINUTE), trained("3", 25 * MINUTE, "r1"), refused("3", 26 * MINUTE), retrain=once, state=began)
    assert names(decide(alert, retrain=once, state=through)[1]) == ["Postpone"]
    assert through.quiet_until == 36 * MINUTE


def test_a_request_closes_challengers_that_nobody_asked_for_and_waits_for_those_of_an_alert() -> None:
    state, once = follow_up()
    cause = "" if state.cause is None else state.cause.cause
    judged, _ = decide(labels(1_000, 21 * MINUTE), trained("3", 21 * MINUTE, cause), retrain=once, state=state)
    began, instructions = decide(ASK, retrain=once, state=judged)
    assert [(type(one).__name__, one.cause) for one in instructions] == [("Reject", cause), ("DoNothing", cause), ("Collect", "r1")]
    assert (instructions[0].version, instructions[0].reason) == ("3", "superseded by request r1 of ci:main (new features), which goes before what nobody asked for")
    assert (began.open, began.pending) == ((), ())
    asked, (said,) = decide(opened(), labels(200), trained("2", 190), ASK, retrain=once)
    assert (type(said).__name__, asked.open) == ("Postpone", ("2",))


def test_a_slot_of_the_schedule_gives_way_to_a_request_and_is_answered_by_its_training() -> None:
    serving, _ = decide(labels(5, 3 * DAY), labels(9_000, WEEK + 1), retrain=WEEKLY)
    state, instructions = decide(ASK, labels(200, WEEK + 2), trained("2", WEEK + 2, "r1"), refused("2", WEEK + 3), retrain=WEEKLY, state=serving)
    assert names(instructions) == ["Reject", "DoNothing"]
    assert due(state, WEEKLY) == ((0, 2 * WEEK),)


def test_a_request_that_came_during_a_training_goes_before_later_targets_that_nobody_asked_for() -> None:
    state, once = follow_up()
    cause = "" if state.cause is None else state.cause.cause
    training, _ = decide(labels(1_000, 21 * MINUTE), ASK, retrain=once, state=state)
    assert training.stage is Stage.TRAINING
    state, instructions = decide(trained("3", 21 * MINUTE, cause), refused("3", 22 * MINUTE), retrain=once, state=training)
    assert [(type(one).__name__, one.cause) for one in instructions] == [("Reject", cause), ("DoNothing", cause)]
    assert instructions[1].reason == "cause ended: request r1 goes before what nobody asked for"
    assert names(decide(labels(0, 22 * MINUTE), retrain=once, state=state)[1]) == ["Collect"]


def test_a_request_for_a_window_without_labels_is_answered_with_the_reason() -> None:
    ask = RetrainRequested(model="churn", at=100, request_id="r1", since=10, until=90)
    state, (said,) = decide(ask, labels(0, 100))
    assert (state.stage, said.reason) == (Stage.SERVING, "no labelled event in the window that request r1 names")


def test_somebody_elses_promotion_voids_the_evidence_against_the_old_champion() -> None:
    state, instructions = decide(opened(), labels(200), trained("2", 190), ChampionChanged(model="churn", at=400, version="7"))
    assert names(instructions) == ["Reject"]
    assert (state.champion, state.stage) == ("7", Stage.COLLECTING)


def test_an_event_that_cannot_have_happened_is_refused_with_the_story() -> None:
    served, _ = decide(opened(), labels(800), trained("7", 190), passed("7"))
    with pytest.raises(DecisionError) as error:
        step(served, passed("7"), RETRAIN)
    assert str(error.value).startswith("GatePassed for model 'churn' in stage 'serving'; expected one of: AlertOpened")
    assert str(error.value).endswith("story: a1 -> train -> v7 -> publish v7")


def test_a_state_that_was_saved_decides_as_before() -> None:
    state, _ = decide(opened(), labels(200), trained("2", 190))
    saved = msgspec.json.decode(msgspec.json.encode(state), type=State)
    assert saved == state
    assert step(saved, passed("2"), RETRAIN) == step(state, passed("2"), RETRAIN)


def test_the_picture_shows_every_change_of_stage() -> None:
    assert len(picture().splitlines()) == 2 + sum(to is not stage for (stage, _), rule in TABLE.items() for to in rule.to)


def registered(version: str, slot: int, cause: str = "a1") -> Version:
    gate = {"cause": {"cause": cause, "kind": "performance", "since": 50, "targets": [200, 800]}, "slot": slot, "cut": 190, "scale": 1.0}
    return Version(model="churn", version=version, status="registered", at=200, cause=cause, gate=gate)


def test_what_was_announced_is_enough_to_go_on_after_a_crash() -> None:
    first = Version(model="churn", version="1", status="promoted", at=0)
    rejected = Version(model="churn", version="2", status="rejected", at=300, cause="a1")
    judging = restore("churn", [first, registered("2", 0)])
    assert (judging.stage, judging.open, judging.slot, judging.champion) == (Stage.VALIDATING, ("2",), 1, "1")
    waiting = restore("churn", [first, registered("2", 0), rejected])
    assert (waiting.stage, waiting.open, waiting.slot) == (Stage.COLLECTING, (), 1)
    through = restore("churn", [first, registered("2", 1), rejected])
    assert (through.stage, through.finished) == (Stage.SERVING, (("a1", 190),))


def test_a_failed_training_that_was_announced_is_not_tried_again_after_a_crash() -> None:
    gate = registered("2", 1).gate | {"reason": "training failed: one class only"}
    failed = Version(model="churn", version="2", status="rejected", at=210, cause="a1", gate=gate)
    through = restore("churn", [Version(model="churn", version="1", status="promoted", at=0), failed])
    assert (through.stage, through.finished, through.trainings) == (Stage.SERVING, (("a1", 190),), (210,))
    waiting = restore("churn", [msgspec.structs.replace(failed, gate=gate | {"slot": 0})])
    assert (waiting.stage, waiting.slot, waiting.last_cut) == (Stage.COLLECTING, 1, None)


# --- votes ---

VOTES = Retrain.model_validate({"votes": {"performance": 1, "drift": 0.5}, "votes_within": "10m"})


def test_drifts_start_a_training_only_when_enough_of_them_agree() -> None:
    state, (said,) = decide(opened("d1", kind="drift"), retrain=VOTES)
    assert (type(said).__name__, said.reason) == ("DoNothing", "votes: 0.5 of 1 needed; drift alert d1 waits for others")
    again, (said,) = decide(AlertUpdated(model="churn", at=150, alert_id="d1", kind="drift", change_at=50, sequence=1), retrain=VOTES, state=state)
    assert type(said).__name__ == "DoNothing", "an alert votes once, however often it is told"
    started, (said,) = decide(opened("d2", kind="drift", at=200, change_at=60), retrain=VOTES, state=again)
    assert (type(said).__name__, said.cause, started.votes) == ("Collect", "d2", ())


def test_a_loss_of_performance_alone_has_votes_enough() -> None:
    assert names(decide(opened(), retrain=VOTES)[1]) == ["Collect"]


def test_an_alert_that_was_resolved_or_is_old_votes_no_more() -> None:
    first, second = opened("d1", kind="drift"), opened("d2", kind="drift", at=200)
    _, (said,) = decide(first, AlertResolved(model="churn", at=150, alert_id="d1"), second, retrain=VOTES)
    assert said.reason.startswith("votes: 0.5 of 1")
    _, (said,) = decide(first, opened("d2", kind="drift", at=100 + 10 * MINUTE), retrain=VOTES)
    assert said.reason.startswith("votes: 0.5 of 1")
    assert names(decide(first, opened("d2", kind="drift", at=99 + 10 * MINUTE), retrain=VOTES)[1]) == ["Collect"]


def test_an_alert_of_a_kind_without_a_vote_is_told_so() -> None:
    _, (said,) = decide(opened("s1", kind="label shift"), retrain=VOTES)
    assert said.reason == "votes: an alert of kind 'label shift' has none, so label shift alert s1 starts no training"


def test_a_loss_of_performance_that_turns_out_to_be_a_label_shift_votes_no_more() -> None:
    hesitant = Retrain.model_validate({"votes": {"performance": 0.5, "drift": 0.5}, "votes_within": "10m"})
    shift = AlertUpdated(model="churn", at=150, alert_id="p1", kind="label shift", change_at=50, sequence=1)
    state, _ = decide(opened("p1"), shift, retrain=hesitant)
    assert state.votes == ()
    _, (said,) = decide(opened("d1", kind="drift", at=200), retrain=hesitant, state=state)
    assert said.reason.startswith("votes: 0.5 of 1")


# --- what nobody asked for ---

WEEKLY = Retrain.model_validate({"schedule": "7d", "refresh": [200, 800], "earlier": False, "cooldown": "10m"})
WEEK = 7 * DAY


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


def test_a_request_tells_who_asked_and_why() -> None:
    _, (said,) = decide(RetrainRequested(model="churn", at=100, request_id="r1", by="ci:main", why="new features"))
    assert said.reason == "request r1 of ci:main (new features): wait for 200 labelled events to train on"


def test_a_quota_of_processor_time_postpones_until_enough_of_it_is_a_day_old() -> None:
    retrain = Retrain.model_validate({"refresh": [200, 800], "earlier": False, "quotas": {"cpu_seconds_per_day": 60}})
    cheap = msgspec.structs.replace(trained("2", 290), cpu_seconds=50.0)
    dear = msgspec.structs.replace(trained("2", 290), cpu_seconds=70.0)
    assert names(decide(opened(), labels(200, 300), cheap, labels(800, 1_000), retrain=retrain)[1]) == ["Train"]
    state, (said,) = decide(opened(), labels(200, 300), dear, labels(800, 1_000), retrain=retrain)
    assert (type(said).__name__, said.until, said.reason) == ("Postpone", 290 + DAY, "quota: 70 CPU seconds in a day of 60 allowed")
    assert due(state, retrain) == ((800, 290 + DAY),)
    assert names(decide(labels(900, 290 + DAY), state=state, retrain=retrain)[1]) == ["Train"]


def test_a_quota_of_less_than_a_second_is_told_with_what_was_spent() -> None:
    retrain = Retrain.model_validate({"refresh": [200, 800], "earlier": False, "quotas": {"cpu_seconds_per_day": 0.3}})
    _, (said,) = decide(opened(), labels(200, 300), msgspec.structs.replace(trained("2", 290), cpu_seconds=0.4142), labels(800, 1_000), retrain=retrain)
    assert said.reason == "quota: 0.414 CPU seconds in a day of 0.3 allowed"


def test_where_a_person_chose_another_version_the_cause_ends_with_that_and_earns_no_follow_up() -> None:
    one = RETRAIN.model_copy(update={"refresh": (200,), "follow_up": True})
    three = [opened(), labels(200, 300), trained("2", 290)]
    state, instructions = decide(*three, ChampionChanged(model="churn", at=1_000, version="7"), retrain=one)
    assert (names(instructions), instructions[-1].reason) == (["Reject", "DoNothing"], "cause ended; version 7 serves: it was chosen, not trained for a1")
    two = [opened(), labels(200, 300), trained("2", 290), labels(800, 400), trained("3", 390), passed("2")]
    state, instructions = decide(*two, ChampionChanged(model="churn", at=1_000, version="7"))
    assert (names(instructions), instructions[-1].reason) == (["Reject", "DoNothing"], "cause ended; version 7 serves: it was chosen, not trained for a1")
    assert not state.cadence.proved, "version 2, which the cause had promoted, serves no more"


def test_a_version_that_serves_again_is_told_with_the_one_that_was_rolled_back() -> None:
    back = ChampionChanged(model="churn", at=1_000, version="1", rolled_back="2")
    _, (said,) = decide(back, state=State(model="churn", champion="2"))
    assert said.reason == "version 1 serves again, as version 2 was rolled back"
    _, (*_, said) = decide(opened(), labels(200, 300), trained("3", 290), back, retrain=RETRAIN.model_copy(update={"refresh": (200,)}), state=State(model="churn", champion="2"))
    assert said.reason == "cause ended; version 1 serves again, as version 2 was rolled back"
