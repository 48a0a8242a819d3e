"""Which version of each model serves a share of the events: a fold over `models.versions`, by which its end is told as what it is."""

from __future__ import annotations

from retrainer.versions import Version


class Canaries:
    """The canaries in service, by model; `retrainer.canary.canary`, one record at a time.

    Examples
    --------
    >>> canaries = Canaries()
    >>> [canaries.take(Version(model="churn", version="2", status=status, at=0)) for status in ("canary", "rolled_back", "rolled_back")]
    [False, True, False]
    """

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def take(self, record: Version) -> bool:
        """Whether the record is of the version that served a share until then."""
        was = self._of.get(record.model)
        if record.status == "canary":
            self._of[record.model] = record.version
        elif record.status in {"promoted", "rolled_back"} or (record.status == "rejected" and record.version == was):
            self._of.pop(record.model, None)
        return was == record.version
