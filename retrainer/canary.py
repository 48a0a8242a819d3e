"""A canary: the version that serves a share of the events beside the champion, and which events these are.

The share is of event ids, by a hash: the same id has the same version in every replica and after every restart, and each canary has a share of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import xxhash

from retrainer.versions import Version


def canary(records: Iterable[Version]) -> Version | None:
    """The version that serves a share after these records of one model; None while there is none.

    It ends with its own promotion, rejection or rollback, and as soon as the champion beside it is another one.

    Examples
    --------
    >>> one = Version(model="churn", version="1", status="promoted", at=0)
    >>> two, back = (Version(model="churn", version="2", status=status, at=9, share=0.1) for status in ("canary", "rolled_back"))
    >>> canary([one, two]).version, canary([one, two, back]), canary([one])
    ('2', None, None)
    """
    serving: Version | None = None
    for record in records:
        if record.status == "canary" or (serving is not None and record.status == "updated" and record.version == serving.version):
            serving = record
        elif serving is not None and _ends(record, serving.version):
            serving = None
    return serving


def end_of(version: str, records: Sequence[Version]) -> Version | None:
    """The record that ended the share of a canary; None while it serves.

    Examples
    --------
    >>> one = Version(model="churn", version="1", status="promoted", at=0)
    >>> two, back = (Version(model="churn", version="2", status=status, at=9, by="ada", share=0.1) for status in ("canary", "rolled_back"))
    >>> end_of("2", [one, two, back]).by, end_of("2", [one, two])
    ('ada', None)
    """
    began = max(place for place, record in enumerate(records) if record.version == version and record.status == "canary")
    return next((record for record in records[began:] if _ends(record, version)), None)


def _ends(record: Version, version: str) -> bool:
    """Whether a canary serves no more after a record."""
    return record.status in {"promoted", "rolled_back"} or (record.status == "rejected" and record.version == version)


def answers(record: Version, event_id: str) -> bool:
    """Whether a canary answers the event of this id: where XXH3 (64 bits) of ``MODEL@VERSION:ID`` in UTF-8 is below its share of 2^64.

    Examples
    --------
    >>> record = Version(model="churn", version="2", status="canary", at=9, share=0.1)
    >>> answered = [number for number in range(1_000) if answers(record, f"order-{number}")]
    >>> len(answered), answered[:3]
    (99, [1, 13, 45])
    """
    return record.share is not None and xxhash.xxh3_64_intdigest(f"{record.model}@{record.version}:{event_id}".encode()) < record.share * 2**64
