"""Replay with the loop closed: a champion predicts every row, and is retrained by the specification's policy.

Each row is predicted before anything is learnt from it (prequential evaluation, Gama et al. 2013). Apart from `streams.replay`, since a loop imports what models are trained with,
which takes longer than to replay a hundred thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from detectors.alerts.alert import Alert
from detectors.rows.labelled_rows import LabelledRows
from detectors.specification import MonitorSpecification, Task
from retrainer.canary import answers, canary
from retrainer.decision import Decision
from retrainer.loop import RetrainLoop
from retrainer.registry import Registry
from retrainer.trainers import Model
from retrainer.unanswered import answers as answers_of
from retrainer.unanswered import predicted as predicted_by
from retrainer.versions import Version
from streams.file_events import ColumnNames, EventOrder, Rows
from streams.replay import Progress, Replayed, Stages, parts_of
from streams.tables import Table

ROWS_BETWEEN_DECISIONS = 100
"""With retraining, a promoted model takes over at the next hundred rows."""


def replay_with_retraining(
    tables: Iterable[Table],
    specification: MonitorSpecification,
    names: ColumnNames,
    loop: RetrainLoop,
    registry: Registry,
    *,
    metrics: bool = True,
    progress: Progress = lambda _: None,
) -> Replayed:
    """Run the stages over a file, the loop's champion predicting every row.

    Labels that are still under way after the last row complete metrics, and judge challengers; nothing is trained on them any more.

    Parameters
    ----------
    loop : knows its first champion's records.
    registry : where the champions' models are.
    """
    stages, order = Stages(specification, metrics=metrics), EventOrder(specification, names)
    replayed = Replayed(specification=specification, versions=list(loop.records))
    champion = _champion(loop)
    first = model = registry.fetch(champion.uri, champion.digest)
    served: dict[tuple[str, str], int] = {}
    for rows in parts_of(tables, specification, names, ROWS_BETWEEN_DECISIONS):
        if (_champion(loop).version, _champion(loop).revision) != (champion.version, champion.revision):
            champion = _champion(loop)
            model = registry.fetch(champion.uri, champion.digest)
        predicted = _predicted(rows, model, champion.version, specification.task)
        beside = canary(loop.records)
        if beside is not None:
            predicted = _shared(predicted, beside, registry, specification.task)
        static = predicted.prediction if model is first and beside is None else predicted_by(first, rows.features, specification.task)
        stage = served.setdefault((champion.version, "" if beside is None else beside.version), len(served))
        replayed.losses.add(predicted.prediction, rows.label, rows.fraction, static=static, stage=stage)
        examples, points, alerts = stages.step(order.fetch(predicted))
        replayed.take(rows, points, alerts)
        _decide(replayed, loop, examples, alerts, now=int(rows.time[-1]))
        progress(len(rows))
    examples, points, alerts = stages.finish(order.rest())
    replayed.points += points
    replayed.alerts += alerts
    replayed.states, replayed.specification = stages.states, stages.specification
    loop.end()
    _decide(replayed, loop, examples, alerts, now=replayed.last)
    return replayed


def _decide(replayed: Replayed, loop: RetrainLoop, examples: tuple[LabelledRows, ...], alerts: tuple[Alert, ...], *, now: int) -> None:
    # Rows before alerts: an alert follows from rows that the loop has not seen yet, and nothing may be decided at a time before it.
    told = [item for part in examples for item in loop.on_examples(part.examples())]
    told += loop.on_time(now)
    told += [item for alert in alerts for item in loop.on_alert(alert, now)]
    replayed.versions += [item for item in told if isinstance(item, Version)]
    replayed.decisions += [item for item in told if isinstance(item, Decision)]


def _champion(loop: RetrainLoop) -> Version:
    champion = loop.champion
    assert champion is not None  # noqa: S101  the first one is announced before the replay begins
    return champion


def _predicted(rows: Rows, model: Model, version: str, task: Task) -> Rows:
    prediction, score = answers_of(model, rows.features, task)
    return replace(rows, prediction=prediction, score=score, version=np.full(len(rows), version, dtype=object))


def _shared(rows: Rows, beside: Version, registry: Registry, task: Task) -> Rows:
    """The rows with a canary's answers to its share of them; a row's number is its id."""
    mine = np.array([answers(beside, str(row)) for row in range(rows.first, rows.first + len(rows))])
    theirs = _predicted(rows, registry.fetch(beside.uri, beside.digest), beside.version, task)
    prediction, score, version = (np.where(mine, new, old) for new, old in ((theirs.prediction, rows.prediction), (theirs.score, rows.score), (theirs.version, rows.version)))
    return replace(rows, prediction=prediction, score=score, version=version)
