"""A decision as it is told: *not* to retrain is one, too, with its reason."""

from __future__ import annotations

import hashlib

import msgspec


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided, on which event, and why.

    Attributes
    ----------
    at : event time, epoch milliseconds.
    event : name of what happened, such as ``AlertOpened``.
    stage : stage after the event.
    instruction : name of what is done about it, such as ``Train``, ``Postpone`` or ``DoNothing``.
    cause, reason, version : alert id, request id or slot; why; and which version it is about, "" for none.
    """

    model: str
    at: int
    event: str
    stage: str
    instruction: str
    cause: str
    reason: str
    version: str = ""

    @property
    def decision_id(self) -> str:
        """The same for the same decision, however often it is told.

        Examples
        --------
        >>> decision = Decision(model="churn", at=9, event="AlertOpened", stage="serving", instruction="DoNothing", cause="a1", reason="votes: 0.5 of 1 needed")
        >>> decision.decision_id
        '5550ad5857e971ee6e2b'
        """
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:20]
