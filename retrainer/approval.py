"""Which versions wait for a person: where ``retrain.approval`` is ``manual``, what passed the gate is promoted by somebody's word. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from retrainer.decision import Decision
from retrainer.versions import Version, champion, history


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A version that passed the gate, and has no answer.

    Attributes
    ----------
    decision : that asked a person for it.
    waits : whether what it was judged against still serves. Else it waits no longer: it is not known to be better than what serves.
    """

    decision: Decision
    waits: bool


def asked_for(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Version to the decision that asked a person for it, when it had passed the gate."""
    return {one.version: one for one in decisions if one.instruction == "AskApproval"}


def unanswered(records: Sequence[Version], decisions: Iterable[Decision]) -> dict[str, Asked]:
    """Those that passed the gate and of which nothing was announced since, by version.

    Examples
    --------
    >>> asked = Decision(model="churn", at=9, event="GatePassed", stage="serving", instruction="AskApproval", cause="a1", reason="the gate was passed", version="2")
    >>> records = [Version(model="churn", version="1", status="promoted", at=0), Version(model="churn", version="2", status="registered", at=5, parent="1")]
    >>> another = Version(model="churn", version="3", status="promoted", at=9, by="ada")
    >>> [{version: one.waits for version, one in unanswered(so_far, [asked]).items()} for so_far in (records, [*records, another])]
    [{'2': True}, {'2': False}]
    """
    told, can_be_answered = history(records), answerable(records)
    mine = {version: decision for version, decision in asked_for(decisions).items() if version in told and told[version][-1].status == "registered"}
    return {version: Asked(decision=decision, waits=version in can_be_answered) for version, decision in mine.items()}


def answerable(records: Sequence[Version]) -> set[str]:
    """Versions of which a person who is asked can still decide: nothing became of them yet, and what they were judged against serves."""
    serving = champion(records)
    against = "" if serving is None else serving.version
    return {version for version, told in history(records).items() if told[-1].status == "registered" and told[0].parent == against}


def awaiting(records: Sequence[Version], decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Those of `unanswered` that wait for a word, by version, each with the decision that asked for it."""
    return {version: one.decision for version, one in unanswered(records, decisions).items() if one.waits}
