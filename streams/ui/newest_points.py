"""The newest point of each series of a measurement, within a bound."""

from __future__ import annotations

from collections.abc import ItemsView

from detectors.point import Point
from streams.ui.series_table import Key


class NewestPoints:
    """The newest point of each series; of more series than there may be, those that were told last.

    Parameters
    ----------
    series : how many.

    Examples
    --------
    >>> newest = NewestPoints(series=2)
    >>> for name, time in (("a", 10), ("b", 20), ("c", 30), ("b", 15), ("d", 12)):
    ...     newest.put((name,), Point(measurement="monitor", tags={}, fields={}, time=time))
    >>> [(key, point.time) for key, point in newest.items()]
    [(('b',), 20), (('c',), 30)]
    """

    def __init__(self, *, series: int) -> None:
        self._series = series
        self._points: dict[Key, Point] = {}
        self._since: int | None = None  # none is older; found again only where a series has to go, as that means to look at all of them

    def items(self) -> ItemsView[Key, Point]:
        """Keys of the series and their points."""
        return self._points.items()

    def put(self, key: Key, point: Point) -> None:
        """Take a point unless a newer one of its series is known; one that does not fit takes the place of the oldest, or is older than all."""
        known = self._points.get(key)
        if known is None:
            if not self._has_room(point.time):
                return
            self._since = point.time if self._since is None else min(self._since, point.time)
        elif known.time > point.time:
            return
        self._points[key] = point

    def _has_room(self, time: int) -> bool:
        if len(self._points) < self._series:
            return True
        if self._since is not None and time <= self._since:
            return False
        oldest = min(self._points, key=lambda key: self._points[key].time)
        self._since = self._points[oldest].time
        if time <= self._since:
            return False
        del self._points[oldest]
        return True
