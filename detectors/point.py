"""A point of a metric: what ``monitoring.metrics`` carries and a time-series store keeps."""

from __future__ import annotations

import msgspec


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one thing at one time.

    A point with the same measurement, tags and time replaces the one before, so a repeated delivery changes nothing.

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
