"""Versions of a model, as announced on ``models.versions``, and the fold over them that says which one is the champion.

The topic is the truth: who reads all records of a model knows its champion, without asking a registry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from detectors.specification import MonitorSpecification

VersionStatus = Literal["registered", "canary", "promoted", "updated", "rejected", "rolled_back"]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One record in the life of a model version.

    Attributes
    ----------
    model, version : what the record speaks of; versions that the retrainer makes are ``"1"``, ``"2"``, ...
    revision : counts up when an adaptive champion announces what it has learnt since; 0 otherwise.
    status : what happened to the version.
    at : event time, epoch milliseconds.
    by : principal: "retrainer", or a person.
    uri, digest : where the artifact lies, and "sha256:" with 64 hexadecimal digits; empty where a training failed.
    parent : the champion when this version was trained, "" for the first.
    cause : alert id or request id.
    trained_on : ``topic``, ``offsets`` (partition to first and last), ``rows``, ``digest`` of the training set.
    parameters : what the trainer was told, its seed and the versions of its code.
    metrics : numbers that the trainer measured.
    share : of event ids that a canary answers beside the champion (`retrainer.canary`); None of any other record.
    gate : evidence of the verdict, or the cause's progress on a ``registered`` record.
    provenance : ``seed``, ``specification`` (digest of all of the monitor's keys), and the code and environment of the training as `retrainer.provenance` tells them.
    """

    model: str
    version: str
    revision: int = 0
    status: VersionStatus
    at: int
    by: str = "retrainer"
    uri: str = ""
    digest: str = ""
    parent: str = ""
    cause: str = ""
    trained_on: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    share: float | None = None
    gate: dict[str, Any] = {}
    provenance: dict[str, Any] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A person, or a pipeline, asks for a training.

    ``since`` and ``until`` (epoch milliseconds, half-open) choose training rows by the time at which their label became known; None leaves the side open.
    """

    request_id: str
    model: str
    mode: Literal["online", "batch"] = "batch"
    reason: str = ""
    cause: str = ""
    requested_at: int
    since: int | None = None
    until: int | None = None


def champion(records: Iterable[Version]) -> Version | None:
    """The version in service after these records of one model; None before the first promotion.

    A rollback takes its version out until somebody promotes it again, and the one promoted before it serves.

    Examples
    --------
    >>> one, two = (Version(model="churn", version=name, status="promoted", at=0) for name in "12")
    >>> back = Version(model="churn", version="2", status="rolled_back", at=1)
    >>> champion([one, two]).version, champion([one, two, back]).version, champion([])
    ('2', '1', None)
    """
    served: list[Version] = []
    for record in records:
        if record.status == "promoted":
            served = [version for version in served if version.version != record.version] + [record]
        elif record.status == "updated":
            served = [record if version.version == record.version else version for version in served]
        elif record.status == "rolled_back":
            served = [version for version in served if version.version != record.version]
    return served[-1] if served else None


def former_champion(records: Sequence[Version]) -> tuple[Version | None, int]:
    """What served before the retrainer promoted the version in service, and when that was; None where nothing did, or a person decided.

    Examples
    --------
    >>> one, two = (Version(model="churn", version=name, status="promoted", at=at) for name, at in (("1", 5), ("2", 9)))
    >>> former, at = former_champion([one, two])
    >>> former.version, at, former_champion([one])[0]
    ('1', 9, None)
    """
    serving = champion(records)
    promotions = [place for place, record in enumerate(records) if serving is not None and record.version == serving.version and record.status == "promoted"]
    if not promotions or records[promotions[-1]].by != "retrainer":
        return None, 0
    return champion(records[: promotions[-1]]), records[promotions[-1]].at


def history(records: Iterable[Version]) -> dict[str, list[Version]]:
    """Records by version, in the order of the versions' first records.

    Examples
    --------
    >>> records = [Version(model="churn", version="1", status=status, at=0) for status in ("registered", "promoted")]
    >>> {name: [record.status for record in told] for name, told in history(records).items()}
    {'1': ['registered', 'promoted']}
    """
    told: dict[str, list[Version]] = {}
    for record in records:
        told.setdefault(record.version, []).append(record)
    return told


def is_brought(first: Version) -> bool:
    """Whether a person brought a version along, ready made, as its first record says; no cause asked for its training here.

    Examples
    --------
    >>> brought, first = (Version(model="churn", version="1", status="registered", at=0, by=by, cause=cause) for by, cause in (("ada", ""), ("bootstrap", "bootstrap")))
    >>> is_brought(brought), is_brought(first)
    (True, False)
    """
    return first.status == "registered" and not first.cause and first.by != "retrainer"


def digest_of_specification(specification: MonitorSpecification) -> str:
    """Name of everything that a monitor says, its ``retrain`` part included: "sha256:" and 64 hexadecimal digits.

    Examples
    --------
    >>> from detectors.specification import MonitorSpecification
    >>> one, other = (digest_of_specification(MonitorSpecification(model="churn", retrain={"window": rows})) for rows in (500, 501))
    >>> one[:7], one == other
    ('sha256:', False)
    """
    content = msgspec.json.encode(specification.model_dump(mode="json"), order="deterministic")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def next_number(records: Iterable[Version]) -> int:
    """One more than the largest version that is a number; 1 for none.

    Examples
    --------
    >>> next_number([Version(model="churn", version=name, status="registered", at=0) for name in ("2", "spring", "10")])
    11
    """
    return max((int(record.version) for record in records if record.version.isdecimal()), default=0) + 1
