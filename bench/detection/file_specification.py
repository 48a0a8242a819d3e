"""Specifications of files without a time column, as ``driftwarden monitor infer`` makes them."""

from __future__ import annotations

from typing import Any

from detectors.specification import MonitorSpecification
from streams.file_settings import FILE_BUDGET, changed
from streams.infer import QUALITY, infer
from streams.tables import ROW_LENGTH, Table


def specification_of(table: Table, *, rows_per_pane: int = 10, **names: Any) -> MonitorSpecification:
    """A monitor of a table's rows, whose windows are a pane; `names` are those of `infer`."""
    pane = rows_per_pane * ROW_LENGTH
    base = changed(MonitorSpecification(model="bench", quality=QUALITY), pane=pane, windows=(pane,), lateness=0, false_alarms=FILE_BUDGET, events_per_pane=rows_per_pane)
    return infer(table, model="bench", base=base, **names)
