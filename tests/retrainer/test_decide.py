"""Decisions: a list of events in, a list of instructions out."""

from __future__ import annotations

import msgspec
import pytest

from detectors.settings.retraining import Retrain
from retrainer.decide import TABLE, DecisionError, due, picture, step
from retrainer.messages import AlertResolved, AlertUpdated, CandidateTrained, ChampionChanged, RetrainRequested, TrainingFailed
from retrainer.stage import DAY, Stage, State, restore
from retrainer.versions import Version
from tests.retrainer.events import ASK, MINUTE, RETRAIN, decide, labels, names, opened, passed, refused, trained

BOTH = Retrain.model_validate({"refresh": [200, 600, 1_800], "cooldown": "10m"})


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


def test_challengers_of_a_champion_that_a_person_replaced_are_judged_no_further_after_a_crash() -> None:
    first, chosen = (Version(model="churn", version=name, status="promoted", at=0, by="ada") for name in ("1", "9"))
    waiting = restore("churn", [first, registered("2", 0), chosen])
    assert (waiting.stage, waiting.open, waiting.slot, waiting.champion) == (Stage.COLLECTING, (), 1, "9")
    assert restore("churn", [first, registered("2", 0), chosen, registered("3", 1)]).open == ("3",)


def test_a_failed_training_that_was_announced_is_not_tried_again_after_a_crash() -> None:
    gate = registered("2", 1).gate | {"reason": "training failed: one class only"}
    failed = Version(model="churn", version="2", status="rejected", at=210, cause="a1", gate=gate)
    through = restore("churn", [Version(model="churn", version="1", status="promoted", at=0), failed])
    assert (through.stage, through.finished, through.trainings) == (Stage.SERVING, (("a1", 190),), (210,))
    waiting = restore("churn", [msgspec.structs.replace(failed, gate=gate | {"slot": 0})])
    assert (waiting.stage, waiting.slot, waiting.last_cut) == (Stage.COLLECTING, 1, None)


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
