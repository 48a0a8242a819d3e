"""What a freshly trained champion may be expected to do: measured on the last part of its reference, with a model trained on the part before.

A model's errors on the rows that it was fitted to say nothing, so a reference for the error rate needs rows that it had not seen. In the order of time, as
the stream will be: a random split would let the model look into the future.
"""

from __future__ import annotations

import numpy as np

from detectors.columns.class_names import class_names
from detectors.errors import SettingsError
from detectors.event_batch import Column
from detectors.profile import CategoricalProfile, ColumnProfile
from detectors.references.reference import numeric_profile, performance_profile
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import table_examples
from retrainer.trainers import Trainer, TrainingContext
from retrainer.unanswered import predicted as predicted_by
from streams.file_events import ColumnNames, input_columns, outcome_column
from streams.tables import Table

TRAINED_SHARE = 0.8
MIN_MEASURED = 30  # rows; an error rate from fewer is no reference


def labelled_rows(specification: MonitorSpecification, table: Table, names: ColumnNames) -> Table:
    """The rows that have a label, in the order of time where the table has times.

    Raises
    ------
    SettingsError
        If no label column is named, or no row has a label.
    """
    if names.label is None:
        raise SettingsError("a model is trained on labels; name the column with --label")
    label = outcome_column(specification, table, names.label)
    known = np.flatnonzero(label != None if label.dtype == object else ~np.isnan(label))  # noqa: E711  elementwise
    if not len(known):
        raise SettingsError(f"{table.source}: no row has a label in the column {names.label!r}")
    if names.time is not None:
        known = known[np.argsort(table.times(names.time, names.time_format)[known], kind="stable")]
    return table.take(known)


def with_measured_performance(specification: MonitorSpecification, table: Table, names: ColumnNames, trainer: Trainer) -> MonitorSpecification:
    """The specification with the performance, and the outputs, that a champion trained on the table is measured to have.

    Parameters
    ----------
    specification : with a profile.
    table : the reference.
    names : of the label, and of the time where there is one.
    trainer : makes the model of the first 80 % of the rows; the last 20 % are predicted.

    Returns
    -------
    The same specification where the last 20 % are fewer than 30 rows, or it answers fewer: its error monitor then learns from the stream's first labels.

    Raises
    ------
    SettingsError
        If the specification has no profile, or the table no label.
    """
    profile = specification.reference.profile
    if profile is None:
        raise SettingsError(f"the monitor of '{specification.model}' has no reference.profile; make one with: driftwarden monitor infer FILE -o monitor.yaml")
    rows = labelled_rows(specification, table, names)
    cut = int(TRAINED_SHARE * len(rows))
    if len(rows) - cut < MIN_MEASURED:
        return specification
    features, label = input_columns(specification, rows), outcome_column(specification, rows, names.label)
    seen = table_examples({name: column[:cut] for name, column in features.items()}, label[:cut], model=specification.model, at=0)
    model = trainer.train(seen, specification, TrainingContext(cause="measured reference")).model
    predicted = predicted_by(model, {name: column[cut:] for name, column in features.items()}, specification.task)
    profiled = performance_profile(predicted, label[cut:], specification.task)
    if profiled is None or profiled.rows < MIN_MEASURED:
        return specification
    outcomes = None  # those of another model say nothing of this one
    measured = {"performance": profiled, "prediction": _outputs(specification, predicted), "outcomes": outcomes}
    reference = specification.reference.model_copy(update={"profile": profile.model_copy(update=measured)})
    return specification.model_copy(update={"reference": reference, "estimate_performance": False})


def _outputs(specification: MonitorSpecification, predicted: Column) -> ColumnProfile:
    """A model does not predict the classes as often as they occur, so labels are no reference for predictions."""
    if specification.task == "regression":
        return numeric_profile(np.asarray(predicted, np.float64), max_bins=specification.detectors.max_bins)
    said = [name for name in class_names(predicted).tolist() if name is not None]  # of rows that it cannot answer there is no output
    known = tuple(said.count(name) for name in specification.classes)
    return CategoricalProfile(levels=specification.classes, counts=known, unseen=len(said) - sum(known))
