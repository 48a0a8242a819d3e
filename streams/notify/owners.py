"""Who answers for a model, and which alerts somebody has acknowledged: what notifications need of the topic ``monitors``."""

from __future__ import annotations

import msgspec

from detectors.errors import EventError
from streams.unreadable import UNREADABLE


class _Specification(msgspec.Struct, frozen=True):
    owner: str | None = None


class _Record(msgspec.Struct, frozen=True):
    revision: int = 0
    specification: _Specification = _Specification()
    alert_id: str = ""


_DECODER = msgspec.json.Decoder(_Record)
_KEY = msgspec.json.Decoder(list[str | int])


class Owners:
    """A fold over the records of ``monitors``; of a specification it keeps the owner alone.

    Attributes
    ----------
    acknowledged : ids of alerts.
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[int, str]] = {}
        self.acknowledged: set[str] = set()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record.

        Raises
        ------
        EventError
            If it cannot be read.
        """
        try:
            model, number = [*_KEY.decode(key or b"[]"), "", ""][:2]
            if value is None:
                self._of.get(str(model), {}).pop(int(number) if isinstance(number, int) else 0, None)
                return
            record = _DECODER.decode(value)
        except UNREADABLE as error:
            raise EventError(f"no record of a monitor: {error}") from None
        if record.alert_id:
            self.acknowledged.add(record.alert_id)
        else:
            self._of.setdefault(str(model), {})[record.revision] = record.specification.owner or ""

    def owner(self, model: str) -> str:
        """Of the newest revision of a model's monitor; "" where nobody is named.

        Examples
        --------
        >>> owners = Owners()
        >>> owners.take(b'["churn",1]', b'{"revision": 1, "effective_from": 0, "specification": {"model": "churn", "owner": "sales"}}')
        >>> owners.owner("churn"), owners.owner("fraud")
        ('sales', '')
        """
        revisions = self._of.get(model)
        return revisions[max(revisions)] if revisions else ""
