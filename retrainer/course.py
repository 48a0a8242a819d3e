"""The course of a cause: it begins, goes on after a verdict, gives way to a request, and ends. Pure; the rules in `decide` say which of these an event leads to."""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.settings.retraining import Retrain
from retrainer.cadence import ended
from retrainer.messages import Cause, Collect, DoNothing, Instruction, Postpone, Reject
from retrainer.stage import LONG_AGO, STORY, Stage, State
from retrainer.triggers import UNASKED

Decision = tuple[State, list[Instruction]]


def changed(state: State, *words: str, **changes: Any) -> State:
    """The state with some fields changed, and these words at the end of its story."""
    return msgspec.structs.replace(state, story=(*state.story, *words)[-STORY:], **changes)


def turn(state: State) -> int:
    """From when on the first cause that waits has its turn; a person does not wait for the cooldown."""
    return LONG_AGO if state.pending[0].kind == "request" else state.quiet_until


def start(state: State, cause: Cause, said: str = "") -> Decision:
    """Begin with a cause: its rows are collected; ``said`` is who asks, and why."""
    alerted = cause.kind not in {"request", "schedule", "labels"}
    what = f"{cause.kind} alert {cause.cause}" if alerted else {"request": f"request {cause.cause}", "schedule": "its slot of the schedule", "labels": "new labels"}[cause.kind]
    where = "after the change" if alerted else "to train on"
    collect = Collect(cause=cause.cause, target=cause.targets[0], reason=f"{what}{said}: wait for {cause.targets[0]} labelled events {where}")
    new = changed(
        state, cause.cause, stage=Stage.COLLECTING, cause=cause, slot=0, open=(), last_cut=None, last_middle=None, winner="", asked="", with_earlier=(), votes=(), blocked=-1
    )
    return new, [collect]


def end(state: State, at: int, retrain: Retrain, *instructions: Instruction) -> Decision:
    """The current cause is through: remember it, and tell those that wait how long the cooldown is."""
    assert state.cause is not None  # noqa: S101  every caller has one
    new = msgspec.structs.replace(_without_cause(state, at, retrain), quiet_until=at + retrain.cooldown)
    postponed = [Postpone(cause=cause.cause, until=new.quiet_until, reason=f"cooldown after {state.cause.cause}") for cause in new.pending if cause.kind != "request"]
    return new, [*instructions, *postponed]


def _without_cause(state: State, at: int, retrain: Retrain) -> State:
    assert state.cause is not None  # noqa: S101  every caller has one
    cut = state.last_cut if state.last_cut is not None else at
    finished = (*state.finished, (state.cause.cause, cut))[-retrain.remembered.causes :]
    new = changed(state, stage=Stage.SERVING, cause=None, slot=0, open=(), last_cut=None, last_middle=None, winner="", asked="", with_earlier=(), finished=finished)
    if retrain.champion == "single":
        new = msgspec.structs.replace(new, cadence=ended(state.cadence, at, promoted=state.winner != ""))
    return new


def give_way(state: State, at: int, retrain: Retrain, request: str, *instructions: Instruction) -> Decision:
    """End a cause that nobody asked for, as a request goes before it; the request's own cooldown follows."""
    assert state.cause is not None  # noqa: S101  every caller has one
    cause, why = state.cause.cause, "goes before what nobody asked for"
    rejects = [Reject(cause=cause, version=version, reason=f"superseded by request {request}, which {why}") for version in state.open]
    return _without_cause(state, at, retrain), [*instructions, *rejects, DoNothing(cause=cause, reason=f"cause ended: request {request} {why}")]


def after_verdict(state: State, at: int, retrain: Retrain, *instructions: Instruction, outcome: str = "") -> Decision:
    """After a verdict: wait for the other challengers, or for the next target, or end; with ``outcome``, or what follows from the verdicts."""
    assert state.cause is not None  # noqa: S101  every caller has one
    if state.stage is Stage.TRAINING:
        return state, list(instructions)
    more = bool(state.open) or state.slot < len(state.cause.targets)
    if more and state.cause.kind in UNASKED and state.pending and state.pending[0].kind == "request":
        return give_way(state, at, retrain, state.pending[0].cause, *instructions)
    if state.open:
        return changed(state, stage=Stage.VALIDATING), list(instructions)
    if state.slot < len(state.cause.targets):
        return changed(state, stage=Stage.COLLECTING), list(instructions)
    return end(state, at, retrain, *instructions, DoNothing(cause=state.cause.cause, reason=f"cause ended; {outcome or _outcome(state, state.cause.cause)}"))


def _outcome(state: State, cause: str) -> str:
    if state.asked:
        return f"the champion stays until a person promotes version {state.asked}"
    return f"version {state.winner} serves" if state.winner else f"the champion stays: no challenger of {cause} proved to be better"
