"""Points as InfluxDB's line protocol.

influxdb-client's own `Point` takes 40 microseconds a point, which is all the time that 25,000 points a second have. What travels is nearly what InfluxDB reads: tags that came
before are known by their bytes, and fields that are plain numbers need other signs between them. Everything else is read as a point, and written from there.
Numbers are always floats: a field's type is settled by the first value that a shard sees, and a whole number must not settle it otherwise.
"""

from __future__ import annotations

import string
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from detectors.errors import EventError
from detectors.point import Point
from detectors.rfc3339 import parse_time
from streams.unreadable import UNREADABLE
from streams.wire import decode_points

_IN_NAMES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\r": r"\r", "\\": "\\\\"})
_IN_MEASUREMENTS = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\n", "\r": r"\r"})
_IN_TEXTS = str.maketrans({'"': r"\"", "\\": "\\\\", "\n": r"\n", "\r": r"\r"})

_PLAIN = (string.ascii_letters + string.digits + "_.+-").encode()
"""Bytes of numbers, of true and false, and of names that mean the same in both forms."""

_SHAPES = frozenset(b'{"":' + b',"":' * more + b"}" for more in range(200))
"""What is left of such fields without these bytes; of texts, escapes and whatever is nested something else is left."""

_TO_LINES = bytes.maketrans(b":", b"=")


class _OnWire(msgspec.Struct, gc=False):
    measurement: str
    tags: msgspec.Raw
    fields: msgspec.Raw
    time: str | int


_ON_WIRE = msgspec.json.Decoder(_OnWire)
_TAGS = msgspec.json.Decoder(dict[str, str])
_FIELDS = msgspec.json.Decoder(dict[str, float | int | bool | str])


@lru_cache(maxsize=1_024)  # a pane's points have its time, thousands of them
def _milliseconds(time: str | int) -> bytes:
    return b"%d" % parse_time(time)


class Told(msgspec.Struct, gc=False, frozen=True):
    """A point as it is written; one with the same series and time replaces it.

    Attributes
    ----------
    series, time : as they stand in the line.
    line : as InfluxDB reads it.
    final : as of the point; False where it does not say so.
    """

    series: bytes
    time: bytes
    line: bytes
    final: bool


def _told(series: bytes, fields: bytes, time: bytes, final: bool) -> Told:
    return Told(series, time, b" ".join((series, fields, time)), final)


class LineWriter:
    r"""Writes points as lines, and knows the series that it wrote.

    Parameters
    ----------
    max_series : most series (a measurement with its tags); the points of others are counted in ``left_out``.

    Examples
    --------
    >>> lines = LineWriter(max_series=1)
    >>> [told.line for told in lines.of([Point(measurement="drift", tags={"model": "churn", "feature": "a b"}, fields={"psi": 1, "final": True}, time=5)])]
    [b'drift,feature=a\\ b,model=churn psi=1.0,final=true 5']
    >>> lines.of([Point(measurement="drift", tags={"model": "other"}, fields={"psi": 0.5}, time=5)]), lines.left_out
    ([], 1)
    """

    def __init__(self, *, max_series: int) -> None:
        self._max_series = max_series
        self._series: set[bytes] = set()
        self._series_of: dict[tuple[str, bytes], bytes] = {}
        self.left_out = 0

    def of_record(self, value: bytes) -> list[Told]:
        """Points as they travel, without those of series that are too many.

        Raises
        ------
        EventError
            At the first that is wrong; none of the record is taken then.
        """
        try:
            return self._quickly(value)
        except (*UNREADABLE, EventError):
            return self.of(decode_points(value))  # tells what is wrong, and where

    def _quickly(self, value: bytes) -> list[Told]:
        told, left_out = [], 0
        any_null, any_final = b"null" in value, b'"final"' in value  # to look in each point takes as long as to write it
        for one in _ON_WIRE.decode_lines(value):
            tags = bytes(one.tags)
            series = self._series_of.get((one.measurement, tags))
            if series is None:
                series = self._enter(one.measurement, _TAGS.decode(tags))
                self._remember((one.measurement, tags), series)
            fields = bytes(one.fields)
            if fields.translate(None, _PLAIN) in _SHAPES and not any_null:
                final, written = any_final and b'"final":true' in fields, fields.translate(_TO_LINES, b'{}"')
            else:
                read = _FIELDS.decode(fields)
                final, written = bool(read.get("final", False)), _fields(read)
            if not series:
                left_out += 1
            elif written:
                told.append(_told(series, written, _milliseconds(one.time), final))
        self.left_out += left_out
        return told

    def of(self, points: Iterable[Point]) -> list[Told]:
        """Those of points, without those of series that are too many."""
        told = []
        for point in points:
            series, fields = self._enter(point.measurement, point.tags), _fields(point.fields)
            if not series:
                self.left_out += 1
            elif fields:
                told.append(_told(series, fields, b"%d" % point.time, bool(point.fields.get("final", False))))
        return told

    def _enter(self, measurement: str, tags: dict[str, str]) -> bytes:
        """The series as lines begin with it; nothing where there are too many."""
        written = "".join(f",{name.translate(_IN_NAMES)}={value.translate(_IN_NAMES)}" for name, value in sorted(tags.items()) if value)
        series = (measurement.translate(_IN_MEASUREMENTS) + written).encode()
        if series not in self._series:
            if len(self._series) >= self._max_series:
                return b""
            self._series.add(series)
        return series

    def _remember(self, key: tuple[str, bytes], series: bytes) -> None:
        if len(self._series_of) >= self._max_series:
            self._series_of.clear()  # tags may be spelled in more ways than there are series, and those that are left out are remembered, too
        self._series_of[key] = series


def _fields(fields: dict[str, float | int | bool | str]) -> bytes:
    return ",".join([f"{name.translate(_IN_NAMES)}={_value(value)}" for name, value in fields.items()]).encode()


def _value(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_IN_TEXTS)}"'
    return repr(float(value))


class Latest:
    """Of points that replace one another the last, in the order in which they first came; what is final stays, also from one call to the next.

    Parameters
    ----------
    remembered : number of final points that are known later on.

    Examples
    --------
    >>> final, provisional = (Told(b"traffic", b"0", b"traffic predictions=1 0", said) for said in (True, False))
    >>> latest = Latest(remembered=10)
    >>> [len(latest.of(told)) for told in ([provisional, final], [provisional], [final])]
    [1, 0, 1]
    """

    def __init__(self, *, remembered: int) -> None:
        self._remembered = remembered
        self._final: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()

    def of(self, told: Iterable[Told]) -> list[Told]:
        """Those that are to be written."""
        kept: dict[tuple[bytes, bytes], Told] = {}
        final: set[tuple[bytes, bytes]] = set()
        for one in told:
            place = one.series, one.time
            if one.final:
                final.add(place)
            elif place in final or place in self._final:
                continue
            kept[place] = one
        for place in final:
            self._final[place] = None
            self._final.move_to_end(place)
        while len(self._final) > self._remembered:
            self._final.popitem(last=False)
        return list(kept.values())
