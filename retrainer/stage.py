"""Where a model's retraining stands: the state that decisions start from, and how it is rebuilt from announced versions."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from retrainer.cadence import Cadence
from retrainer.canary import canary
from retrainer.messages import Cause
from retrainer.versions import Version, champion, history

DAY = 86_400_000
LONG_AGO = -(2**63)
STORY = 20
"""Steps of the story that an error tells."""


class Stage(Enum):
    """Stages of one model's retraining."""

    SERVING = "serving"
    COLLECTING = "collecting"  # labels after the change are counted
    TRAINING = "training"
    VALIDATING = "validating"  # challengers are judged; refreshes may follow
    CANARY = "canary"  # one that passed the gate serves a share of the events, and is judged by them


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """An open alert that counts towards a training, and when it was last told."""

    alert: str
    at: int
    weight: float


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What `decide.step` remembers of one model. A value: encode it with msgspec to save it.

    Attributes
    ----------
    champion : version in service, "" where none is known.
    cause, slot : the current cause, and the first of its targets that has not been trained for.
    open : versions that are being judged.
    canary, canary_until : version that serves a share of the events, "" for none, and when it is taken back without a verdict, epoch milliseconds.
    last_cut : latest training cut of the cause, epoch milliseconds.
    last_middle : event time that half of the rows of that training came before.
    winner : last version that the cause promoted.
    asked : last version of the cause that a person was asked for.
    with_earlier : versions of the cause that were trained on all rows at hand.
    pending : causes that wait for their turn.
    finished : causes that are through, with their last training cut.
    trainings : times of the trainings of the last day, the last one in any case.
    spent : times of trainings of the last day, and their processor seconds.
    votes : open alerts that count towards a training.
    scheduled : beginning of the last slot of the schedule that was looked at.
    cadence : how soon there is a training that no alert asks for.
    quiet_until : end of the cooldown, epoch milliseconds.
    blocked : slot whose postponement by the quota was told already, -1 for none.
    story : the last steps, for messages.
    """

    model: str
    stage: Stage = Stage.SERVING
    champion: str = ""
    cause: Cause | None = None
    slot: int = 0
    open: tuple[str, ...] = ()
    canary: str = ""
    canary_until: int = LONG_AGO
    last_cut: int | None = None
    last_middle: int | None = None
    winner: str = ""
    asked: str = ""  # an earlier release did not say it
    with_earlier: tuple[str, ...] = ()
    pending: tuple[Cause, ...] = ()
    finished: tuple[tuple[str, int], ...] = ()
    trainings: tuple[int, ...] = ()
    spent: tuple[tuple[int, float], ...] = ()
    votes: tuple[Vote, ...] = ()
    scheduled: int = LONG_AGO
    cadence: Cadence = Cadence()
    quiet_until: int = LONG_AGO
    blocked: int = -1
    story: tuple[str, ...] = ()


def restore(model: str, records: Sequence[Version]) -> State:
    """State from the versions announced so far: finished causes are not trained again, and challengers without a verdict go on being judged.

    A ``registered`` record carries the cause, its slot and the training cut in ``gate``, and so does the rejection of a training that failed; that is enough to take up a test,
    or to wait for the cause's next target. Evidence against a champion that somebody else replaced is void, so challengers that were registered before that are judged no further.
    """
    trained = [record for record in records if "cause" in record.gate]
    current = champion(records)
    spent = tuple((record.at, record.metrics["cpu_seconds"]) for record in trained if "cpu_seconds" in record.metrics)
    state = State(model=model, champion="" if current is None else current.version, trainings=tuple(record.at for record in trained), spent=spent)
    if not trained:
        return state
    told = history(records)
    last = trained[-1]
    mine = [record for record in trained if record.cause == last.cause]
    chosen = max((place for place, record in enumerate(records) if record.by != "retrainer" and record.status in {"promoted", "rolled_back"}), default=-1)
    later = {record.version for record in records[chosen + 1 :] if record.status == "registered"}
    untold = tuple(record.version for record in mine if told[record.version][-1].status == "registered" and record.version in later)
    cause = msgspec.convert(last.gate["cause"], Cause)
    slot = int(last.gate["slot"]) + 1
    finished = {record.cause: int(record.gate["cut"]) for record in trained}
    beside = canary(records)
    if not untold and beside is None and slot >= len(cause.targets):
        return msgspec.structs.replace(state, finished=tuple(finished.items()))
    finished.pop(last.cause)
    winner = next((record.version for record in reversed(mine) if any(one.status == "promoted" for one in told[record.version])), "")
    registered = [record for record in mine if record.status == "registered"]
    return msgspec.structs.replace(
        state,
        stage=Stage.CANARY if beside is not None else Stage.VALIDATING if untold else Stage.COLLECTING,
        canary="" if beside is None else beside.version,
        canary_until=LONG_AGO if beside is None else next(int(one.gate["until"]) for one in told[beside.version] if one.status == "canary"),
        cause=cause,
        slot=slot,
        open=untold,
        last_cut=int(registered[-1].gate["cut"]) if registered else None,
        last_middle=registered[-1].gate.get("middle") if registered else None,  # an earlier release did not say it
        winner=winner,
        with_earlier=tuple(record.version for record in mine if record.gate.get("with_earlier", False)),
        finished=tuple(finished.items()),
        story=("restored", last.cause, *(f"v{version}" for version in untold)),
    )
