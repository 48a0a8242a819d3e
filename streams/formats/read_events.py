"""Events that were read from JSON, kept together as far as they were read alike."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.event_batch import Int32, Int64
from streams.formats.event_schema import ModelSchema


@dataclass(frozen=True, kw_only=True)
class ReadEvents:
    """``n`` events in log order, of one model or of many whose schemas have one form.

    Attributes
    ----------
    schemas : (M,) one for each model.
    owner : (n,) the place of each event's schema among them.
    lines : (n,) which lines they were.
    events : (n,) as the schemas read them.
    """

    schemas: Sequence[ModelSchema]
    owner: Int32
    lines: Int64
    events: list[Any]

    @classmethod
    def of(cls, schema: ModelSchema, lines: Sequence[int], events: list[Any]) -> ReadEvents:
        """Events of one model."""
        return cls(schemas=(schema,), owner=np.zeros(len(events), np.int32), lines=np.array(lines, np.int64), events=events)

    @property
    def form(self) -> Hashable:
        """See `ModelSchema.form`."""
        return self.schemas[0].form

    def schema_of(self, place: int) -> ModelSchema:
        """What read an event."""
        return self.schemas[int(self.owner[place])]

    def take(self, rows: Int64) -> ReadEvents:
        """Some of the events."""
        owners, owner = np.unique(self.owner[rows], return_inverse=True)
        events = [self.events[row] for row in rows.tolist()]
        return ReadEvents(schemas=[self.schemas[place] for place in owners.tolist()], owner=owner.astype(np.int32), lines=self.lines[rows], events=events)


def merged(parts: Sequence[ReadEvents]) -> list[ReadEvents]:
    """Events of one form put together, in the order of their lines."""
    by_form: dict[Hashable, list[ReadEvents]] = {}
    for part in parts:
        by_form.setdefault(part.form, []).append(part)
    return [alike[0] if len(alike) == 1 else _together(alike) for alike in by_form.values()]


def _together(parts: Sequence[ReadEvents]) -> ReadEvents:
    place: dict[ModelSchema, int] = {}
    for part in parts:
        for schema in part.schemas:
            place.setdefault(schema, len(place))
    lines = np.concatenate([part.lines for part in parts])
    owner = np.concatenate([np.array([place[schema] for schema in part.schemas], np.int32)[part.owner] for part in parts])
    events = [event for part in parts for event in part.events]
    order = np.argsort(lines, kind="stable")
    return ReadEvents(schemas=list(place), owner=owner[order], lines=lines[order], events=[events[row] for row in order.tolist()])
