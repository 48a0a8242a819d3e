"""Decide: events in, instructions out, one table of rules. Pure; the state is a value that can be saved between any two steps.

A cause (alerts with votes enough, a slot of the schedule, enough new labels, a request) collects labelled rows, trains a challenger at each of its targets, and ends when
every challenger has a verdict. Where a change is behind it, its rows begin at the estimated time of that change.
The champion stays until a challenger has proved to be better. What is *not* done is an instruction with its reason, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from detectors.duration import format_duration
from detectors.settings.retraining import Retrain
from retrainer.cadence import PROOF, asked, chosen, is_earned, joined, soon, trained, weighed
from retrainer.course import Decision, after_verdict, changed, end, give_way, start, turn
from retrainer.messages import (
    AlertOpened,
    AlertResolved,
    AlertUpdated,
    AskApproval,
    CanaryPassed,
    CanaryRefused,
    CanaryWithdrawn,
    CandidateTrained,
    Cause,
    ChampionChanged,
    Collect,
    DoNothing,
    Event,
    GatePassed,
    GateRefused,
    JudgeAnew,
    LabelsArrived,
    MemberTrained,
    PoolLearnt,
    Postpone,
    Publish,
    Reject,
    RetrainRequested,
    RollBack,
    StartCanary,
    StartGate,
    TimePassed,
    Train,
    TrainingFailed,
)
from retrainer.quota import frees, with_cost, with_training
from retrainer.stage import LONG_AGO, Stage, State
from retrainer.triggers import UNASKED, alert_cause, alert_name, base, by_itself, request_cause, unasked, weigh, without_vote


class DecisionError(Exception):
    """An event that cannot have happened in this stage: our own fault, so the retrainer stops."""


def due(state: State, retrain: Retrain) -> tuple[tuple[int, int], ...]:
    """Counts of labelled rows and times from which `LabelsArrived` will make a difference: both of a pair are needed, and any pair will do.

    Examples
    --------
    >>> due(State(model="churn"), Retrain()), due(State(model="churn"), Retrain(new_labels=5_000))[0][0]
    ((), 5000)
    """
    if state.stage is Stage.SERVING:
        waiting = ((0, turn(state)),) if state.pending else ()
        return (*waiting, *by_itself(state, retrain))
    if state.stage is Stage.CANARY:
        return ((0, state.canary_until),)
    if state.stage is Stage.TRAINING or state.cause is None or state.slot >= len(state.cause.targets):
        return ()
    free = frees(state, retrain.quotas)[0] if state.blocked == state.slot else LONG_AGO  # the first postponement is told, so it is an event
    if state.cause.until is not None:
        return ((0, max(state.cause.until, free)),)
    return ((state.cause.targets[state.slot], free),)


def step(state: State, event: Event, retrain: Retrain) -> Decision:
    """The next state, and what to do.

    Raises
    ------
    DecisionError
        If the event is not expected in the state's stage. The message tells the story so far.

    Examples
    --------
    >>> state, (instruction,) = step(State(model="churn"), AlertOpened(model="churn", at=9, alert_id="a1", kind="performance", change_at=5), Retrain())
    >>> state.stage.value, instruction.reason
    ('collecting', 'performance alert a1: wait for 200 labelled events after the change')
    """
    rule = TABLE.get((state.stage, type(event)))
    if rule is None or event.model != state.model:
        expected = ", ".join(sorted(kind.__name__ for stage, kind in TABLE if stage is state.stage))
        story = " -> ".join(state.story) or "nothing yet"
        other = "" if event.model == state.model else f" of another model, '{state.model}'"
        raise DecisionError(f"{type(event).__name__} for model '{event.model}' in stage '{state.stage.value}'{other}; expected one of: {expected}; story: {story}")
    new, instructions = rule.action(state, event, retrain)
    if new.stage not in rule.to:
        raise DecisionError(f"rule '{rule.action.__name__}' went from '{state.stage.value}' to '{new.stage.value}', which is not in the table; story: {' -> '.join(new.story)}")
    return new, instructions


def answer_alert(state: State, event: AlertOpened, retrain: Retrain) -> Decision:
    """Start collecting, or wait for the end of the cooldown."""
    state, reason = weigh(state, event, retrain)
    if reason is not None:
        return state, [DoNothing(cause=event.alert_id, reason=reason)]
    cause = alert_cause(event, retrain, alert_name(state, event))
    others = _without(state.pending, event.alert_id)
    if event.at < state.quiet_until:
        return changed(state, pending=(*others, cause)), [Postpone(cause=cause.cause, until=state.quiet_until, reason="cooldown after the last cause")]
    return start(changed(state, pending=others), cause)


def answer_alert_while_collecting(state: State, event: AlertOpened, retrain: Retrain) -> Decision:
    """A later estimate of the change moves the beginning of the training rows."""
    assert state.cause is not None  # noqa: S101  of this stage
    state, reason = weigh(state, event, retrain)
    assert state.cause is not None  # noqa: S101  a vote changes no cause
    cause = alert_cause(event, retrain, state.cause.cause)
    if (
        reason is None
        and state.last_cut is None
        and cause.clock == state.cause.clock
        and state.cause.since is not None
        and cause.since is not None
        and cause.since > state.cause.since
    ):
        moved = msgspec.structs.replace(state.cause, since=cause.since)
        told = Collect(cause=moved.cause, target=moved.targets[0], reason=f"alert {event.alert_id} puts the change at {event.change_at}: rows before it are left out")
        return changed(state, cause=moved), [told]
    if reason is None and _outdates(state, event):
        return supersede(state, event, retrain)
    return state, [DoNothing(cause=event.alert_id, reason=reason or f"cause {state.cause.cause} is collecting labels, and its training will answer this alert, too")]


def answer_alert_while_validating(state: State, event: AlertOpened, retrain: Retrain) -> Decision:
    """A change that the challengers have not learnt makes them obsolete; any other alert is answered by them."""
    state, reason = weigh(state, event, retrain)
    assert state.cause is not None  # noqa: S101  of this stage
    if reason is None and _outdates(state, event):
        return supersede(state, event, retrain)
    return state, [DoNothing(cause=event.alert_id, reason=reason or f"challengers of cause {state.cause.cause} are being judged, and answer this alert, too")]


def _outdates(state: State, event: AlertOpened) -> bool:
    """Whether the world changed after the challengers' training cut.

    Of those that no alert asked for, after half of their rows, which were chosen without a word of the change; while none of these is trained yet, an alert need not wait for them.
    """
    assert state.cause is not None  # noqa: S101  every caller has one
    if state.last_cut is None:
        return state.cause.newest
    learnt = state.last_middle if state.cause.newest and state.last_middle is not None else state.last_cut
    return event.change_at > learnt


def supersede(state: State, event: AlertOpened, retrain: Retrain) -> Decision:
    """End the current cause for a newer change; the new one starts at once, as it has nothing to do with the old one's cooldown."""
    assert state.cause is not None  # noqa: S101  every caller has one
    what = "most of what it learnt from" if state.cause.newest else "the training cut"
    why = f"superseded by alert {event.alert_id}: the world changed at {event.change_at}, after {what}"
    rejects = [Reject(cause=state.cause.cause, version=version, reason=why) for version in state.open]
    name = alert_name(state, event)
    ended, postponed = end(changed(state, pending=_without(state.pending, event.alert_id)), event.at, retrain, *rejects)
    new, started = start(ended, alert_cause(event, retrain, name))
    return new, [*postponed, *started]


def remember_alert(state: State, event: AlertOpened, retrain: Retrain) -> Decision:
    """A training is under way, or a canary serves: think about the alert when it is through."""
    state, reason = weigh(state, event, retrain)
    why = f"version {state.canary} serves a share of the events, and is judged first" if state.canary else "another training is under way"
    if reason is not None or (state.cause is not None and base(state.cause.cause) == event.alert_id):
        return state, [DoNothing(cause=event.alert_id, reason=reason or (why if state.canary else "its training is under way"))]
    cause = alert_cause(event, retrain, alert_name(state, event))
    return changed(state, pending=(*_without(state.pending, event.alert_id), cause)), [Postpone(cause=cause.cause, until=event.at, reason=why)]


def _without(pending: tuple[Cause, ...], alert_id: str) -> tuple[Cause, ...]:
    """Causes that wait, but that of an alert."""
    return tuple(waiting for waiting in pending if base(waiting.cause) != alert_id)


def drop_resolved(state: State, event: AlertResolved, retrain: Retrain) -> Decision:
    """What waited for its turn is not needed any more; what has begun goes on, as the gate decides."""
    state = without_vote(state, event.alert_id)
    mine = [cause for cause in state.pending if base(cause.cause) == event.alert_id]
    left = _without(state.pending, event.alert_id)
    current = state.cause is not None and base(state.cause.cause) == event.alert_id
    if current and state.stage is Stage.COLLECTING and state.last_cut is None:
        why = f"alert {event.alert_id} was resolved before there were enough labels to train on"
        return end(changed(state, pending=left), event.at, retrain, DoNothing(cause=event.alert_id, reason=why))
    why = "resolved while it waited: no training" if mine else "resolved: nothing waits for it" if not current else "resolved: its challengers are judged all the same"
    return changed(state, pending=left), [DoNothing(cause=event.alert_id, reason=why)]


def answer_request(state: State, event: RetrainRequested, retrain: Retrain) -> Decision:
    """A person's request needs no policy and no cooldown, only its turn, and goes before what nobody asked for."""
    current = "" if state.cause is None else state.cause.cause
    if event.request_id in {current, *(waiting.cause for waiting in state.pending)}:
        reason = "it is under way" if event.request_id == current else f"it waits for its turn, after cause {current or 'before it'}"
        return state, [Postpone(cause=event.request_id, until=event.at, reason=f"request {event.request_id} was sent again: {reason}")]
    if event.request_id in {name for name, _ in state.finished}:
        return state, [DoNothing(cause=event.request_id, reason=f"request {event.request_id} was answered already")]
    cause = request_cause(event, retrain)
    said = (f" of {event.by}" if event.by else "") + (f" ({event.why})" if event.why else "")
    if state.stage is Stage.SERVING:
        return start(state, cause, said)
    earlier = sum(waiting.kind == "request" for waiting in state.pending)  # requests come before alerts, each in its turn
    if not earlier and state.stage in {Stage.COLLECTING, Stage.VALIDATING} and state.cause is not None and state.cause.kind in UNASKED:
        new, instructions = give_way(state, event.at, retrain, f"{cause.cause}{said}")
        new, started = start(new, cause, said)
        return new, [*instructions, *started]
    pending = (*state.pending[:earlier], cause, *state.pending[earlier:])
    return changed(state, pending=pending), [Postpone(cause=cause.cause, until=event.at, reason=f"request {cause.cause}{said}: after cause {current}")]


def start_due(state: State, event: LabelsArrived, retrain: Retrain) -> Decision:
    """After the cooldown the oldest cause that waits has its turn; then the schedule, and what is due by the count of new labels."""
    if state.pending and event.at >= turn(state):
        return start(msgspec.structs.replace(state, pending=state.pending[1:]), state.pending[0])
    new, cause, answered = unasked(state, event, retrain)
    if cause is not None:
        return start(new, cause, " after a promotion" if cause.newest else "")
    return new, [DoNothing(cause=answered, reason="there was a training in this slot of the schedule already")] if answered else []


def train_when_due(state: State, event: LabelsArrived, retrain: Retrain) -> Decision:
    """Train at the largest target that is reached; smaller ones of its kind that were reached meanwhile are skipped.

    Where a challenger that learnt from all rows at hand was proved to be better, what came before the change still counts, and later ones learn from it, too.
    """
    assert state.cause is not None  # noqa: S101  of this stage
    until = state.cause.until
    reached = sum(target <= event.count for target in state.cause.targets)
    if until is not None and event.at >= until and event.count == 0:
        return end(state, event.at, retrain, DoNothing(cause=state.cause.cause, reason=f"no labelled event in the window that request {state.cause.cause} names"))
    if reached <= state.slot or (until is not None and event.at < until):
        return state, []
    free, why = frees(state, retrain.quotas)
    if event.at < free:
        return (state, []) if state.blocked == state.slot else (changed(state, blocked=state.slot), [Postpone(cause=state.cause.cause, until=free, reason=why)])
    kinds = [place in state.cause.with_earlier for place in range(reached)]
    slot = next(place for place in range(state.slot, reached) if kinds[place] not in kinds[place + 1 :])
    earlier = slot in state.cause.with_earlier or (state.winner != "" and state.winner in state.with_earlier)
    before = ", and all from before the change" if earlier else ""
    train = Train(cause=state.cause, slot=slot, with_earlier=earlier, reason=f"{event.count} labelled events for cause {state.cause.cause}{before}")
    cadence = trained(state.cadence, event.labels, earned=state.cause.kind == "labels" and state.cadence.proved)
    return changed(state, "train", stage=Stage.TRAINING, slot=slot + 1, trainings=with_training(state, event.at), blocked=-1, cadence=cadence), [train]


def start_gate(state: State, event: CandidateTrained, retrain: Retrain) -> Decision:  # noqa: ARG001  every rule has this signature
    """Every challenger has to pass the gate, however good it looks."""
    assert state.cause is not None  # noqa: S101  of this stage
    spent = with_cost(state, event.at, event.cpu_seconds)
    known = (*state.with_earlier, event.version) if event.with_earlier else state.with_earlier
    new = changed(
        state, f"v{event.version}", stage=Stage.VALIDATING, open=(*state.open, event.version), with_earlier=known, last_cut=event.cut, last_middle=event.middle, spent=spent
    )
    return new, [StartGate(cause=event.cause, version=event.version, cut=event.cut, challengers=len(state.cause.targets))]


def go_on(state: State, event: MemberTrained, retrain: Retrain) -> Decision:
    """The adaptive champion has one member more; later targets still count."""
    assert state.cause is not None  # noqa: S101  of this stage
    new = changed(
        state,
        f"v{event.version} has a member more",
        stage=Stage.VALIDATING,
        last_cut=event.cut,
        last_middle=event.middle,
        winner=event.version,
        spent=with_cost(state, event.at, event.cpu_seconds),
    )
    if state.cause.kind not in {"request", "schedule"}:
        new = msgspec.structs.replace(new, cadence=(joined if state.cause.kind == "labels" else asked)(state.cadence, event.cause))
    return after_verdict(new, event.at, retrain)


def weigh_member(state: State, event: PoolLearnt, retrain: Retrain) -> Decision:
    """A member that was worth having earns the next one; what was said of it once is not said again."""
    cadence = weighed(state.cadence, event.cause, event.weight)
    if cadence == state.cadence or not is_earned(retrain):
        return state, []
    if not cadence.proved:
        return msgspec.structs.replace(state, cadence=cadence), []
    after = f"the next one joins after {soon(cadence)} labelled events, not {state.cadence.wait}"
    why = f"the member of {event.cause} has {event.weight:.0%} of the weight, and {PROOF:.0%} are enough: {after}"
    return changed(state, "a member was worth having", cadence=cadence), [DoNothing(cause=event.cause, reason=why)]


def reject_failed(state: State, event: TrainingFailed, retrain: Retrain) -> Decision:
    """A training that failed changes nothing for the champion."""
    new = changed(state, f"v{event.version} failed", stage=Stage.VALIDATING, spent=with_cost(state, event.at, event.cpu_seconds))
    return after_verdict(new, event.at, retrain, Reject(cause=event.cause, version=event.version, reason=f"training failed: {event.reason}"))


def publish_winner(state: State, event: GatePassed, retrain: Retrain) -> Decision:
    """The better one serves. Challengers that were trained later are judged anew, against it; those trained before it are closed. Later targets still count."""
    assert state.cause is not None  # noqa: S101  of this stage
    cause = state.cause.cause
    others = tuple(version for version in state.open if version != event.version)
    if retrain.approval == "manual":
        found = f" ({event.evidence['reason']})" if event.evidence.get("reason") else ""
        ask = AskApproval(cause=cause, version=event.version, evidence=event.evidence, reason=f"the gate was passed{found}; approval is 'manual'")
        return after_verdict(changed(state, f"ask for v{event.version}", open=others, asked=event.version), event.at, retrain, ask)
    beside = retrain.canary.share > 0 and state.champion != ""  # where none was announced, nothing could serve the rest
    later = () if beside else state.open[state.open.index(event.version) + 1 :]  # in the order of their trainings
    why = f"superseded by version {event.version}, which was proved first"
    rejects = [Reject(cause=cause, version=version, reason=why) for version in others if version not in later]
    if beside:
        until = event.at + retrain.canary.max_time
        why = f"the gate was passed: it answers {retrain.canary.share:.3g} of the events until it is judged by them"
        begin = StartCanary(cause=cause, version=event.version, share=retrain.canary.share, until=until, evidence=event.evidence, reason=why)
        return changed(state, f"canary v{event.version}", stage=Stage.CANARY, open=(), canary=event.version, canary_until=until), [begin, *rejects]
    publish = Publish(cause=cause, version=event.version, evidence=event.evidence, reason=str(event.evidence.get("reason", "")))
    anew = [
        JudgeAnew(cause=cause, version=version, reason=f"it learnt from more than version {event.version}, which serves now, and is judged against it anew") for version in later
    ]
    new = changed(state, f"publish v{event.version}", open=later, champion=event.version, winner=event.version, asked="")
    return after_verdict(new, event.at, retrain, publish, *rejects, *anew)


def reject_loser(state: State, event: GateRefused, retrain: Retrain) -> Decision:
    """The champion stays, and the evidence is announced."""
    assert state.cause is not None  # noqa: S101  of this stage
    new = changed(state, f"reject v{event.version}", open=tuple(version for version in state.open if version != event.version))
    return after_verdict(new, event.at, retrain, Reject(cause=state.cause.cause, version=event.version, reason=event.reason, evidence=event.evidence))


def publish_canary(state: State, event: CanaryPassed, retrain: Retrain) -> Decision:
    """Proved on the events that it answered itself: it serves all of them."""
    assert state.cause is not None  # noqa: S101  of this stage
    publish = Publish(cause=state.cause.cause, version=event.version, evidence=event.evidence, reason=str(event.evidence.get("reason", "")))
    new = changed(state, f"publish v{event.version}", canary="", champion=event.version, winner=event.version)
    return after_verdict(new, event.at, retrain, publish)


def roll_back_canary(state: State, event: CanaryRefused, retrain: Retrain) -> Decision:
    """The champion serves alone again; later targets still count."""
    assert state.cause is not None  # noqa: S101  of this stage
    back = RollBack(cause=state.cause.cause, version=event.version, reason=event.reason, evidence=event.evidence)
    return after_verdict(changed(state, f"roll back v{event.version}", canary=""), event.at, retrain, back)


def end_canary_in_time(state: State, event: LabelsArrived | TimePassed, retrain: Retrain) -> Decision:
    """A canary that the labels say nothing of does not serve for ever, be it that none come."""
    assert state.cause is not None  # noqa: S101  of this stage
    if event.at < state.canary_until:
        return state, []
    waited = format_duration(retrain.canary.max_time)
    why = f"no verdict within {waited}; a canary is judged by the labelled events that it answered, which ModelWatcher.for_event chooses"
    back = RollBack(cause=state.cause.cause, version=state.canary, reason=why)
    return after_verdict(changed(state, f"roll back v{state.canary}", canary=""), event.at, retrain, back)


def follow_withdrawal(state: State, event: CanaryWithdrawn, retrain: Retrain) -> Decision:
    """A person took the canary back, and has said so."""
    assert state.cause is not None  # noqa: S101  of this stage
    said = DoNothing(cause=state.cause.cause, reason=f"version {event.version}, which served a share of the events, was taken back by {event.by}")
    return after_verdict(changed(state, f"v{event.version} taken back", canary=""), event.at, retrain, said)


def follow_champion(state: State, event: ChampionChanged, retrain: Retrain) -> Decision:
    """Somebody else changed the champion: evidence against the old one is void."""
    cause = state.cause.cause if state.cause else ""
    tested = (*state.open, *([state.canary] if state.canary else []))
    rejects = [Reject(cause=cause, version=version, reason=f"the champion became version {event.version} during its test") for version in tested if version != event.version]
    new = changed(state, f"champion v{event.version}", open=(), canary="", champion=event.version, winner="", asked="", cadence=chosen(state.cadence, retrain))
    outcome = f"version {event.version} serves: it was chosen, not trained for {cause or 'a cause'}"
    if event.rolled_back:
        outcome = f"version {event.version} serves again, as version {event.rolled_back} was rolled back"
    if state.cause is None:
        return new, [DoNothing(cause=cause, reason=outcome)]
    return after_verdict(new, event.at, retrain, *rejects, outcome=outcome)


@dataclass(frozen=True)
class Rule:
    """What is done, and the stages that it may lead to."""

    action: Callable[[State, Any, Retrain], Decision]
    to: tuple[Stage, ...]


_S, _C, _T, _V, _K = Stage.SERVING, Stage.COLLECTING, Stage.TRAINING, Stage.VALIDATING, Stage.CANARY

TABLE: dict[tuple[Stage, type], Rule] = {
    (_S, AlertOpened): Rule(answer_alert, (_S, _C)),
    (_S, AlertUpdated): Rule(answer_alert, (_S, _C)),
    (_S, AlertResolved): Rule(drop_resolved, (_S,)),
    (_S, RetrainRequested): Rule(answer_request, (_S, _C)),
    (_S, LabelsArrived): Rule(start_due, (_S, _C)),
    (_S, PoolLearnt): Rule(weigh_member, (_S,)),
    (_S, ChampionChanged): Rule(follow_champion, (_S,)),
    (_C, AlertOpened): Rule(answer_alert_while_collecting, (_C,)),
    (_C, AlertUpdated): Rule(answer_alert_while_collecting, (_C,)),
    (_C, AlertResolved): Rule(drop_resolved, (_C, _S)),
    (_C, RetrainRequested): Rule(answer_request, (_C,)),
    (_C, LabelsArrived): Rule(train_when_due, (_C, _T, _S)),
    (_C, PoolLearnt): Rule(weigh_member, (_C,)),
    (_C, ChampionChanged): Rule(follow_champion, (_C, _S)),
    (_T, AlertOpened): Rule(remember_alert, (_T,)),
    (_T, AlertUpdated): Rule(remember_alert, (_T,)),
    (_T, AlertResolved): Rule(drop_resolved, (_T,)),
    (_T, RetrainRequested): Rule(answer_request, (_T,)),
    (_T, CandidateTrained): Rule(start_gate, (_V,)),
    (_T, MemberTrained): Rule(go_on, (_V, _C, _S)),
    (_T, TrainingFailed): Rule(reject_failed, (_V, _C, _S)),
    (_T, GatePassed): Rule(publish_winner, (_T,)),
    (_T, GateRefused): Rule(reject_loser, (_T,)),
    (_T, ChampionChanged): Rule(follow_champion, (_T,)),
    (_V, AlertOpened): Rule(answer_alert_while_validating, (_V, _C)),
    (_V, AlertUpdated): Rule(answer_alert_while_validating, (_V, _C)),
    (_V, AlertResolved): Rule(drop_resolved, (_V,)),
    (_V, RetrainRequested): Rule(answer_request, (_V, _C)),
    (_V, LabelsArrived): Rule(train_when_due, (_V, _T)),
    (_V, GatePassed): Rule(publish_winner, (_V, _C, _S, _K)),
    (_V, GateRefused): Rule(reject_loser, (_V, _C, _S)),
    (_V, PoolLearnt): Rule(weigh_member, (_V,)),
    (_V, ChampionChanged): Rule(follow_champion, (_V, _C, _S)),
    (_K, AlertOpened): Rule(remember_alert, (_K,)),
    (_K, AlertUpdated): Rule(remember_alert, (_K,)),
    (_K, AlertResolved): Rule(drop_resolved, (_K,)),
    (_K, RetrainRequested): Rule(answer_request, (_K,)),
    (_K, LabelsArrived): Rule(end_canary_in_time, (_K, _C, _S)),
    (_K, TimePassed): Rule(end_canary_in_time, (_K, _C, _S)),
    (_K, CanaryPassed): Rule(publish_canary, (_C, _S)),
    (_K, CanaryRefused): Rule(roll_back_canary, (_C, _S)),
    (_K, CanaryWithdrawn): Rule(follow_withdrawal, (_C, _S)),
    (_K, PoolLearnt): Rule(weigh_member, (_K,)),
    (_K, ChampionChanged): Rule(follow_champion, (_C, _S)),
}
"""The rule for each stage and event. What is not in it cannot happen."""


def picture() -> str:
    """The table as a Mermaid state diagram, for the documentation.

    Examples
    --------
    >>> print(picture().splitlines()[2])
        serving --> collecting : AlertOpened
    """
    arrows = [f"    {stage.value} --> {to.value} : {kind.__name__}" for (stage, kind), rule in TABLE.items() for to in rule.to if to is not stage]
    return "\n".join(["stateDiagram-v2", "    [*] --> serving", *arrows])
