"""Which versions wait for a person: where ``retrain.approval`` is ``manual``, what passed the gate is promoted by somebody's word. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from retrainer.decision import Decision
from retrainer.versions import Version, champion, history


def asked_for(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Version to the decision that asked a person for it, when it had passed the gate."""
    return {one.version: one for one in decisions if one.instruction == "AskApproval"}


def awaiting(records: Sequence[Version], decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Those that wait for a word, by version, each with the decision that asked for it.

    One that was judged against a champion which serves no more waits no longer: it is not known to be better than what serves.

    Examples
    --------
    >>> asked = Decision(model="churn", at=9, event="GatePassed", stage="serving", instruction="AskApproval", cause="a1", reason="the gate was passed", version="2")
    >>> records = [Version(model="churn", version="1", status="promoted", at=0), Version(model="churn", version="2", status="registered", at=5, parent="1")]
    >>> list(awaiting(records, [asked])), list(awaiting([*records, Version(model="churn", version="3", status="promoted", at=9, by="ada")], [asked]))
    (['2'], [])
    """
    serving, told = champion(records), history(records)
    against = "" if serving is None else serving.version
    mine = {version: decision for version, decision in asked_for(decisions).items() if version in told and told[version][-1].status == "registered"}
    return {version: decision for version, decision in mine.items() if told[version][0].parent == against}
