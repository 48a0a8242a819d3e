"""Reasons of dead letters as the values of a label: few, whatever a producer sends."""

from __future__ import annotations

import re

from streams.formats.decoded import DeadLetter

FIELDS = frozenset(("event_id", "model", "kind", "model_version", "model_revision", "timestamp", "features", "prediction", "score", "probabilities"))
FIELDS |= {"label", "segments", "latency_ms", "status", "sampling_fraction"}
"""Fields of an event; a letter whose path begins with another one is of a name that the producer chose."""

_MISSING = re.compile(r"missing required field `(\w+)`")


def reason_of(dead: DeadLetter) -> str:
    """``not JSON``, ``not Arrow``, the field that was wrong, or ``other``; the letter itself, in ``inference.deadletter``, says it exactly.

    Examples
    --------
    >>> refused = [("not JSON: trailing characters", ""), ("expected `float | null`, got `str`", "features.age"), ("object missing required field `model`", "")]
    >>> [reason_of(DeadLetter(offset=0, index=0, value=b"", reason=reason, path=path)) for reason, path in refused]
    ['not JSON', 'features', 'model']
    """
    if "not JSON" in dead.reason:
        return "not JSON"
    if "Arrow" in dead.reason:
        return "not Arrow"
    missing = _MISSING.search(dead.reason)
    field = missing[1] if missing and not dead.path else dead.path.partition(".")[0].partition("[")[0]
    return field if field in FIELDS else "other"
