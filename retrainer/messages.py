"""What happened (events, past tense) and what to do about it (instructions, imperative): the two sides of a decision.

Times are event times in epoch milliseconds. The cause (an alert id or a request id) travels from the event that brought it to every instruction that follows from it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Clock = Literal["outcome", "predicted", "labelled"]
"""Which time of a row a cause speaks of: ``outcome`` is the later of prediction and label, ``predicted`` and ``labelled`` are the two by themselves."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is a training, and on which rows.

    Attributes
    ----------
    cause : alert id or request id.
    kind : kind of the alert, "request", "schedule" or "labels".
    since, until : half-open interval of rows to train on, by ``clock``; None leaves a side open, and without ``since`` the newest rows are taken.
    newest : whether the newest rows are taken all the same, and ``since`` says only from when on rows are counted.
    targets : counts of labelled rows in the interval at which a challenger is trained, ascending. One challenger each, all sharing alpha.
    with_earlier : places in ``targets`` of challengers that are trained on all rows at hand, those from before the interval, too.
    """

    cause: str
    kind: str
    since: int | None
    until: int | None = None
    clock: Clock = "outcome"
    mode: Literal["online", "batch"] = "batch"
    targets: tuple[int, ...]
    newest: bool = False
    with_earlier: tuple[int, ...] = ()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Common to all events."""

    model: str
    at: int


class AlertOpened(Message, frozen=True, kw_only=True):
    """An alert was opened."""

    alert_id: str
    kind: str
    change_at: int
    sequence: int = 0


class AlertUpdated(AlertOpened, frozen=True, kw_only=True):
    """An open alert was told again: more evidence, a better estimate of the time of the change, or a second change."""


class AlertResolved(Message, frozen=True, kw_only=True):
    """What an alert was about went away."""

    alert_id: str


class RetrainRequested(Message, frozen=True, kw_only=True):
    """A person or a pipeline asked for a training; ``by`` is who, ``why`` what they said."""

    request_id: str
    by: str = ""
    why: str = ""
    mode: Literal["online", "batch"] = "batch"
    since: int | None = None
    until: int | None = None


class LabelsArrived(Message, frozen=True, kw_only=True):
    """Labelled rows arrived.

    ``count`` is how many there are by now that the current cause can train on, or, without a cause, how many came since the last one ended; ``labels`` is how many came in all.
    """

    count: int
    labels: int


class TimePassed(Message, frozen=True, kw_only=True):
    """It is that late, and no labelled row that was known by then is still to come."""


class CandidateTrained(Message, frozen=True, kw_only=True):
    """A training succeeded, and its model is registered as ``version``.

    It has seen nothing after ``cut``, half of its rows are from before ``middle``, and ``with_earlier`` it has seen what came before the change, too.
    """

    version: str
    cause: str
    cut: int
    middle: int
    cpu_seconds: float = 0.0
    with_earlier: bool = False


class MemberTrained(CandidateTrained, frozen=True, kw_only=True):
    """A training succeeded, and its model joined the pool of the adaptive champion ``version``, whose weights will say what it is worth."""


class PoolLearnt(Message, frozen=True, kw_only=True):
    """The adaptive champion ``version`` was revised: the newest of its members, which joined for a cause, has this weight by now."""

    version: str
    cause: str
    weight: float


class TrainingFailed(Message, frozen=True, kw_only=True):
    """A training crashed, or its model is of no use."""

    version: str
    cause: str
    reason: str
    cpu_seconds: float = 0.0


class GatePassed(Message, frozen=True, kw_only=True):
    """A challenger has proved that it is better."""

    version: str
    evidence: dict[str, Any]


class GateRefused(Message, frozen=True, kw_only=True):
    """A challenger is not better by enough, or did not prove it in time."""

    version: str
    reason: str
    evidence: dict[str, Any]


class CanaryPassed(Message, frozen=True, kw_only=True):
    """A canary has proved that it is better, by the events that it answered."""

    version: str
    evidence: dict[str, Any]


class CanaryRefused(Message, frozen=True, kw_only=True):
    """A canary is not better by enough, or did not prove it in time."""

    version: str
    reason: str
    evidence: dict[str, Any]


class CanaryWithdrawn(Message, frozen=True, kw_only=True):
    """A person took a canary back."""

    version: str
    by: str


class ChampionChanged(Message, frozen=True, kw_only=True):
    """Another version serves: somebody else promoted it, or ``rolled_back`` was, which served before."""

    version: str
    rolled_back: str = ""


Event = (
    AlertOpened
    | AlertUpdated
    | AlertResolved
    | RetrainRequested
    | LabelsArrived
    | TimePassed
    | CandidateTrained
    | MemberTrained
    | PoolLearnt
    | TrainingFailed
    | GatePassed
    | GateRefused
    | CanaryPassed
    | CanaryRefused
    | CanaryWithdrawn
    | ChampionChanged
)


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """Count the labelled rows of a cause, and say when there are ``target`` of them."""

    cause: str
    target: int
    reason: str


class Train(msgspec.Struct, frozen=True, kw_only=True):
    """Train a challenger on the rows of a cause; ``slot`` counts the cause's targets, ``with_earlier`` asks for all rows at hand."""

    cause: Cause
    slot: int
    reason: str
    with_earlier: bool = False


class StartGate(msgspec.Struct, frozen=True, kw_only=True):
    """Score a challenger in the shadow of the champion; it shares alpha with all ``challengers`` of its cause."""

    cause: str
    version: str
    cut: int
    challengers: int


class JudgeAnew(msgspec.Struct, frozen=True, kw_only=True):
    """Score a challenger from now on in the shadow of a new champion: what it proved against the former one proves nothing against this one."""

    cause: str
    version: str
    reason: str


class StartCanary(msgspec.Struct, frozen=True, kw_only=True):
    """Let a challenger serve a share of the events until a time, and judge it by them."""

    cause: str
    version: str
    share: float
    until: int
    evidence: dict[str, Any]
    reason: str


class RollBack(msgspec.Struct, frozen=True, kw_only=True):
    """Take a canary back."""

    cause: str
    version: str
    reason: str
    evidence: dict[str, Any] = {}


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Make a challenger the champion."""

    cause: str
    version: str
    evidence: dict[str, Any]
    reason: str


class AskApproval(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger passed its gate, and a person has the last word."""

    cause: str
    version: str
    evidence: dict[str, Any]
    reason: str


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """Announce that a challenger will not be promoted, and why."""

    cause: str
    version: str
    reason: str
    evidence: dict[str, Any] = {}


class Postpone(msgspec.Struct, frozen=True, kw_only=True):
    """Keep a cause in mind until a time."""

    cause: str
    until: int
    reason: str


class DoNothing(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, too: with its reason."""

    cause: str
    reason: str


Instruction = Collect | Train | StartGate | JudgeAnew | StartCanary | RollBack | Publish | AskApproval | Reject | Postpone | DoNothing
