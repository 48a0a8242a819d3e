"""What happens to a model, in a line each, and what is decided on it."""

from __future__ import annotations

from typing import Any

from detectors.settings.retraining import Retrain
from retrainer.decide import step
from retrainer.messages import AlertOpened, CandidateTrained, Event, GatePassed, GateRefused, LabelsArrived, RetrainRequested
from retrainer.stage import DAY, State

MINUTE = 60_000
RETRAIN = Retrain.model_validate({"refresh": [200, 800], "earlier": False, "cooldown": "10m"})
WEEKLY = Retrain.model_validate({"schedule": "7d", "refresh": [200, 800], "earlier": False, "cooldown": "10m"})
WEEK = 7 * DAY
ASK = RetrainRequested(model="churn", at=10**12, request_id="r1", by="ci:main", why="new features")


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
