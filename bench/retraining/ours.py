"""The closed loop on a stream: the very stages, decisions, trainer, gate and registry that serve in production, driven by a replay."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from bench.retraining.baselines import Measured
from bench.retraining.streams import LABEL, Stream
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion
from retrainer.first_rows import HeldRows
from retrainer.loop import RetrainLoop
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Candidate, Trainer, TrainingContext
from streams.file_events import ColumnNames, input_columns, outcome_column
from streams.file_settings import FILE_BUDGET, changed
from streams.infer import infer
from streams.measured_reference import with_measured_performance
from streams.replay import Replayed
from streams.retraining_replay import replay_with_retraining
from streams.tables import ROW_LENGTH


@dataclass
class CountingTrainer:
    """A trainer, and how often it was asked for a model; a training that fails counts."""

    trainer: Trainer
    fits: int = 0

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Count, and train."""
        self.fits += 1
        return self.trainer.train(examples, specification, context)


@dataclass(frozen=True, kw_only=True)
class Looped(Measured):
    """What the loop did; ``static`` is the loss of the first champion, ``promoted`` counts versions after it."""

    static: float
    alerts: int
    promoted: int


def inferred(stream: Stream) -> MonitorSpecification:
    """What ``driftwarden monitor infer`` makes of the rows that the first champion is trained on; a row lasts a second."""
    base = MonitorSpecification(model=stream.name)
    base = changed(base, lateness=0, false_alarms=FILE_BUDGET, events_per_pane=base.pane / ROW_LENGTH)
    return infer(stream.part(slice(0, stream.known)), model=stream.name, label=LABEL, task=stream.task, base=base)


def adaptive(specification: MonitorSpecification) -> MonitorSpecification:
    """The same with an adaptive champion."""
    return changed(specification, retrain=specification.retrain.model_copy(update={"champion": "adaptive"}))


def looped(stream: Stream, delay: int, specification: MonitorSpecification, trainer: Trainer) -> Looped:
    """What ``driftwarden replay --retrain`` does with the rest of a stream.

    Parameters
    ----------
    delay : of labels, in rows.
    """
    found, fits = run(stream, delay, specification, trainer)
    losses = found.losses
    return Looped(
        loss=losses.made.mean,
        static=losses.static.mean,
        fits=fits,
        alerts=len(found.opened),
        promoted=sum(version.status == "promoted" for version in found.versions) - 1,
    )


def run(stream: Stream, delay: int, specification: MonitorSpecification, trainer: Trainer) -> tuple[Replayed, int]:
    """The replay itself, and its fits."""
    reference, names = stream.part(slice(0, stream.known)), ColumnNames(label=LABEL, label_delay_rows=delay)
    specification = with_measured_performance(specification, reference, names, trainer)
    features, label = input_columns(specification, reference), outcome_column(specification, reference, LABEL)
    with tempfile.TemporaryDirectory(prefix="driftwarden-bench-") as folder:
        registry, first = FilesRegistry(Path(folder)), HeldRows()
        records = bootstrap_champion(features, label, specification=specification, trainer=trainer, registry=registry, at=0, source=stream.name, keep=first.keep)
        counting = CountingTrainer(trainer)
        loop = RetrainLoop(specification, counting, registry, records=records, topic=stream.name, kept=first.rows_of)
        rest = replace(stream.part(slice(stream.known, None)), first_row=0)
        return replay_with_retraining([rest], specification, names, loop, registry, metrics=False), counting.fits
