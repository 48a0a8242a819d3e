"""Which version of each model people were told serves a share of the events: a fold over `models.versions`, by which its end is told as what it is."""

from __future__ import annotations

from retrainer.versions import Version


class Canaries:
    """The canaries, by model, each until a record of its own ends it. It serves no more as soon as the champion beside it is another one, and its own end is recorded then.

    Examples
    --------
    >>> canaries = Canaries()
    >>> told = (("2", "canary"), ("1", "rolled_back"), ("2", "rejected"), ("2", "rejected"))
    >>> [canaries.take(Version(model="churn", version=version, status=status, at=0)) for version, status in told]
    [False, False, True, False]
    """

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def take(self, record: Version) -> bool:
        """Whether the record is of the version that served a share until then."""
        was = self._of.get(record.model)
        if record.status == "canary":
            self._of[record.model] = record.version
        elif record.version == was and record.status in {"promoted", "rolled_back", "rejected"}:
            del self._of[record.model]
        return was == record.version
