"""A model without a reference gets one from the first events of its own stream: the profile that `monitor infer` would make of the same rows."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.coded_text import CodedText
from detectors.columns.text_columns import vocabularies
from detectors.event_batch import Coded, Column
from detectors.profile import Profile
from detectors.references.reference import profile_of
from detectors.references.repetitions import with_repetitions
from detectors.rfc3339 import format_time
from detectors.rows.earliest_rows import EarliestRows
from detectors.specification import MonitorSpecification


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A reference that is complete: which revision of the specification it was learnt under, and that specification with it."""

    model: str
    revision: int
    specification: MonitorSpecification


def stream_profile(specification: MonitorSpecification, rows: EarliestRows) -> Profile:
    """Profile of rows that stand in the order of their times.

    Features have the rows of all events that carry them, outputs those of the predictions that did not fail: as panes count them. What has no value in any row gets no
    profile, and is not watched for drift.
    """
    columns = {name: _column(column) for name, column in rows.columns.items()}
    detectors = specification.detectors
    prediction = _column(rows.prediction[rows.answered])
    has_output = prediction.dtype != object or any(value is not None for value in prediction.tolist())
    profile = profile_of(
        columns,
        features=specification.columns,
        task=specification.task,
        prediction=prediction if has_output else None,
        time=rows.time,
        max_bins=detectors.max_bins,
        max_levels=detectors.max_levels,
        max_known_levels=detectors.max_known_levels,
        vocabularies=vocabularies(name for name, feature in specification.features.items() if feature.type == "text"),
    )
    return with_repetitions(profile, columns) if "constant" in specification.quality.monitors else profile


def with_stream_profile(specification: MonitorSpecification, rows: EarliestRows) -> MonitorSpecification:
    """The specification with the reference that was learnt."""
    source = f"learnt from {len(rows):,} events, {format_time(int(rows.time[0]))} to {format_time(int(rows.time[-1]))}"
    found = {"source": source, "learnt": True, "profile": stream_profile(specification, rows)}
    return specification.model_copy(update={"reference": specification.reference.model_copy(update=found)})


def keeping_what_was_learnt(declared: MonitorSpecification, before: MonitorSpecification) -> MonitorSpecification:
    """A specification as somebody wrote it, with the reference that the one before it has learnt; as it is, where other columns or bins are asked for, or another number of events.

    Examples
    --------
    >>> declared = MonitorSpecification.model_validate({"model": "churn", "reference": {"learn": 5_000}})
    >>> keeping_what_was_learnt(declared, declared) is declared  # nothing has been learnt yet
    True
    """
    if declared.reference.learning is None or not before.reference.learnt or _learnt_by(declared) != _learnt_by(before):
        return declared
    known = {name: getattr(before.reference, name) for name in ("source", "learnt", "profile")}
    return declared.model_copy(update={"reference": declared.reference.model_copy(update=known)})


def _learnt_by(specification: MonitorSpecification) -> tuple[object, ...]:
    """What determines the profile of the same events."""
    detectors, said_of_columns = specification.detectors, {"importance", "stale_after", "max_missing", "categories"}
    features = {name: feature.model_dump(exclude=said_of_columns) for name, feature in specification.features.items()}
    bins = (detectors.max_bins, detectors.max_levels, detectors.max_known_levels, "constant" in specification.quality.monitors)
    return specification.reference.learn, specification.task, features, bins


def _column(column: Coded) -> Column:
    return column.to_text() if isinstance(column, CodedText) else column
