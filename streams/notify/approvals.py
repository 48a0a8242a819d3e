"""Which challengers wait for a person no longer: a fold over `models.versions`, by which nobody is asked for what is decided already."""

from __future__ import annotations

from retrainer.approval import answerable
from retrainer.versions import Version


class Approvals:
    """What became of the versions of each model, without their evidence. A record that is read again changes nothing.

    Examples
    --------
    >>> approvals = Approvals()
    >>> for version, status, parent in (("1", "promoted", ""), ("2", "registered", "1")):
    ...     approvals.take(Version(model="churn", version=version, status=status, at=0, parent=parent))
    >>> approvals.is_over("churn", "2"), approvals.is_over("churn", "3")
    (False, False)
    >>> approvals.take(Version(model="churn", version="2", status="promoted", at=9, by="ada"))
    >>> approvals.is_over("churn", "2")
    True
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[tuple[str, str, int], Version]] = {}

    def take(self, record: Version) -> None:
        """Take a record."""
        if record.status == "updated":
            return  # it changes neither which version serves nor which one waits, and an adaptive champion has many
        kept = Version(model=record.model, version=record.version, status=record.status, at=record.at, parent=record.parent)
        self._of.setdefault(record.model, {}).setdefault((record.version, record.status, record.at), kept)

    def is_over(self, model: str, version: str) -> bool:
        """Whether a version waits no longer: something became of it, or another one serves than it was judged against. False where it was not read of yet."""
        records = list(self._of.get(model, {}).values())  # a copy: another thread takes records
        return any(record.version == version for record in records) and version not in answerable(records)
