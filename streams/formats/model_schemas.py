"""How the events of a model are read while several revisions of its monitor are known.

Every revision reads the events of its own time by its own types. A label goes to all revisions that can read it, since the prediction that it
belongs to may be of another time. Revisions that read alike share a schema, and nearly always there is but one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from detectors.errors import EventError
from detectors.event_batch import Bool, Int64
from detectors.monitor import Monitor
from detectors.settings.watching import Quality
from detectors.specification import MonitorSpecification
from streams.formats.event_checks import check_outcomes
from streams.formats.event_schema import ModelSchema, reading

_View = tuple[str, str | None, tuple[str, ...], str, tuple[tuple[str, Hashable], ...], Quality | None]
"""What reading an event depends on."""


def _view(specification: MonitorSpecification) -> _View:
    features = tuple((name, reading(feature)) for name, feature in specification.features.items())
    quality = specification.quality
    return specification.task, specification.positive_class, specification.segments, specification.sampling, features, quality if quality.forgives else None


class ModelSchemas:
    """The schemas of one model.

    Parameters
    ----------
    revisions : all of the model's monitors, in order; at least one.
    """

    def __init__(self, revisions: Sequence[Monitor]) -> None:
        self._revisions = tuple(revisions)
        self._limits = np.array([monitor.specification.max_ahead for monitor in revisions], np.int64)
        views: dict[_View, list[Monitor]] = {}
        for monitor in revisions:
            views.setdefault(_view(monitor.specification), []).append(monitor)
        self.is_uniform = len(views) == 1 and len(set(self._limits.tolist())) == 1
        """Whether it does not matter of which revision's time an event is."""
        furthest = int(self._limits.max())
        self._schemas = [
            ModelSchema(_reaching(readers[-1].specification, furthest), revisions=() if len(views) == 1 else tuple(monitor.revision for monitor in readers))
            for readers in views.values()
        ]
        places = {view: place for place, view in enumerate(views)}
        self._of_revision = np.array([places[_view(monitor.specification)] for monitor in revisions])
        self.newest = self._schemas[self._of_revision[-1]]

    def in_force(self, times: Int64) -> Int64:
        """(n,) place of the revision that judges an event of each time; the first one before any is in force."""
        place = np.zeros(len(times), np.int64)
        for number, monitor in enumerate(self._revisions):
            pane = monitor.specification.pane
            place[times // pane * pane >= monitor.effective_from] = number
        return place

    def of_times(self, times: Int64) -> list[ModelSchema]:
        """The schema for an event of each time."""
        return [self._schemas[place] for place in self._of_revision[self.in_force(times)].tolist()]

    def is_newest(self, times: Int64) -> Bool:
        """(n,) whether an event of each time is read by the newest schema."""
        return np.asarray(self._of_revision[self.in_force(times)] == self._of_revision[-1])

    def ahead_of(self, times: Int64, record_timestamps: Int64) -> Int64:
        """(n,) milliseconds that an event is beyond what is allowed at its time; at most 0 where it is not."""
        limits = self._limits[-1] if self.is_uniform else self._limits[self.in_force(times)]
        return np.asarray(times - record_timestamps - limits)

    def check_ahead(self, time: int, record_timestamp: int) -> None:
        """Refuse an event of the future.

        Raises
        ------
        EventError
            With what is allowed.
        """
        limit = int(self._limits[self.in_force(np.array([time]))[0]])
        if time - record_timestamp > limit:
            raise EventError(f"{time - record_timestamp} ms after its record's timestamp, allowed are {limit} ms", path="timestamp")

    def readers_of(self, label: Any) -> list[ModelSchema]:
        """The schemas that can read a label."""
        return [schema for schema in self._schemas if _reads(schema.specification, label)]


def _reaching(specification: MonitorSpecification, furthest: int) -> MonitorSpecification:
    """A specification that takes events as far ahead as any revision's; by how much one may be is seen to afterwards, by its own revision's limit."""
    return specification if specification.max_ahead == furthest else specification.model_copy(update={"max_ahead": furthest})


def _reads(specification: MonitorSpecification, event: Any) -> bool:
    try:
        check_outcomes(event, specification)
    except EventError:
        return False
    return True
