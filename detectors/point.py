"""A point of a metric: what ``monitoring.metrics`` carries and a time-series store keeps."""

from __future__ import annotations

import msgspec

PointKey = tuple[str, tuple[tuple[str, str], ...], int]
"""Measurement, tags and time."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one thing at one time.

    A point with the same measurement, tags and time replaces the one before, so a repeated delivery changes nothing; only what is final stays.

    Attributes
    ----------
    measurement : ``drift``, ``performance``, ...
    tags : what the numbers are of: model, version, segment, feature.
    fields : the numbers; nan (undefined) fields are left out on the wire.
    time : epoch milliseconds.
    """

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | int | bool | str]
    time: int

    @property
    def model(self) -> str | None:
        """Of which it speaks; None of a source partition as a whole."""
        return self.tags.get("model")

    @property
    def key(self) -> PointKey:
        """What is the same in points that replace one another."""
        return self.measurement, tuple(sorted(self.tags.items())), self.time

    def replaces(self, earlier: Point | None) -> bool:
        """Whether it takes the place of the point of its key that came before.

        A provisional point after the final one comes from a worker that had been stopped, was replaced, and did not know it yet.

        Examples
        --------
        >>> final, provisional = (Point(measurement="traffic", tags={}, fields={"final": said}, time=0) for said in (True, False))
        >>> provisional.replaces(None), final.replaces(provisional), provisional.replaces(final)
        (True, True, False)
        """
        return earlier is None or not earlier.fields.get("final", False) or bool(self.fields.get("final", False))
