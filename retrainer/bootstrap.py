"""The first champion: trained on a table, registered and promoted without a gate, as there is nothing to be better than."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Column
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.messages import Cause
from retrainer.provenance import provenance
from retrainer.registry import Registry
from retrainer.trainers import Trainer, TrainingContext, TrainingError, check
from retrainer.training_set import TABLE, TrainingSet, choose
from retrainer.versions import Version, digest_of_specification


def bootstrap_champion(
    features: dict[str, Column],
    label: Column,
    *,
    specification: MonitorSpecification,
    trainer: Trainer,
    registry: Registry,
    at: int,
    by: str = "bootstrap",
    source: str = "table",
    keep: Callable[[TrainingSet, dict[str, Any]], object] = lambda *_: None,
) -> list[Version]:
    """Train version 1 on a whole table, and promote it.

    Parameters
    ----------
    features : a column (n,) each, numbers or class names.
    label : (n,) class names or numbers.
    at : event time of the promotion, epoch milliseconds.
    source : name of the table, for the lineage.
    keep : is given the rows with their lineage, before they are trained on: where a retrainer finds them again, its trainings know what came before the first labelled event, too.

    Returns
    -------
    The ``registered`` and the ``promoted`` record.

    Raises
    ------
    TrainingError
        If there is no model of use; without a first champion there is nothing to watch.
    """
    rows = table_examples(features, label, model=specification.model, at=at - 1)
    chosen = choose(rows, Cause(cause=by, kind="request", since=None, targets=(1,)), window=len(rows), max_rows=len(rows))
    keep(chosen, chosen.lineage(source) | {"model": specification.model, "cause": by, "at": at})
    candidate = trainer.train(chosen.examples, specification, TrainingContext(cause=by))
    check(candidate, chosen.examples, specification)
    if specification.retrain.champion == "adaptive":
        from retrainer.adaptive import started  # noqa: PLC0415  river takes a second to import, which nobody waits for who does not ask for it

        candidate = started(candidate, chosen.examples, specification, cut=at, seed=0)
    version = Version(
        model=specification.model,
        version="1",
        status="registered",
        at=at,
        by=by,
        cause=by,
        trained_on=chosen.lineage(source),
        parameters=candidate.parameters,
        metrics=candidate.metrics,
        provenance={"seed": 0, "specification": digest_of_specification(specification), **provenance(specification.retrain.trainer)},
    )
    try:
        artifact = candidate.model.artifact()
    except Exception as error:  # of a user's estimator, which may be of any type
        raise TrainingError(f"{specification.retrain.trainer} made a model that cannot be stored: {error}") from error
    uri, digest = registry.register(artifact, version)
    registered = msgspec.structs.replace(version, uri=uri, digest=digest)
    registry.set_alias(specification.model, "champion", "1", digest=digest)
    return [registered, msgspec.structs.replace(registered, status="promoted", gate={"reason": "the first champion"})]


def table_examples(features: dict[str, Column], label: Column, *, model: str, at: int) -> Examples:
    """A table as examples, each row its own event at one time, and none of a topic."""
    n = len(label)
    rows, text = np.arange(n, dtype=np.int64), np.full(n, "", object)
    return Examples(
        model=model,
        partition=np.full(n, TABLE, np.int64),
        offset=rows,
        index=np.zeros(n, np.int64),
        event_id=~rows.astype(np.uint64),  # from the largest down: a replay counts its events from 0 up
        predicted_at=np.full(n, at, np.int64),
        labelled_at=np.full(n, at, np.int64),
        version=text,
        segment=text,
        prediction=label,
        label=label,
        score=np.full(n, np.nan),
        features=features,
    )
