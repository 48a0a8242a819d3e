"""What starts a cause: alerts with votes enough, a slot of the schedule, enough new labels, a person or a pipeline. Pure."""

from __future__ import annotations

import msgspec

from detectors.rfc3339 import format_time
from detectors.settings.retraining import Retrain
from retrainer.cadence import SOON, floor, follow_up, follows_up, is_after_alert, is_earned
from retrainer.messages import AlertOpened, Cause, LabelsArrived, RetrainRequested
from retrainer.stage import LONG_AGO, State, Vote

EARLIER = 1
"""Place in ``retrain.refresh`` of the count at which a second challenger learns from all rows at hand: not the first, whose rows are too few to count beside those before them."""

CURABLE = frozenset({"performance", "drift", "label shift"})

UNASKED = frozenset({"schedule", "labels"})
"""Kinds of causes that nobody asked for, neither an alert nor somebody."""


def base(cause: str) -> str:
    """The alert behind a cause: a second change under the same alert is a cause of its own, ``ALERT#SEQUENCE``."""
    return cause.split("#", maxsplit=1)[0]


def alert_cause(event: AlertOpened, retrain: Retrain, name: str) -> Cause:
    """Train on what came after the estimated time of the change, at growing counts of labels, and once on what came before it, too.

    Whether a change is for good or a season of a world that comes back cannot be known when it is found: the gate tells which challenger is better. A pool needs no such one, as
    its members remember; nor one of fewer labels than its next member would have, as those that learn row by row are as good by then.

    Examples
    --------
    >>> alert_cause(AlertOpened(model="churn", at=9, alert_id="a1", kind="performance", change_at=5), Retrain(), "a1").targets
    (200, 600, 600, 1800)
    """
    targets: tuple[int, ...] = retrain.refresh
    both: tuple[int, ...] = ()
    if retrain.champion == "adaptive" and retrain.online:
        targets = tuple(count for count in targets if count >= SOON) or targets
    if retrain.earlier and retrain.champion == "single" and len(targets) > EARLIER:
        targets, both = (*targets[: EARLIER + 1], *targets[EARLIER:]), (EARLIER + 1,)
    return Cause(cause=name, kind=event.kind, since=event.change_at, clock="outcome" if event.kind == "performance" else "predicted", targets=targets, with_earlier=both)


def request_cause(event: RetrainRequested, retrain: Retrain) -> Cause:
    """Train once: on a window that is over, or as soon as there is enough."""
    target = retrain.refresh[0] if event.until is None else 1
    return Cause(cause=event.request_id, kind="request", since=event.since, until=event.until, clock="labelled", mode=event.mode, targets=(target,))


def alert_name(state: State, event: AlertOpened) -> str:
    """The alert's id; a second change under the same alert is a cause of its own."""
    known = {base(cause) for cause, _ in state.finished} | ({base(state.cause.cause)} if state.cause else set())
    return f"{event.alert_id}#{event.sequence}" if event.alert_id in known else event.alert_id


def weigh(state: State, event: AlertOpened, retrain: Retrain) -> tuple[State, str | None]:
    """The state with the alert's vote, and the reason not to act on it; None where it is to be acted on.

    Examples
    --------
    >>> half = Retrain(votes={"performance": 0.5, "drift": 0.5})
    >>> first, second = (AlertOpened(model="churn", at=at, alert_id=f"a{at}", kind="drift", change_at=0) for at in (1, 2))
    >>> state, reason = weigh(State(model="churn"), first, half)
    >>> reason, weigh(state, second, half)[1]
    ('votes: 0.5 of 1 needed; drift alert a1 waits for others', None)
    """
    weight = retrain.weight(event.kind)
    if weight == 0:
        return without_vote(state, event.alert_id), _no_vote(event, retrain)  # it may have had one, under another kind
    for cause, cut in state.finished:
        if base(cause) == event.alert_id and event.change_at <= cut:
            return state, f"alert {event.alert_id} was answered already, by trainings on what came until {cut}"
    if state.cause is not None and base(state.cause.cause) == event.alert_id:
        return state, None
    others = tuple(vote for vote in state.votes if vote.alert != event.alert_id and event.at - vote.at < retrain.votes_within)
    all_votes = (*others, Vote(alert=event.alert_id, at=event.at, weight=weight))
    votes = all_votes[-retrain.remembered.votes :]
    total = sum(vote.weight for vote in votes)
    new = msgspec.structs.replace(state, votes=votes)
    if total < retrain.votes_needed - 1e-9:  # three thirds are one
        forgotten = f"; that of {all_votes[0].alert} is forgotten, as retrain.remembered.votes is {len(votes)}" if len(all_votes) > len(votes) else ""
        return new, f"votes: {total:g} of {retrain.votes_needed:g} needed; {event.kind} alert {event.alert_id} waits for others{forgotten}"
    return new, None


def _no_vote(event: AlertOpened, retrain: Retrain) -> str:
    if event.kind not in CURABLE:
        return f"a {event.kind} alert is not cured by training"
    if retrain.votes:
        return f"votes: an alert of kind '{event.kind}' has none, so {event.kind} alert {event.alert_id} starts no training"
    if retrain.policy == "never":
        return f"policy 'never': {event.kind} alert {event.alert_id} is left to people"
    return f"policy '{retrain.policy}': {event.kind} alert {event.alert_id} without a loss of performance starts no training"


def without_vote(state: State, alert_id: str) -> State:
    """The state after an alert was resolved."""
    return msgspec.structs.replace(state, votes=tuple(vote for vote in state.votes if vote.alert != alert_id))


def by_itself(state: State, retrain: Retrain) -> tuple[tuple[int, int], ...]:
    """Counts of new labels and times, both needed, at which `unasked` will have something to say."""
    due = []
    if retrain.schedule is not None:
        next_slot = LONG_AGO if state.scheduled == LONG_AGO else (state.scheduled // retrain.schedule + 1) * retrain.schedule
        due.append((0, max(next_slot, state.quiet_until)))
    enough = floor(state.cadence, retrain)
    if enough is not None:
        due.append((enough, LONG_AGO if is_earned(retrain) else state.quiet_until))  # a member's wait is counted in labels
    return tuple(due)


def unasked(state: State, event: LabelsArrived, retrain: Retrain) -> tuple[State, Cause | None, str]:
    """The state, and the cause that nobody asked for, or else its name or "" and why there is none.

    The first slot of a schedule begins when it is first seen: there was a training before it, that of the champion.
    """
    cause = Cause(cause="", kind="schedule", since=None, clock="labelled", targets=(retrain.refresh[0],))
    quiet = event.at < state.quiet_until
    if quiet and not is_earned(retrain):
        return state, None, ""
    if not quiet and retrain.schedule is not None and event.at // retrain.schedule * retrain.schedule > state.scheduled:
        slot, first = event.at // retrain.schedule * retrain.schedule, state.scheduled == LONG_AGO
        new = msgspec.structs.replace(state, scheduled=slot)
        name = f"schedule-{format_time(slot)}"
        if first or any(name == finished for finished, _ in state.finished):
            return new, None, ""
        if state.trainings and state.trainings[-1] >= slot:
            return new, None, name
        return new, msgspec.structs.replace(cause, cause=name), ""
    enough = floor(state.cadence, retrain)
    if enough is not None and event.count >= enough:
        named = msgspec.structs.replace(cause, cause=f"labels-{format_time(event.at)}", kind="labels")
        if follows_up(state.cadence, retrain):
            named = msgspec.structs.replace(named, since=state.cadence.since, clock="predicted", newest=True, targets=follow_up(retrain))
        elif is_earned(retrain) and is_after_alert(state.cadence):
            named = msgspec.structs.replace(named, since=state.finished[-1][1] + 1, clock="outcome")
        return state, named, ""
    return state, None, ""
