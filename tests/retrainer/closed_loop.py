"""A loop that is fed a stream whose concept changes."""

from __future__ import annotations

from detectors.rows.examples import Examples
from retrainer.loop import RetrainLoop, Told
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Version
from tests.retrainer.concepts import alert

TRAINER = ScikitLearnTrainer(iterations=30)
CHANGE = 1_000  # event at which the concept changes
DETECTED = 1_100  # event at which the alert comes


def feed(loop: RetrainLoop, rows: Examples, *, batch: int = 250) -> list[Told]:
    told: list[Told] = []
    for start in range(0, len(rows), batch):
        told += loop.on_examples(rows.take(slice(start, start + batch)))
    return told


def run(loop: RetrainLoop, rows: Examples, *, batch: int = 250, change: int = CHANGE, detected: int = DETECTED) -> list[Told]:
    """Rows with an alert in between, which knows the change by the time of its labels."""
    told = feed(loop, rows.take(slice(0, detected)), batch=batch)
    told += loop.on_alert(alert("a1", int(rows.labelled_at[change])), int(rows.labelled_at[detected]))
    return told + feed(loop, rows.take(slice(detected, None)), batch=batch)


def versions(told: list[Told]) -> list[tuple[str, str]]:
    return [(one.version, one.status) for one in told if isinstance(one, Version)]
