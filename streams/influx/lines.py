"""Points as InfluxDB's line protocol.

influxdb-client's own `Point` takes 40 microseconds a point, which is all the time that 25,000 points a second have; the form is small and fixed.
Numbers are always written as floats: a field's type is settled by the first value that a shard sees, and a whole number must not settle it otherwise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from detectors.point import Point, PointKey

_IN_NAMES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\r": r"\r", "\\": "\\\\"})
_IN_MEASUREMENTS = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\n", "\r": r"\r"})
_IN_TEXTS = str.maketrans({'"': r"\"", "\\": "\\\\", "\n": r"\n", "\r": r"\r"})


class LineWriter:
    r"""Writes points as lines, and knows the series that it wrote.

    Parameters
    ----------
    max_series : most series (a measurement with its tags); the points of others are counted in ``left_out``.

    Examples
    --------
    >>> lines = LineWriter(max_series=1)
    >>> lines.of([Point(measurement="drift", tags={"model": "churn", "feature": "a b"}, fields={"psi": 1, "final": True}, time=5)])
    ['drift,feature=a\\ b,model=churn psi=1.0,final=true 5']
    >>> lines.of([Point(measurement="drift", tags={"model": "other"}, fields={"psi": 0.5}, time=5)]), lines.left_out
    ([], 1)
    """

    def __init__(self, *, max_series: int) -> None:
        self._max_series = max_series
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self._names: dict[str, str] = {}
        self.left_out = 0

    def of(self, points: Iterable[Point]) -> list[str]:
        """Lines of points, without those of series that are too many."""
        lines = []
        for point in points:
            fields = ",".join([f"{self._name(name)}={_value(value)}" for name, value in point.fields.items()])
            series = self._series_of(point)
            if series is None:
                self.left_out += 1
            elif fields:
                lines.append(f"{series} {fields} {point.time}")
        return lines

    def _series_of(self, point: Point) -> str | None:
        key = (point.measurement, tuple(point.tags.items()))
        found = self._series.get(key)
        if found is None and len(self._series) < self._max_series:
            tags = "".join(f",{name.translate(_IN_NAMES)}={value.translate(_IN_NAMES)}" for name, value in sorted(point.tags.items()) if value)
            found = self._series[key] = point.measurement.translate(_IN_MEASUREMENTS) + tags
        return found

    def _name(self, field: str) -> str:
        found = self._names.get(field)
        if found is None:
            found = field.translate(_IN_NAMES)
            if len(self._names) < self._max_series:
                self._names[field] = found
        return found


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
    >>> final, provisional = (Point(measurement="m", tags={}, fields={"final": said}, time=0) for said in (True, False))
    >>> latest = Latest(remembered=10)
    >>> [len(latest.of(points)) for points in ([provisional, final], [provisional], [final])]
    [1, 0, 1]
    """

    def __init__(self, *, remembered: int) -> None:
        self._remembered = remembered
        self._final: OrderedDict[PointKey, Point] = OrderedDict()

    def of(self, points: Iterable[Point]) -> list[Point]:
        """Those that are to be written."""
        kept: dict[PointKey, Point] = {}
        for point in points:
            key = point.key
            if point.replaces(kept.get(key) or self._final.get(key)):
                kept[key] = point
        for key, point in kept.items():
            if point.fields.get("final", False):
                self._final[key] = point
                self._final.move_to_end(key)
        while len(self._final) > self._remembered:
            self._final.popitem(last=False)
        return list(kept.values())
