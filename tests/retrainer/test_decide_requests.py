"""Decisions on what a person or CI asks for."""

from __future__ import annotations

from detectors.settings.retraining import Retrain
from retrainer.decide import due
from retrainer.messages import RetrainRequested
from retrainer.stage import DAY, Stage, State
from tests.retrainer.events import ASK, MINUTE, WEEK, WEEKLY, decide, labels, names, opened, passed, refused, trained


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


def test_a_request_tells_who_asked_and_why() -> None:
    _, (said,) = decide(RetrainRequested(model="churn", at=100, request_id="r1", by="ci:main", why="new features"))
    assert said.reason == "request r1 of ci:main (new features): wait for 200 labelled events to train on"
