"""What the gate found of a version, in words: on the page, in reports, on the terminal and in notifications."""

from __future__ import annotations

from retrainer.approval import Asked
from retrainer.versions import Version
from streams.view.wording import as_argument


def gate_in_words(version: Version) -> str:
    """The gate's reason, with the figures where the reason does not tell them itself; empty where there was no gate.

    Examples
    --------
    >>> gate = {"reason": "superseded by version 2", "labels": 800, "difference": 0.031, "interval": [0.01, 0.05], "wealth": 25.0, "threshold": 80.0}
    >>> gate_in_words(Version(model="churn", version="3", status="rejected", at=0, gate=gate))
    'superseded by version 2; loss lower by 0.031 (95 % +0.01 to +0.05) on 800 labels; evidence 25 of 80 needed'
    """
    gate = version.gate
    reason = str(gate.get("reason") or "")
    said = [reason] if reason else []
    difference, labels = gate.get("difference"), gate.get("labels")
    if isinstance(difference, int | float) and isinstance(labels, int) and labels and "labels" not in reason:
        low, high = gate.get("interval") or (None, None)
        between = f" (95 % {low:+.3g} to {high:+.3g})" if isinstance(low, int | float) and isinstance(high, int | float) else ""
        said.append(f"loss {'lower' if difference >= 0 else 'higher'} by {abs(difference):.3g}{between} on {labels:,} labels")
    if isinstance(gate.get("wealth"), int | float) and isinstance(gate.get("threshold"), int | float) and "wealth" not in reason:
        said.append(f"evidence {gate['wealth']:.3g} of {gate['threshold']:.3g} needed")
    return "; ".join(said)


def asked_in_words(version: Version, asked: Asked) -> str:
    """Of a version that a person was asked for: what the gate found, and how to answer while it waits."""
    name = as_argument(f"{version.model}@{version.version}")
    how = f"a person promotes it: driftwarden models promote --by NAME {name}, or rejects it: driftwarden models reject --by NAME {name}"
    return f"{asked.decision.reason}; {how if asked.waits else 'it was not promoted before another version served'}"
