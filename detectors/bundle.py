"""What the summarise stage tells the detect stage: cumulative summaries of panes, and how far event time has come."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.event_batch import NO_TIME, Float64
from detectors.panes.gaps import Gap
from detectors.rows.earliest_rows import EarliestRows


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts of one model, revision, version and segment in one pane, as far as one source partition has seen it.

    Cumulative: a later summary of the same key replaces the earlier one, so a repeated one changes nothing.
    """

    model: str
    revision: int
    digest: str
    version: str
    segment: str
    start: int  # of the pane, epoch milliseconds
    counts: Float64


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Labelled so far of the predictions that one version made in one hour; restated as labels come."""

    model: str
    revision: int
    digest: str
    version: str
    start: int
    counts: Float64  # number of predictions, then the performance block


@dataclass(frozen=True, kw_only=True)
class FirstRows:
    """Rows that a model's reference may be learnt from; each is told once by every owner of the source partition that reads it."""

    model: str
    revision: int
    digest: str
    rows: EarliestRows


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One epoch of one source partition, for one partition of the summaries topic.

    Attributes
    ----------
    partition, partitions : the source partition, and how many there are.
    generation, epoch : order bundles of a source partition; one of a smaller generation comes from a worker that has been replaced.
    high : largest record timestamp seen, `NO_TIME` while the partition has never held a record.
    idle : wall time since the partition was found at the log's end, milliseconds; event time is taken to have moved by as much, once there was a record.
    covered : offset up to which records are in.
    part, parts : a bundle too large for one record is split, and counts when all parts are there.
    unmonitored : events of models without a monitor, by model, since the partition's first record; each model in the bundles of one partition of the summaries topic.
    rejected : dead letters since the partition's first record; in the bundles for the partition of the summaries topic with the source partition's own number.
    missed : records that expired before they were read, counted in the same bundles.
    gaps : when those records were, in the bundles for all partitions: no pane may seem complete that they belong to.
    """

    partition: int
    partitions: int
    generation: int
    epoch: int
    high: int = NO_TIME
    idle: int = 0
    covered: int = 0
    part: int = 0
    parts: int = 1
    summaries: tuple[Summary, ...] = ()
    cohorts: tuple[Cohort, ...] = ()
    first_rows: tuple[FirstRows, ...] = ()
    unmonitored: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    missed: int = 0
    gaps: tuple[Gap, ...] = ()

    @property
    def time(self) -> int:
        """Event time that the partition has reached, before lateness is taken off; `NO_TIME` without any record."""
        return self.high if self.high == NO_TIME else self.high + self.idle
