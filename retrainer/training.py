"""One training: rows of a cause in, a registered challenger, a member more of the adaptive champion, or a failure with its reason out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer import messages
from retrainer.adaptive import Learner, learnt_until, member, started
from retrainer.announced import Announced
from retrainer.first_rows import Kept, first_rows
from retrainer.learners import Learners
from retrainer.messages import Event
from retrainer.trainers import Trainer, TrainingContext, TrainingError, check
from retrainer.trainers.adaptive_pool import member_name
from retrainer.training_checks import recorded, training_checks, training_of
from retrainer.training_set import TrainingSet, choose, wanted
from retrainer.trial import scale_before
from retrainer.versions import Version, digest_of_specification, next_number


@dataclass(frozen=True, kw_only=True)
class TrainingRoom:
    """What every training of a process has in common.

    Attributes
    ----------
    topic : name of the topic that the rows' offsets belong to, for the lineage.
    seed : of every training.
    keep : is given each training set with its lineage, before it is trained on.
    kept : gives a training set back; the first champion's is the beginning of what is chosen from.
    meter : processor seconds used so far; for quotas, and told with each version. Default: not measured.
    provenance : tells, for the name of a trainer, the code and the environment that versions are made with.
    """

    topic: str = "inference.events"
    seed: int = 0
    keep: Callable[[TrainingSet, dict[str, Any]], None] = field(default=lambda *_: None)
    kept: Kept = field(default=lambda *_: None)
    meter: Callable[[], float] = field(default=lambda: 0.0)
    provenance: Callable[[str], Mapping[str, Any]] = field(default=lambda _: {})


def train(
    instruction: messages.Train,
    rows: Examples,
    at: int,
    *,
    champion: str,
    announced: Announced,
    learners: Learners,
    trainer: Trainer,
    specification: MonitorSpecification,
    room: TrainingRoom,
) -> tuple[list[Version], list[Event]]:
    """Train for a cause. Gives the versions to announce, and what happened; whatever a trainer does, the champion stays.

    Parameters
    ----------
    rows : the newest at hand; the training set is chosen of them, and of those that the first champion was trained on.
    champion : the version in service, "" where none is known.
    """
    retrain, cause = specification.retrain, instruction.cause
    most = retrain.quotas.rows(len(rows.features) + 1)
    asked = msgspec.structs.replace(cause, since=None, until=None) if instruction.with_earlier or cause.newest else cause
    first = first_rows(announced.records, room.kept, rows)
    at_hand = first.before(rows, retrain.quotas.max_rows)
    chosen = choose(at_hand, asked, window=most if instruction.with_earlier else retrain.window, max_rows=most, min_per_class=retrain.min_per_class, replay=retrain.replay)
    lineage = first.lineage(chosen, room.topic)
    room.keep(chosen, lineage | {"model": specification.model, "cause": cause.cause, "at": at})
    pooled = retrain.champion == "adaptive"
    after = chosen.cut if pooled else chosen.last_event  # a pool answers by its revisions, and has none before its training
    times = {"cut": chosen.cut, "judged_after": after, "middle": chosen.middle}
    why = {"cause": msgspec.to_builtins(cause), "slot": instruction.slot, **times, "scale": scale_before(rows, specification)}
    draft = Version(
        model=specification.model,
        version=str(next_number(announced.records)),
        status="registered",
        at=at,
        parent=champion,
        cause=cause.cause,
        trained_on=lineage,
        gate=why | ({"with_earlier": True} if instruction.with_earlier else {}),
        provenance={"seed": room.seed, "specification": digest_of_specification(specification), **room.provenance(retrain.trainer)},
    )
    learner = learners.of(champion, retrain) if pooled else None
    serving = announced.model_of(champion) if pooled and learner is None else None
    parent = announced.model_of(champion) if cause.mode == "online" and champion else None
    spent = room.meter()
    try:
        if not len(chosen.examples):
            raise TrainingError("; ".join(chosen.warnings) or "there are no rows to train on")
        if instruction.with_earlier and wanted(chosen.examples, cause).all():
            raise TrainingError("there are no rows from before the change to train on")
        candidate = trainer.train(chosen.examples, specification, TrainingContext(seed=room.seed, cause=cause.cause, mode=cause.mode, parent=parent))
        check(candidate, chosen.examples, specification)
        before, target = training_of(champion, announced.records), cause.targets[instruction.slot]
        checks = training_checks(chosen, candidate.model, target=target, champion=before, specification=specification)
        draft = msgspec.structs.replace(draft, gate=draft.gate | {"checks": recorded(checks)})
        joining = None if learner is None else member(member_name(cause.cause, instruction.slot), candidate, chosen.cut)
        if pooled and learner is None:
            candidate = started(candidate, chosen.examples, specification, cut=chosen.cut, seed=room.seed, champion=serving)
            draft = msgspec.structs.replace(draft, trained_on=draft.trained_on | {"learnt": learnt_until(rows)})
        artifact = candidate.model.artifact() if joining is None else b""
    except (Exception, SystemExit) as error:  # whatever a trainer does, the champion stays
        reason = str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"
        spent = room.meter() - spent
        announced.failed(msgspec.structs.replace(draft, metrics=_cost(spent)))
        return [], [messages.TrainingFailed(model=draft.model, at=at, version=draft.version, cause=cause.cause, reason=reason, cpu_seconds=spent)]
    spent = room.meter() - spent
    draft = msgspec.structs.replace(draft, parameters=candidate.parameters, metrics=candidate.metrics | _cost(spent))
    if learner is not None and joining is not None:
        learner.join(joining)
        return _joined(draft, learner, champion, learners, spent)
    registered = announced.register(artifact, draft)
    announced.keep(registered.version, candidate.model)
    trained = messages.CandidateTrained(
        model=draft.model, at=at, version=draft.version, cause=cause.cause, cut=chosen.cut, middle=chosen.middle, cpu_seconds=spent, with_earlier=instruction.with_earlier
    )
    return [registered], [trained]


def _joined(draft: Version, learner: Learner, champion: str, learners: Learners, spent: float) -> tuple[list[Version], list[Event]]:
    """Announce an adaptive champion that has a member more."""
    learner.hold(draft.at)
    gate = {name: draft.gate[name] for name in ("cause", "slot", "cut", "middle")} | {"reason": f"a model trained on {draft.trained_on['rows']} rows joined the pool"}
    revision = learners.revise(champion, draft.at, cause=draft.cause, trained_on=draft.trained_on, gate=gate, member=draft)
    return [revision], [
        messages.MemberTrained(model=draft.model, at=draft.at, version=champion, cause=draft.cause, cut=int(gate["cut"]), middle=int(gate["middle"]), cpu_seconds=spent)
    ]


def _cost(cpu_seconds: float) -> dict[str, float]:
    """Among a version's metrics; where nothing is measured, nothing is told."""
    return {"cpu_seconds": round(cpu_seconds, 3)} if cpu_seconds else {}
