"""A training, written down so that another process, on another day and another machine, can do it again; and that process.

The task is one file of plain values: rows, specification, seed, and what else the training was given. `repeat` needs nothing but this package, the task and the packages
that the version names: no Kafka, no registry, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from detectors.errors import DriftwardenError
from detectors.event_batch import Column
from detectors.rows.examples import Examples
from detectors.settings.stored import STORED
from detectors.specification import MonitorSpecification
from retrainer.provenance import provenance
from retrainer.registry import digest_of, load_model
from retrainer.trainers import Trainer, TrainingContext, trainer_named
from retrainer.training_set import digest
from retrainer.versions import Version

TASK, RESULT, ARTIFACT = "task.msgpack", "result.json", "model.skops"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a training was given.

    Attributes
    ----------
    specification : of the monitor, as plain values.
    cause, mode, seed : as the trainer was told.
    cut : epoch milliseconds, as the pool of an adaptive champion was told.
    rows : name to column, see `packed`; ``rows_digest`` names them.
    champion : artifact of the champion of its time, where the training went on from it (mode "online") or took it in as a member (an adaptive champion); empty for none.
    joins : whether the model joined an adaptive champion as a member, and no pool begins with it.
    variables : names of the environment that a command is given besides those that every program needs; their values are not kept.
    """

    specification: dict[str, Any]
    cause: str
    mode: str
    seed: int
    cut: int
    rows: dict[str, Any]
    rows_digest: str
    champion: bytes = b""
    joins: bool = False
    variables: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the digest of the artifact, the code and environment of the process, and the code that it ran."""

    digest: str
    parameters: dict[str, Any]
    provenance: dict[str, Any]
    ran: str


def trained(records: Sequence[Version], revision: int = 0) -> Version:
    """The record of the training behind a revision of a version: the first one's, or that of a batch model that joined an adaptive champion.

    Raises
    ------
    DriftwardenError
        If there is no such revision, or if it has learnt from labels alone.

    Examples
    --------
    >>> first = Version(model="churn", version="1", status="registered", at=0)
    >>> joined, learnt = (Version(model="churn", version="1", revision=n, status="updated", at=n, gate=gate) for n, gate in ((1, {"cause": {}}), (2, {})))
    >>> trained([first, joined, learnt]).revision, trained([first, joined, learnt], 1).revision
    (0, 1)
    """
    record = records[0]
    made = {0: record} | {one.revision: one for one in records if _joined(one)}
    if revision in made:
        return made[revision]
    trainings = f"there are trainings in --revision {', '.join(map(str, sorted(made)))}"
    if revision not in {one.revision for one in records}:
        raise DriftwardenError(f"version {record.version} of '{record.model}' has no revision {revision}; {trainings}")
    raise DriftwardenError(
        f"revision {revision} of version {record.version} of '{record.model}' has learnt from labels row by row, in the order in which those of several partitions came, "
        f"which nobody keeps; only a training can be done again, and {trainings}"
    )


def _joined(record: Version) -> bool:
    return record.status == "updated" and "cause" in record.gate


def announced_model(record: Version, artifact: bytes) -> str:
    """Digest of the model that a training made, of its announced artifact: that of the newest member, where it joined a pool.

    Raises
    ------
    DriftwardenError
        If the pool does not hold it.
    """
    if not _joined(record):
        return digest_of(artifact)
    from retrainer.trainers.adaptive_pool import AdaptivePool, member_name  # noqa: PLC0415  river takes a second to import, which nobody waits for who does not ask for it

    name = member_name(record.cause, int(record.gate["slot"]))
    found = [one.artifact for one in AdaptivePool.from_artifact(artifact).members if one.name == name]
    if not found:
        raise DriftwardenError(f"revision {record.revision} of version {record.version} of '{record.model}' was announced with a member {name!r}, and its artifact holds none")
    return digest_of(found[0])


def task_of(record: Version, rows: Examples, specification: MonitorSpecification, *, champion: bytes = b"") -> Task:
    """The task of a training, by its record as `trained` gives it.

    Raises
    ------
    DriftwardenError
        If it is not one that can be done again, or the rows are not those that it was given.
    """
    if "seed" not in record.provenance:
        raise DriftwardenError(f"version {record.version} of '{record.model}' was announced without its provenance, so nobody knows its seed and its code")
    found, announced = digest(rows), record.trained_on.get("digest")
    if found != announced:
        raise DriftwardenError(f"the rows have the digest {found}, but version {record.version} was trained on {announced}: some have expired, or were changed")
    cause = record.gate.get("cause", {})
    return Task(
        specification=specification.model_dump(mode="json"),
        cause=record.cause,
        mode=cause.get("mode", "batch"),
        seed=int(record.provenance["seed"]),
        cut=int(record.gate.get("cut", record.at)),
        rows=packed(rows),
        rows_digest=found,
        champion=champion,
        joins=_joined(record),
    )


def train_again(task: Task, *, trainer: Trainer | None = None) -> tuple[bytes, dict[str, Any]]:
    """Artifact and parameters of the training, done again.

    Parameters
    ----------
    trainer : instead of the one that the specification names.

    Raises
    ------
    DriftwardenError
        If the rows of the task were changed.
    """
    rows = unpacked(task.rows)
    if digest(rows) != task.rows_digest:
        raise DriftwardenError(f"the rows of the task have the digest {digest(rows)}, but {task.rows_digest} was written down: the file was changed")
    specification = MonitorSpecification.model_validate(task.specification, context=STORED)
    champion = load_model(task.champion) if task.champion else None
    parent = champion if task.mode == "online" else None
    context = TrainingContext(seed=task.seed, cause=task.cause, mode=task.mode, parent=parent)  # type: ignore[arg-type]  # one of the two modes, as announced
    candidate = (trainer or trainer_named(specification.retrain.trainer, variables=task.variables)).train(rows, specification, context)
    if specification.retrain.champion == "adaptive" and not task.joins:
        from retrainer.adaptive import started  # noqa: PLC0415  river takes a second to import, which nobody waits for who does not ask for it

        candidate = started(candidate, rows, specification, cut=task.cut, seed=task.seed, champion=champion)
    return candidate.model.artifact(), candidate.parameters


def packed(rows: Examples) -> dict[str, Any]:
    """Columns as plain values, numbers as the bytes that they are.

    Examples
    --------
    >>> packed_column = _packed(np.array([1.5, np.nan]))
    >>> packed_column["dtype"], len(packed_column["values"]), _unpacked(packed_column).tolist(), _unpacked(_packed(np.array(["a", None], object))).tolist()
    ('<f8', 16, [1.5, nan], ['a', None])
    """
    columns = {name: _packed(getattr(rows, name)) for name in rows.__dataclass_fields__ if name not in {"model", "features"}}
    return {"model": rows.model, "columns": columns, "features": {name: _packed(column) for name, column in rows.features.items()}}


def unpacked(content: dict[str, Any]) -> Examples:
    """The rows of `packed`."""
    columns = {name: _unpacked(column) for name, column in content["columns"].items()}
    return Examples(model=content["model"], features={name: _unpacked(column) for name, column in content["features"].items()}, **columns)


def _packed(column: Column) -> dict[str, Any]:
    if column.dtype == object:
        return {"dtype": "object", "values": column.tolist()}
    return {"dtype": column.dtype.newbyteorder("<").str, "values": column.astype(column.dtype.newbyteorder("<")).tobytes()}


def _unpacked(content: dict[str, Any]) -> Any:
    if content["dtype"] == "object":
        values = np.empty(len(content["values"]), object)
        values[:] = content["values"]
        return values
    return np.frombuffer(content["values"], content["dtype"]).copy()


def repeat(folder: Path) -> Result:
    """Do the task of a folder, and leave the artifact and the result beside it."""
    task = msgspec.msgpack.decode((folder / TASK).read_bytes(), type=Task)
    artifact, parameters = train_again(task)
    (folder / ARTIFACT).write_bytes(artifact)
    trainer = str(task.specification.get("retrain", {}).get("trainer", ""))
    result = Result(digest=digest_of(artifact), parameters=parameters, provenance=provenance(trainer), ran=__file__)
    (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    return result
