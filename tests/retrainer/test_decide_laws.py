"""Laws of the decisions: whatever happens, in whatever order, and whatever the settings become meanwhile."""

from __future__ import annotations

from collections import deque
from random import Random

import msgspec
import pytest

from detectors.settings.retraining import Retrain
from retrainer.decide import due, step
from retrainer.messages import (
    AlertOpened,
    AlertResolved,
    AlertUpdated,
    CanaryPassed,
    CanaryRefused,
    CanaryWithdrawn,
    CandidateTrained,
    ChampionChanged,
    Event,
    GatePassed,
    GateRefused,
    LabelsArrived,
    MemberTrained,
    RetrainRequested,
    TimePassed,
    Train,
    TrainingFailed,
)
from retrainer.stage import Stage, State

MODEL = "churn"
MOST_STEPS = 100  # that follow from one event; a rule that changes nothing would be due for ever


class World:
    """What happens to one model, drawn at random, and what the loop makes of the decisions on it."""

    def __init__(self, draw: Random) -> None:
        self.draw, self.now, self.labels, self.idle, self.counted = draw, 10**9, 0, 0, 0
        self.retrain = self.settings()
        self.state = State(model=MODEL, champion=draw.choice(["", "1"]))
        self.number, self.sequences, self.requests = 1, dict[str, int](), 0

    def settings(self) -> Retrain:
        pick, keys = self.draw.choice, {"trainings_per_day": self.draw.choice([1, 20])}
        told: dict[str, object] = {"refresh": pick([[200], [200, 600, 1_800]]), "cooldown": pick(["0s", "1h"]), "policy": pick(["never", "performance", "any"]), "quotas": keys}
        told |= (
            pick([{}, {"schedule": "1h"}, {"new_labels": 500}])
            | pick([{}, {"champion": "adaptive"}])
            | pick([{}, {"approval": "manual"}, {"canary": {"share": 0.2, "max_time": "1h"}}])
        )
        return Retrain.model_validate(told)

    def go_on(self) -> None:
        """One thing happens, and all that follows from it."""
        self.now += self.draw.choice([1, 60_000, 5_000_000])
        happens = self.draw.choice([self.labelled, self.labelled, self.alerted, self.asked, self.judged, self.judged, self.chosen, self.configured])
        self.settle(*happens())
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=State)

    def labelled(self) -> list[Event]:
        more = self.draw.choice([10, 200, 2_000])
        self.labels += more
        self.idle, self.counted = (self.idle + more, 0) if self.state.cause is None else (0, self.counted + more)
        return []

    def alerted(self) -> list[Event]:
        name = self.draw.choice(["a1", "a2", "a3"])
        sequence = self.sequences[name] = self.sequences.get(name, -1) + 1
        if sequence and self.draw.random() < 0.4:
            return [AlertResolved(model=MODEL, at=self.now, alert_id=name)]
        kind, change = self.draw.choice(["performance", "drift", "quality"]), self.now - self.draw.choice([0, 1_000, 10**7])
        return [(AlertUpdated if sequence else AlertOpened)(model=MODEL, at=self.now, alert_id=name, kind=kind, change_at=change, sequence=sequence)]

    def asked(self) -> list[Event]:
        self.requests += self.draw.choice([0, 1])
        return [RetrainRequested(model=MODEL, at=self.now, request_id=f"r{self.requests}", until=self.draw.choice([None, None, self.now - 5, self.now + 10**6]))]

    def judged(self) -> list[Event]:
        told = {"model": MODEL, "at": self.now, "evidence": {}}
        if self.state.stage is Stage.CANARY:
            of_canary = told | {"version": self.state.canary}
            ends = [CanaryPassed(**of_canary), CanaryRefused(**of_canary, reason="worse"), CanaryWithdrawn(model=MODEL, at=self.now, version=self.state.canary, by="ada")]
            return [self.draw.choice([*ends, TimePassed(model=MODEL, at=self.now)])]
        if not self.state.open:
            return []
        version = self.draw.choice(self.state.open)
        return [self.draw.choice([GatePassed(**told, version=version), GateRefused(**told, version=version, reason="not better")])]

    def chosen(self) -> list[Event]:
        return [ChampionChanged(model=MODEL, at=self.now, version=self.draw.choice(["brought", *self.state.open]))]

    def configured(self) -> list[Event]:
        self.retrain = self.settings()
        return []

    def trained(self, train: Train) -> Event:
        cut, cause, self.number = {"cut": self.now, "middle": self.now - 5}, train.cause.cause, self.number + 1
        told = {"model": MODEL, "at": self.now, "cause": cause, "cpu_seconds": 1.0}
        if self.draw.random() < 0.2:
            return TrainingFailed(**told, version=str(self.number), reason="one class only")
        if self.retrain.champion == "adaptive" and self.state.champion:
            return MemberTrained(**told, **cut, version=self.state.champion)
        return CandidateTrained(**told, **cut, version=str(self.number), with_earlier=train.with_earlier)

    def settle(self, *events: Event) -> None:
        queue = deque(events)
        for _ in range(MOST_STEPS):
            if not queue:
                count = self.idle if self.state.cause is None else self.counted
                if not any(count >= enough and self.now >= at for enough, at in due(self.state, self.retrain)):
                    return
                queue.append(LabelsArrived(model=MODEL, at=self.now, count=count, labels=self.labels))
            before = self.state.cause
            self.state, instructions = step(self.state, queue.popleft(), self.retrain)
            if self.state.cause != before:
                self.idle, self.counted = 0, self.draw.choice([0, 300])
            queue += [self.trained(one) for one in instructions if isinstance(one, Train)]
            self.hold()
        raise AssertionError(f"{MOST_STEPS} steps follow from one event: {self.state.story}")

    def hold(self) -> None:
        """What is so after each step."""
        state, waiting = self.state, [cause.cause for cause in self.state.pending]
        known = {name for name, _ in state.finished}
        assert (state.cause is None) == (state.stage is Stage.SERVING)
        assert bool(state.open) == (state.stage is Stage.VALIDATING) or state.stage is Stage.TRAINING
        assert bool(state.canary) == (state.stage is Stage.CANARY)
        assert len(set(waiting)) == len(waiting), "a cause waits once"
        assert not known & {*waiting, *([state.cause.cause] if state.cause else [])}, "what has ended is not trained for again"
        assert state.cause is None or state.cause.cause not in waiting, "what is under way does not wait"
        assert state.champion not in state.open or not state.champion, "nothing is judged against itself"


@pytest.mark.parametrize("first", range(0, 1_000, 250))
def test_a_cause_is_trained_for_once_and_every_stage_has_what_it_is_about(first: int) -> None:
    for seed in range(first, first + 250):
        world = World(Random(seed))  # noqa: S311  a drawn world is no secret
        for _ in range(100):
            world.go_on()
