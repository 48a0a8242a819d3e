"""A model card (Mitchell et al. 2019) made of evidence: nothing in it was typed by hand, and what is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.rfc3339 import format_time
from detectors.specification import MonitorSpecification
from retrainer.approval import awaiting
from retrainer.decision import Decision
from retrainer.versions import Version, champion, history


def model_card(
    records: Sequence[Version], version: str, *, specification: MonitorSpecification | None = None, cause: dict[str, Any] | None = None, asked: Decision | None = None
) -> dict[str, Any]:
    """The card of a version, as plain values.

    Parameters
    ----------
    records : of its model, in the order of their topic.
    specification : of the monitor: what the model takes and gives, and who is told apart.
    cause : what is known of the alert that it was trained for; times in epoch milliseconds.
    asked : of a version that passed the gate where a person promotes, the decision that asked for it (`retrainer.approval.asked_for`).

    Examples
    --------
    >>> records = [Version(model="churn", version="1", status=status, at=0, metrics={"training_accuracy": 0.9}) for status in ("registered", "promoted")]
    >>> card = model_card(records, "1")
    >>> card["model"]["status"], card["evaluation"]["verdict"], card["limits"][2]
    ('champion', 'promoted', 'It was not compared with another model on the same events.')
    """
    told = history(records)
    mine = told[version]
    first, last = mine[0], mine[-1]
    serving = champion(records)
    is_champion = serving is not None and serving.version == version
    is_open = last.status == "registered"
    told_by: dict[str, Any] = {"at": format_time(last.at), "by": last.by, "compared_with": first.parent, "evidence": _with_times(last.gate)}
    evaluation = {"verdict": last.status.replace("_", " "), **told_by}
    if asked is not None and is_open:
        answer = "waits for a person" if awaiting(records, [asked]) else "was not promoted"
        evaluation |= {"verdict": f"passed the gate, {answer}", "at": format_time(asked.at), "by": "retrainer", "evidence": {"reason": asked.reason}}
    return {
        "model": {
            "name": first.model,
            "version": version,
            "revision": last.revision,
            "status": "champion" if is_champion else last.status.replace("_", " "),
            "trained_at": format_time(first.at),
            "artifact": first.uri,
            "digest": last.digest,
        },
        "use": _use(specification),
        "training": {
            "why": {"cause": first.cause, **{key: format_time(value) if key.endswith("_at") else value for key, value in (cause or {}).items()}},
            "rows": _with_times(first.trained_on),
            "parameters": first.parameters,
            "metrics": first.metrics,
            "parent": first.parent,
        },
        "evaluation": evaluation if asked is not None or not is_open else {"verdict": "none yet", "compared_with": first.parent, "evidence": {}},
        "history": [{"status": record.status.replace("_", " "), "at": format_time(record.at), "by": record.by, "reason": str(record.gate.get("reason", ""))} for record in mine],
        "provenance": first.provenance,
        "limits": _limits(first, last, is_compared=asked is not None),
    }


ON_TRAINING_ROWS = {"training_accuracy": "training accuracy", "training_mae": "training mean absolute error"}
"""Metrics of the very rows that a model was fitted to, in words."""

_TIMES = {"at", "cut", "judged_after", "middle", "since", "until"}
"""Keys of evidence and of training rows whose values are epoch milliseconds."""


def _with_times(content: dict[str, Any]) -> dict[str, Any]:
    """The same with times as people read them."""
    told: dict[str, Any] = {}
    for key, value in content.items():
        is_time = key in _TIMES and isinstance(value, int)
        told[key] = format_time(value) if is_time else _with_times(value) if isinstance(value, dict) else value
    return told


def _use(specification: MonitorSpecification | None) -> dict[str, Any]:
    if specification is None:
        return {}
    features = {name: feature.type for name, feature in specification.features.items()}
    use: dict[str, Any] = {"task": specification.task, "features": features}
    if specification.positive_class:
        use["positive_class"] = specification.positive_class
    if specification.segments:
        use["watched_segments"] = list(specification.segments)
    return use


def _limits(first: Version, last: Version, *, is_compared: bool) -> list[str]:
    limits = []
    if not first.trained_on:
        limits.append("The rows that it was trained on are not recorded.")
    for name, said in ON_TRAINING_ROWS.items():
        if name in first.metrics:
            rows = f"{first.trained_on['rows']:,} rows" if "rows" in first.trained_on else "rows"
            limits.append(f"Its {said}, {first.metrics[name]:.4g}, is of the {rows} that it was fitted to: of other rows it says nothing, so it has no interval.")
    gate = last.gate
    if gate.get("labels") is None and not is_compared:
        limits.append("It was not compared with another model on the same events.")
    elif gate.get("labels") is not None and gate.get("interval") and None not in gate["interval"]:
        low, high = gate["interval"]
        limits.append(f"Its advantage was measured on {gate['labels']:,} labelled events: loss lower by {low:+.3g} to {high:+.3g} (95 %). On events unlike those nothing is known.")
    if not first.provenance:
        limits.append("The code and the environment of its training are not recorded, so it cannot be trained again.")
    elif first.parameters.get("trainer", "scikit-learn") != "scikit-learn" and not first.provenance.get("trainer_code"):
        limits.append("The code of its trainer is not recorded.")
    unsure = [name for name, told in (gate.get("segments") or {}).items() if isinstance(told, dict) and told.get("outcome") == "insufficient"]
    if unsure:
        limits.append(f"Too few labelled events to judge these segments: {', '.join(unsure)}.")
    return limits


def markdown(card: dict[str, Any]) -> str:
    """The card for people.

    Examples
    --------
    >>> text = markdown(model_card([Version(model="churn", version="1", status="registered", at=0)], "1"))
    >>> text.splitlines()[0], "## Limits" in text
    ('# churn, version 1', True)
    """
    model, training, evaluation = card["model"], card["training"], card["evaluation"]
    lines = [f"# {model['name']}, version {model['version']}", ""]
    lines += _table({key: value for key, value in model.items() if key not in {"name", "version"} and value not in {"", 0}})
    if card["use"]:
        lines += ["", "## Use", "", *_table(card["use"])]
    lines += ["", "## Training", ""]
    lines += _table({"cause": training["why"].get("cause", ""), **{key: value for key, value in training["why"].items() if key != "cause"}, "parent": training["parent"]})
    for heading, content in (("Rows", training["rows"]), ("Parameters", training["parameters"]), ("Metrics", training["metrics"])):
        if content:
            lines += ["", f"### {heading}", "", *_table(content)]
    lines += ["", "## Evaluation", ""]
    lines += _table({key: value for key, value in evaluation.items() if key != "evidence"} | evaluation["evidence"])
    lines += ["", "## Limits", "", *([f"- {limit}" for limit in card["limits"]] or ["None that the records tell of."])]
    lines += ["", "## History", "", "| at | status | by | reason |", "|---|---|---|---|"]
    lines += [f"| {entry['at']} | {entry['status']} | {entry['by']} | {_cell(entry['reason'])} |" for entry in card["history"]]
    provenance = dict(card["provenance"])
    packages = provenance.pop("packages", {})
    if provenance:
        lines += ["", "## Provenance", "", *_table(provenance)]
    if packages:
        lines += ["", "<details><summary>Packages</summary>", "", *_table(packages), "", "</details>"]
    return "\n".join(lines) + "\n"


def _table(content: dict[str, Any]) -> list[str]:
    shown = [f"| {name.replace('_', ' ')} | {_cell(value)} |" for name, value in content.items() if value is not None and value != ""]
    return ["| | |", "|---|---|", *shown]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_cell(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return ", ".join("unknown" if item is None else _cell(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")
