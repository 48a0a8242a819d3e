"""A specification fitted to a file: what the command line overrides, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from detectors.errors import SettingsError
from detectors.settings.retraining import Retrain
from detectors.specification import MonitorSpecification, whole_panes
from streams.file_events import ColumnNames
from streams.infer import events_per_pane
from streams.settings_file import stories_of
from streams.tables import ROW_LENGTH, Table

FILE_BUDGET = "1 per 100000 events"
"""Budget where there is no time to count it in."""


def changed(specification: MonitorSpecification, **settings: Any) -> MonitorSpecification:
    """The specification with other settings, checked again; None leaves a setting as it is.

    Raises
    ------
    SettingsError
        If a setting cannot be meant.

    Examples
    --------
    >>> changed(MonitorSpecification(model="churn"), pane="1m", lateness=None).pane
    60000
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if not given:
        return specification
    current = {name: getattr(specification, name) for name in MonitorSpecification.model_fields}
    if "pane" in given:
        del current["windows"]  # they are whole numbers of the monitor's own panes
    try:
        fitted = MonitorSpecification.model_validate(current | given)
    except ValidationError as error:
        named = {name: f"--{name.replace('_', '-')}" for name in given}  # what was not given is the monitor's own, and does not go with what was
        raise SettingsError(stories_of(error, named)) from None
    return fitted if "windows" in given else fitted.model_copy(update={"windows": whole_panes(specification.windows, fitted.pane)})


def for_file(
    specification: MonitorSpecification,
    table: Table,
    names: ColumnNames,
    *,
    pane: str | None = None,
    lateness: str | None = None,
    false_alarms: str | None = None,
    segments: Sequence[str] = (),
) -> MonitorSpecification:
    """The specification for a replay of a file, with ``events_per_pane`` measured on it.

    Parameters
    ----------
    table : the file's first rows.
    names : of the time column, if there is one.
    pane, lateness, false_alarms : over the specification's own, as written in it.
    segments : columns, instead of the specification's.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table(source="a.csv", columns={"x": np.arange(3.0)})
    >>> for_file(MonitorSpecification(model="churn"), table, ColumnNames(), pane="100s").events_per_pane
    100.0
    """
    specification = changed(specification, pane=pane, lateness=lateness, false_alarms=false_alarms, segments=tuple(segments) or None)
    if names.sampling_fraction is not None:
        specification = changed(specification, sampling="weighted")
    measured = specification.pane / ROW_LENGTH if names.time is None else events_per_pane(table.times(names.time, names.time_format), specification.pane)
    specification = changed(specification, events_per_pane=measured)
    return specification if names.time is not None else changed(specification, retrain=_without_clock(specification.retrain))


def _without_clock(retrain: Retrain) -> Retrain:
    """Rows count as seconds where there is no time column, which is no time to wait by."""
    return retrain.model_copy(update={"gate": retrain.gate.model_copy(update={"min_validation_time": 0})})
