"""Two models on one table, for `driftwarden gate`: predictions are a column of the table, or what an artifact predicts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from detectors.columns.class_names import class_names
from detectors.errors import SettingsError
from detectors.event_batch import Column, Float64, Text
from detectors.specification import MonitorSpecification, Task
from retrainer.checks import limit_check
from retrainer.held_out import HeldOutVerdict, compare
from retrainer.promotion_checks import MEGABYTE, checks_of
from retrainer.trial import fixed_scale, losses, silence_counts
from streams.model_file import read_model
from streams.tables import Table


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model says of each row.

    Attributes
    ----------
    name : as it was given: a column, or the path of an artifact.
    prediction : (n,) class names or numbers.
    score : (n,) probability of the positive class, nan where there is none.
    megabytes, milliseconds : size of the artifact and time for 1,000 rows; nan for a column.
    """

    name: str
    prediction: Column
    score: Float64
    megabytes: float = float("nan")
    milliseconds: float = float("nan")


def answers(name: str, table: Table, task: Task, *, monitor: MonitorSpecification | None = None) -> Answers:
    """The answers of a model: of the column of that name, or of the artifact in a file of that name.

    Parameters
    ----------
    monitor : says what the columns of an estimator of scikit-learn are; without one, a file holds an artifact of Driftwarden.

    Raises
    ------
    SettingsError
        If it is neither, or the model cannot answer these rows.
    DigestError
        If the artifact is not the one that its record, beside it in a registry's folder, tells of; nothing of it was loaded.
    """
    if name in table.columns:
        return Answers(name=name, prediction=table.numbers(name) if task == "regression" else table.texts(name), score=np.full(len(table), np.nan))
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"{name!r} is neither a column of {table.source} nor a file; columns: {', '.join(table.columns)}")
    found = read_model(path, monitor)
    try:
        features = _features(found.model, table)
        started = time.perf_counter()
        prediction = found.model.predict(features)
        milliseconds = (time.perf_counter() - started) * 1e6 / max(1, len(table))
        score = found.model.score(features)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{name} cannot answer the rows of {table.source}: {error}") from error
    return Answers(name=name, prediction=prediction, score=score, megabytes=len(found.content) / MEGABYTE, milliseconds=milliseconds)


def _features(model: Any, table: Table) -> dict[str, Column]:
    """Columns as a model takes them: those that it codes as classes are texts, others numbers where they can be."""
    levels = getattr(model, "levels", None)
    if levels is None:
        return {name: column if column.dtype.kind in "fiub" else class_names(column) for name, column in table.columns.items() if column.ndim == 1}
    missing = [name for name in levels if name not in table.columns]
    if missing:
        raise SettingsError(f"the model needs the columns {', '.join(missing)}, which {table.source} does not have; it has: {', '.join(table.columns)}")
    return {name: table.numbers(name) if known is None else table.texts(name) for name, known in levels.items()}


def task_of(table: Table, label: str) -> Task:
    """Regression where the labels are numbers with fractions or of more than 20 values, else classification.

    Examples
    --------
    >>> task_of(Table(source="a.csv", columns={"y": np.array([0, 1, 1])}), "y"), task_of(Table(source="a.csv", columns={"y": np.array([0.5, 1.25])}), "y")
    ('classification', 'regression')
    """
    column = table.columns[label]
    if column.dtype.kind not in "fiu":
        return "classification"
    known = np.unique(column[np.isfinite(column)])
    return "regression" if len(known) > 20 or (known != np.round(known)).any() else "classification"


def compared(
    champion: Answers, challenger: Answers, table: Table, label: str, specification: MonitorSpecification, *, segments: tuple[str, ...] = (), challengers: int = 1
) -> HeldOutVerdict:
    """The verdict on rows with a label and a prediction of the champion, by the rule of the live gate: where the challenger gives none, it is wrong.

    Parameters
    ----------
    label : column with the truth.
    specification : its task, its positive class and its gate count.
    segments : columns whose values are judged apart.
    challengers : that share alpha.
    """
    truth = table.numbers(label) if specification.task == "regression" else table.texts(label)
    if specification.task != "regression":
        for model in (champion, challenger):
            _answers_classes(model, truth, table.source)
    scale = fixed_scale(champion.prediction, truth) if specification.task == "regression" else 1.0
    found = [losses(model.prediction, truth, specification.task, scale) for model in (champion, challenger)]
    labelled, answered = _present(truth), np.isfinite(found[0])
    known = np.flatnonzero(labelled & answered)
    old, new = found[0][known], silence_counts(found[1][known])
    silent = int((labelled & ~answered).sum()), int(np.isnan(found[1][known]).sum())
    predictions, scores = ((champion.prediction[known], challenger.prediction[known]), (champion.score[known], challenger.score[known]))
    gate = specification.retrain.gate
    checks = [check for name in segments or ("",) for check in checks_of(predictions, (old, new), scores, truth[known], _segment(name, table)[known], specification)]
    limits = (
        limit_check("size", challenger.megabytes, gate.max_megabytes, "MB"),
        limit_check("latency", challenger.milliseconds, gate.max_milliseconds, "ms for 1,000 rows", len(table)),
    )
    unique = list({check.name: check for check in (*checks, *limits) if check is not None}.values())
    verdict = compare(old, new, gate=gate, challengers=challengers, checks=unique, silent=silent)
    return msgspec.structs.replace(verdict, scale=scale) if specification.task == "regression" else verdict


def _answers_classes(model: Answers, truth: Column, source: str) -> None:
    """A column that holds no class of the labels is another column than was meant, not a model that is always wrong."""
    classes, said = ({value for value in column.tolist() if value is not None} for column in (truth, model.prediction))
    if not classes & said:
        got, expected = (", ".join(map(repr, sorted(map(str, values))[:3])) or "nothing" for values in (said, classes))
        raise SettingsError(f"{model.name} of {source} predicts no class of the labels: got {got}, expected such as {expected}; name the column of its predictions")


def _segment(name: str, table: Table) -> Text:
    if not name:
        return np.full(len(table), "", object)
    return np.array(["" if value is None else f"{name}={value}" for value in table.texts(name).tolist()], object)


def _present(truth: Column) -> Any:
    return np.isfinite(truth) if truth.dtype.kind == "f" else np.array([value is not None for value in truth.tolist()])


def with_classes(specification: MonitorSpecification, table: Table, label: str) -> MonitorSpecification:
    """The specification with the positive class of a two-class table, where it names none: the last one, as models are trained."""
    if specification.task == "regression" or specification.positive_class is not None:
        return specification
    classes = sorted({value for value in table.texts(label).tolist() if value is not None})
    return specification.model_copy(update={"positive": classes[-1]}) if len(classes) == 2 else specification
