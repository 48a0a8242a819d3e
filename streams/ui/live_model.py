"""What the topics said of one model, within bounds."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from detectors.alerts.alert import Alert
from detectors.duration import parse_duration
from detectors.point import Point
from detectors.verdict import Status
from retrainer.canary import canary
from retrainer.decision import Decision
from retrainer.versions import Version, champion
from streams.ui.bounds import Bounds
from streams.ui.newest_points import NewestPoints
from streams.ui.series_table import SeriesTable
from streams.view.curves import CLASSIFICATION, REGRESSION

_METRICS = tuple(f"{name}{end}" for name in (*CLASSIFICATION, *REGRESSION, "coverage") for end in ("", "_low", "_high"))
_SERVICE = ("failed", "failed_low", "failed_high", "latency_p50", "latency_p95", "latency_p99")
_ESTIMATE = ("estimated_accuracy", "estimated_accuracy_low", "estimated_accuracy_high")
FIELDS = {
    "traffic": ("predictions", "labels", "failed"),
    "performance": (*_METRICS, "rows"),
    "segment": (*_METRICS, "rows"),
    "service": _SERVICE,
    "estimate": _ESTIMATE,
    "monitor": ("statistic",),
    "quality": ("rate",),
}
"""Fields of a measurement that charts show."""
_ROW_TAGS = {"traffic": ("version", "segment"), "segment": ("segment",), "monitor": ("monitor",), "quality": ("feature", "kind"), "drift": ("feature",)}
_NEWEST = frozenset({"monitor", "drift", "estimate", "objective"})
_WITHOUT_WINDOW = frozenset({"traffic", "monitor", "objective"})
_STEPS_UNTIL_STALE = 3  # of other windows, while nothing comes of the one that is shown: in each step of a longer one that has events a shorter one is told as well


class LiveModel:
    """One model.

    Attributes
    ----------
    tables : by measurement; of several windows the shortest that is still told.
    windows : which one that is.
    newest : by measurement, the newest point of each series of monitors, distances, estimates and objectives.
    alerts : records by alert and sequence.
    versions, decisions : records in the order of their topics.
    asked : by version, the decision that asked a person for a word, of the newest as many as there are records of versions.
    revision : one more with each change, so that a reader knows whether something is new; ``story`` does so for alerts and versions.
    """

    def __init__(self, name: str, bounds: Bounds) -> None:
        self.name = name
        self._bounds = bounds
        self.tables: dict[str, SeriesTable] = {}
        self.windows: dict[str, str] = {}
        self._told_at: dict[str, int] = {}
        self._told_since: dict[str, set[int]] = {}
        self.newest: dict[str, NewestPoints] = {}
        self.alerts: OrderedDict[str, dict[int, Alert]] = OrderedDict()
        self.versions: list[Version] = []
        self.decisions: deque[Decision] = deque(maxlen=bounds.decisions)
        self.asked: dict[str, Decision] = {}
        self.dropped_alerts = 0
        self.dropped_records = 0
        self.dropped_versions = 0
        self.dropped_decisions = 0
        self.revision = 0
        self.story = 0

    def take_point(self, point: Point) -> None:
        """Take a point of this model.

        Raises
        ------
        ValueError
            If it lacks the window that its measurement has, or that is no duration; the point changes nothing then.
        """
        measurement, tags = point.measurement, point.tags
        if measurement not in FIELDS and measurement not in _NEWEST:
            return
        if measurement not in _WITHOUT_WINDOW and not self._is_of_shortest_window(measurement, tags.get("window", ""), point.time):
            return
        self.revision += 1
        row = tuple(tags.get(name, "") for name in _ROW_TAGS.get(measurement, ()))
        if measurement in _NEWEST:
            self.newest.setdefault(measurement, NewestPoints(series=self._bounds.series)).put((*row, tags.get("objective", "")), point)
        table = self._table(measurement)
        fields = point.fields
        if measurement == "drift":
            distance, chance = fields.get("jensen_shannon"), fields.get("jensen_shannon_by_chance")
            if isinstance(distance, int | float) and isinstance(chance, int | float) and chance > 0:
                table.put((*row, "ratio"), point.time, distance / chance)
            return
        if measurement == "traffic":
            if not fields.get("final", False) and table.at((*row, "final"), point.time) == 1:
                return  # a worker that was stopped and goes on, see `Point.replaces`
            table.put((*row, "final"), point.time, float(bool(fields.get("final", False))))
        if measurement == "monitor":
            table.put((*row, "alarmed"), point.time, float(fields.get("status") == Status.DRIFT))
        for name in FIELDS.get(measurement, ()):
            value = fields.get(name)
            if isinstance(value, int | float):
                table.put((*row, name), point.time, float(value))

    def take_alert(self, alert: Alert) -> None:
        """Take a record in the life of an alert; one that is known changes nothing."""
        records = self.alerts.setdefault(alert.alert_id, {})
        if alert.sequence in records:
            return
        records[alert.sequence] = alert
        if len(records) > self._bounds.records:
            del records[sorted(records)[1]]
            self.dropped_records += 1
        if len(self.alerts) > self._bounds.alerts:
            resolved = (name for name, life in self.alerts.items() if life[max(life)].status == "resolved")
            del self.alerts[next(resolved, next(iter(self.alerts)))]
            self.dropped_alerts += 1
        self.revision += 1
        self.story += 1

    def take_version(self, version: Version) -> None:
        """Take a record of a version; one that came before changes nothing."""
        if version in self.versions:
            return
        self.versions.append(version)
        if len(self.versions) > self._bounds.versions:
            del self.versions[least_needed(self.versions)]
            self.dropped_versions += 1
        self.revision += 1
        self.story += 1

    def take_decision(self, decision: Decision) -> None:
        """Take a decision of the retrainer."""
        if decision not in self.decisions:
            self.dropped_decisions += len(self.decisions) == self._bounds.decisions
            self.decisions.append(decision)
            self.revision += 1
        if decision.instruction == "AskApproval" and self.asked.get(decision.version) != decision:
            self.asked[decision.version] = decision
            if len(self.asked) > self._bounds.versions:
                del self.asked[next(iter(self.asked))]
            self.story += 1

    @property
    def newest_time(self) -> int | None:
        """Event time of the newest point; None without one."""
        return max((time for table in self.tables.values() if (time := table.newest_time) is not None), default=None)

    def notes(self) -> list[str]:
        """Which bounds were reached, in sentences."""
        bounds = self._bounds
        notes = [
            f"More than {bounds.series} lines of {name}: at least {table.left_out} are not shown; start the page with a larger --max-series."
            for name, table in self.tables.items()
            if table.left_out
        ]
        if any(table.full for table in self.tables.values()):
            notes.append(f"Charts show the newest {bounds.points} steps; the steps before them are in the topic, and in InfluxDB where that is used.")
        if self.dropped_alerts:
            notes.append(f"The newest {bounds.alerts} alerts are shown; {self.dropped_alerts} older ones are not; start the page with a larger --max-alerts.")
        if self.dropped_records:
            notes.append(
                f"Of an alert the opening and the newest of {bounds.records} records are kept, {self.dropped_records} between them are not; "
                "start the page with a larger --max-records."
            )
        if self.dropped_versions:
            notes.append(
                f"The newest {bounds.versions} records of versions are shown, {self.dropped_versions} are not; "
                "'driftwarden models' tells all, or start the page with a larger --max-versions."
            )
        if self.dropped_decisions:
            notes.append(
                f"The newest {bounds.decisions} decisions of the retrainer are shown, {self.dropped_decisions} are not; "
                "'driftwarden retrain decisions' tells all, or start the page with a larger --max-decisions."
            )
        return notes

    def _is_of_shortest_window(self, measurement: str, window: str, time: int) -> bool:
        known = self.windows.get(measurement)
        if known != window:
            length = parse_duration(window)
            if known is not None:
                if length >= parse_duration(known) or time < self._told_at[measurement]:
                    since = self._told_since[measurement]
                    since.add(time)
                    if len(since) < _STEPS_UNTIL_STALE:
                        return False
                self.tables.pop(measurement, None)
                self.newest.pop(measurement, None)
        self.windows[measurement] = window
        self._told_at[measurement] = time
        self._told_since[measurement] = set()
        return True

    def _table(self, measurement: str) -> SeriesTable:
        table = self.tables.get(measurement)
        if table is None:
            table = self.tables[measurement] = SeriesTable(points=self._bounds.points, series=self._bounds.series)
        return table


def least_needed(records: Sequence[Version]) -> int:
    """Place of the record of a model that is forgotten first, never that of the newest: who serves, for all or for a share, and who would after a rollback, is known without it.

    The oldest goes first, those of these three versions last; of what they have learnt only the newest revision counts as theirs.
    Fewer records than these three need (seven always suffice) lose first who would serve after a rollback, then the canary, then the champion.

    Examples
    --------
    >>> told = [("1", "registered"), ("1", "promoted"), ("2", "registered"), ("2", "rejected"), ("3", "promoted"), ("4", "rejected"), ("5", "registered")]
    >>> records = [Version(model="churn", version=version, status=status, at=0) for version, status in told]
    >>> while len(records) > 4:
    ...     del records[least_needed(records)]
    >>> [(record.version, record.status) for record in records]
    [('1', 'registered'), ('1', 'promoted'), ('3', 'promoted'), ('5', 'registered')]
    """
    serving = _serving(records)
    kept = {record.version for record in serving if record is not None}
    revised = {record.version: place for place, record in enumerate(records) if record.status == "updated"}
    places = range(len(records) - 1)
    others = [place for place in places if records[place].version not in kept or (records[place].status == "updated" and revised[records[place].version] != place)]
    for candidates, needed in ((others, 3), (places, 3), (places, 2), (places, 1)):
        for place in candidates:
            if _serving([*records[:place], *records[place + 1 :]])[:needed] == serving[:needed]:
                return place
    return 0


def _serving(records: Sequence[Version]) -> tuple[Version | None, Version | None, Version | None]:
    """The champion, the canary, and who would be the champion after a rollback."""
    first = champion(records)
    return first, canary(records), champion([record for record in records if first is None or record.version != first.version])
