"""Decisions by votes: how many alerts start a training."""

from __future__ import annotations

from detectors.settings.retraining import Retrain
from retrainer.messages import AlertResolved, AlertUpdated
from tests.retrainer.events import MINUTE, decide, names, opened

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
