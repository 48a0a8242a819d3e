"""Where versions come from, as a graph: causes, reasons and rows go into trainings, trainings make versions, versions go through gates.

Each transformation (a training, or the registration of what a person brought, a gate, a rollback) is a node with its time and its outcome; between them lie what they took and what
they made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from retrainer.approval import asked_for, awaiting
from retrainer.decision import Decision
from retrainer.versions import Version, champion, history, is_brought

Kind = Literal["cause", "reason", "examples", "training", "registration", "version", "gate", "decision", "rollback"]
TRANSFORMATIONS = ("training", "registration", "gate", "decision", "rollback")
"""Kinds of nodes at which something happens; the others are what goes in and comes out."""

MOST_UNTRAINED = 20
"""Causes without a training that are drawn, the newest: an alert that is told again and again is one, but models live for years."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A box of the picture.

    Attributes
    ----------
    name : unique in its graph, and the same whenever the graph is made.
    label : what a person reads, a few words.
    outcome : of a transformation ("trained", "failed", "promoted", "rejected", ...), or of a version ("champion"); "" where nothing came of it yet.
    began, ended : event times, epoch milliseconds; None where there is none.
    details : figures and texts behind it.
    """

    name: str
    kind: Kind
    label: str
    outcome: str = ""
    began: int | None = None
    ended: int | None = None
    details: dict[str, Any] = {}


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """From one node to another, with what it stands for."""

    source: str
    target: str
    label: str = ""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """The graph of a model, its nodes in the order of their versions."""

    model: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def node(self, name: str) -> Node:
        """The node of a name."""
        return next(node for node in self.nodes if node.name == name)


def lineage(records: Sequence[Version], *, version: str | None = None, causes: Iterable[tuple[str, dict[str, Any]]] = (), decisions: Iterable[Decision] = ()) -> Lineage:
    """The graph of a model's versions.

    Parameters
    ----------
    records : of one model, at least one, in the order of their topic.
    version : this one and those it descends from; default: all.
    causes : what is known of causes besides their names: of alerts their summary and times.
    decisions : of the retrainer, in their order. They tell why there was a training, which versions wait for a person, and, where all versions are asked for, why the latest
        causes had none.

    Examples
    --------
    >>> first = [Version(model="churn", version="1", status=status, at=0, uri="u", cause="bootstrap") for status in ("registered", "promoted")]
    >>> second = [Version(model="churn", version="2", status=status, at=at, uri="u", parent="1", cause="a1") for status, at in (("registered", 5), ("rejected", 9))]
    >>> graph = lineage(first + second)
    >>> [(node.label, node.outcome) for node in graph.nodes if node.kind in TRANSFORMATIONS]
    [('training of 1', 'trained'), ('gate of 1', 'promoted'), ('training of 2', 'trained'), ('gate of 2', 'rejected')]
    >>> [edge.label for edge in graph.edges if edge.source == "version 1"]
    ['is judged', 'champion then', 'judged against']
    """
    told = history(records)
    wanted = list(told) if version is None else ancestors(told, version)
    serving = champion(records)
    known = dict(causes)
    said = list(decisions)
    reasons, asked, waiting = _reasons(told, said), asked_for(said), awaiting(records, said)
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for node, edge in () if version is not None else _untrained(records, said, known):
        nodes.setdefault(node.name, node)
        edges += [] if edge is None else [edge]
    for name in wanted:
        why = reasons.get(name)
        for node in _nodes(told[name], known, why, asked.get(name), outcome=_outcome(told[name], serving, waiting)):
            nodes.setdefault(node.name, node)
        edges += _edges(told[name], why, asked.get(name), known_versions={one for one in wanted if _trained(told[one][0])})
    return Lineage(model=records[0].model, nodes=tuple(nodes.values()), edges=tuple(edges))


def _outcome(records: Sequence[Version], serving: Version | None, waiting: Mapping[str, Decision]) -> str:
    last = records[-1]
    if serving is not None and serving.version == last.version:
        return "champion"
    return "waits for a person" if last.version in waiting else last.status.replace("_", " ")


def _reasons(told: dict[str, list[Version]], said: Sequence[Decision]) -> dict[str, Decision]:
    """Version to the decision to train it; of trainings that one cause asked for at the same time, the first decision is the first version's."""
    asked: dict[tuple[str, int], list[Decision]] = {}
    for one in said:
        if one.instruction == "Train":
            asked.setdefault((one.cause, one.at), []).append(one)
    found = {}
    for name, records in told.items():
        waiting = asked.get((records[0].cause, records[0].at))
        if waiting:
            found[name] = waiting.pop(0)
    return found


def ancestors(told: dict[str, list[Version]], version: str) -> list[str]:
    """A version and its parents, the oldest first."""
    line: list[str] = []
    while version in told and version not in line:
        line.append(version)
        version = told[version][0].parent
    return line[::-1]


def _untrained(records: Sequence[Version], said: Sequence[Decision], known: dict[str, dict[str, Any]]) -> Iterable[tuple[Node, Edge | None]]:
    """Causes that were answered without a training, each with the reason that was told last."""
    trained = {record.cause for record in records} | {one.cause for one in said if one.instruction == "Train"} | {""}
    last: dict[str, Decision] = {}
    for one in said:
        if one.instruction in {"DoNothing", "Postpone"} and one.cause not in trained:
            last.pop(one.cause, None)  # the order is that of their last decisions
            last[one.cause] = one
    for cause, one in list(last.items())[-MOST_UNTRAINED:]:
        node = _cause(cause, str(known.get(cause, {}).get("kind", "")), known.get(cause, {}))
        yield node, None
        reason = _reason(f"reason of {cause}", one, "no training" if one.instruction == "DoNothing" else "waits")
        yield reason, Edge(source=node.name, target=reason.name, label="is answered")


def _reason(name: str, decision: Decision, outcome: str) -> Node:
    details = {"event": decision.event, "instruction": decision.instruction, "stage": decision.stage}
    return Node(name=name, kind="reason", label=decision.reason, outcome=outcome, ended=decision.at, details=details)


def _nodes(records: list[Version], known: dict[str, dict[str, Any]], why: Decision | None, asked: Decision | None, *, outcome: str) -> Iterable[Node]:
    first, name = records[0], records[0].version
    if first.cause:
        cause = first.gate.get("cause", {})
        details = known.get(first.cause, {})
        yield _cause(first.cause, str(details.get("kind") or (cause.get("kind", "") if isinstance(cause, dict) else "")), details)
    if why is not None:
        yield _reason(f"reason of {name}", why, "train")
    if first.trained_on:
        rows = first.trained_on.get("rows")
        yield Node(name=f"examples of {name}", kind="examples", label=f"{rows:,} rows" if isinstance(rows, int) else "rows", details=first.trained_on)
    made = {"parameters": first.parameters, "metrics": first.metrics, "provenance": first.provenance}
    reason = {} if _trained(first) else {"reason": first.gate.get("reason", "")}
    origin = _origin(first)
    if origin == "registration":
        yield Node(name=f"{origin} of {name}", kind=origin, label=f"{origin} by {first.by}", outcome="registered", ended=first.at, details=made)
    else:
        yield Node(name=f"{origin} of {name}", kind=origin, label=f"{origin} of {name}", outcome="trained" if _trained(first) else "failed", ended=first.at, details=made | reason)
    if not _trained(first):
        return
    yield Node(name=f"version {name}", kind="version", label=f"version {name}", outcome=outcome, began=first.at, details={"uri": first.uri, "digest": first.digest})
    if asked is not None:  # no record says so until a person has answered
        yield Node(name=f"gate of {name}, asked", kind="gate", label=f"gate of {name}", outcome="passed", began=first.at, ended=asked.at, details={"reason": asked.reason})
    for place, record in enumerate(records):
        kind = _verdict_kind(record)
        if kind is not None:
            label = f"{kind} of {name}" if kind == "gate" else f"{kind} by {record.by}"
            began = first.at if kind == "gate" else record.at
            details = {**record.gate, "by": record.by}
            yield Node(name=f"{kind} of {name}, record {place}", kind=kind, label=label, outcome=record.status.replace("_", " "), began=began, ended=record.at, details=details)


def _cause(name: str, kind: str, known: dict[str, Any]) -> Node:
    what = "request" if kind == "request" else f"{kind} alert" if kind else "cause"
    return Node(name=f"cause {name}", kind="cause", label=f"{what} {name}", began=known.get("opened_at"), details=known)


def _trained(first: Version) -> bool:
    """A version begins with being registered; what begins with a rejection is a training that failed."""
    return bool(first.uri) or first.status != "rejected"


def _origin(first: Version) -> Literal["training", "registration"]:
    return "registration" if is_brought(first) else "training"


def _verdict_kind(record: Version) -> Literal["gate", "decision", "rollback"] | None:
    if record.status == "rolled_back":
        return "rollback"
    if record.status in {"canary", "promoted", "rejected"}:
        return "gate" if record.by in {"retrainer", "bootstrap"} else "decision"
    return None


def _edges(records: list[Version], why: Decision | None, asked: Decision | None, *, known_versions: set[str]) -> Iterable[Edge]:
    first, name = records[0], records[0].version
    training, version = f"{_origin(first)} of {name}", f"version {name}"
    if first.cause and why is not None:
        yield Edge(source=f"cause {first.cause}", target=f"reason of {name}", label="is answered")
        yield Edge(source=f"reason of {name}", target=training, label="asks for")
    elif first.cause:
        yield Edge(source=f"cause {first.cause}", target=training, label="asks for")
    if first.trained_on:
        yield Edge(source=f"examples of {name}", target=training, label="learnt from")
    if _trained(first):
        yield Edge(source=training, target=version, label="makes")
    if _trained(first) and asked is not None:
        yield Edge(source=version, target=f"gate of {name}, asked", label="is judged")
    for place, record in enumerate(records):
        kind = _verdict_kind(record)
        if kind is not None and _trained(first):
            yield Edge(source=version, target=f"{kind} of {name}, record {place}", label="is judged" if kind == "gate" else "")
    if first.parent in known_versions:
        yield Edge(source=f"version {first.parent}", target=training, label="champion then")
        asked_first = [f"gate of {name}, asked"] if asked is not None and _trained(first) else []
        gates = [f"gate of {name}, record {place}" for place, record in enumerate(records) if _verdict_kind(record) == "gate" and _trained(first)]
        for gate in (asked_first + gates)[:1]:
            yield Edge(source=f"version {first.parent}", target=gate, label="judged against")
