"""The summarise stage on Kafka: fetches of ``inference.events`` in; bundles, examples and dead letters out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from detectors.bundle import Bundle, Cohort, FirstRows, Summary
from detectors.event_batch import NO_TIME
from detectors.monitor import Monitors
from detectors.piece import Piece
from detectors.summarise import MAX_UNMONITORED, Flushed, Summarise
from streams.bundle_codec import encode_bundle
from streams.examples_codec import encode_examples
from streams.formats.decoded import DeadLetter
from streams.formats.placement import Placement
from streams.formats.v1 import Decoder
from streams.partitioner import partition_of
from streams.source_records import SourceRecords
from streams.stage_run import Epoch, Output, given_away
from streams.telemetry.dead_letter_reasons import reason_of
from streams.telemetry.figures import FigureCounts
from streams.topics import Topics
from streams.unmonitored import Unmonitored

logger = logging.getLogger(__name__)

MAX_RECORD_BYTES = 512 * 1024  # half of Kafka's default limit, so that headers and batches of records fit
MAX_DEAD_LETTER_BYTES = 1_000_000  # of key and value: with its headers just below Kafka's default limit, where compressed input may be far above


class SummariseDriver:
    """One source partition.

    Parameters
    ----------
    partition, partitions : of ``inference.events``; the topics that it writes have as many.
    max_unmonitored : models without a monitor whose events are counted by name.
    """

    def __init__(self, *, partition: int, partitions: int, monitors: Monitors, topics: Topics, max_unmonitored: int = MAX_UNMONITORED) -> None:
        self._partition = partition
        self._partitions = partitions
        self._topics = topics
        self._placement = Placement(partition, partitions)
        self._decoder = Decoder(monitors, self._placement)
        self._misplaced = False
        self._stage = Summarise(partition, monitors, max_unmonitored=max_unmonitored)
        self._unmonitored = Unmonitored(monitors, most=max_unmonitored)
        self._dead: list[tuple[DeadLetter, bytes | None]] = []
        self._told: tuple[int, int] | None = None
        self._targets: dict[str, int] = {}
        self.counts = FigureCounts()

    @property
    def covered(self) -> int:
        """Offset up to which records are in the state."""
        return self._stage.covered

    @property
    def pressing(self) -> bool:
        """Whether a pane can close by what the next bundles say."""
        return self._stage.closes

    @property
    def untold(self) -> int:
        """Bytes, about, of what the next flush tells."""
        return self._stage.untold

    @property
    def gauges(self) -> dict[tuple[str, ...], float]:
        """What holds now, by the figure's name."""
        return {} if self._stage.high == NO_TIME else {("event_time_seconds",): self._stage.high / 1_000}

    def restore(self, manifest: dict[str, Any] | None, pieces: Iterable[Piece]) -> int:
        """Take saved state."""
        if manifest is not None:
            self._unmonitored.restore(manifest["unmonitored"])
        return self._stage.restore(manifest, pieces)

    def manifest(self) -> dict[str, Any]:
        """What ends an epoch."""
        return self._stage.manifest()

    def absorb(self, records: SourceRecords, end: int) -> None:
        """Decode and count."""
        decoded = self._decoder.decode(records, high=self._stage.high, end=end)
        self.counts["events",] += sum(map(len, decoded.fetch.batches))
        self.counts["unmonitored_events",] += sum(decoded.fetch.unmonitored.values())
        self.counts.update(("dead_letters", reason_of(dead)) for dead in decoded.dead_letters)
        if decoded.dead_letters:
            keys = dict(zip(records.offsets.tolist(), records.keys, strict=True))
            self._dead += [(dead, keys[dead.offset]) for dead in decoded.dead_letters]
        if decoded.misplaced and not self._misplaced:
            logger.warning("%s", self._placement.story(decoded.misplaced))
        self._misplaced |= bool(decoded.misplaced)  # told once; the log is not the place to count them
        self._stage.absorb(decoded.fetch)

    def skip(self, end: int, *, missed: bool) -> None:
        """Go on behind records that are not in the log any more."""
        self._stage.skip(end, missed=missed)

    def flush(self, *, generation: int, epoch: int, at_end: bool, idle: int) -> Epoch | None:
        """Bundles for every partition of the summaries topic, since all of them wait for this partition's time."""
        if self._told == (self._stage.covered, idle) or (self._stage.high == NO_TIME and not at_end):
            return None  # "empty" may be said only of a log that has been read: in time, panes close without it
        self._told = (self._stage.covered, idle)
        flushed = self._stage.flush()
        for story in self._unmonitored.stories(flushed.unmonitored):
            logger.warning("%s[%d]: %s", self._topics.inference_events, self._partition, story)
        outputs = [*self._bundles(flushed, generation, epoch, idle), *self._examples(flushed), *self._dead_letters()]  # somebody waits for what bundles say
        self._dead = []
        return Epoch(covered=flushed.covered, outputs=given_away(outputs), pieces=flushed.pieces, manifest=self._stage.manifest())

    def _bundles(self, flushed: Flushed, generation: int, epoch: int, idle: int) -> Iterable[Output]:
        summaries: dict[int, list[Summary]] = {}
        cohorts: dict[int, list[Cohort]] = {}
        first_rows: dict[int, list[FirstRows]] = {}
        for summary in flushed.summaries:
            summaries.setdefault(self._target(summary.model), []).append(summary)
        for cohort in flushed.cohorts:
            cohorts.setdefault(self._target(cohort.model), []).append(cohort)
        for told in flushed.first_rows:
            first_rows.setdefault(self._target(told.model), []).append(told)
        unmonitored: dict[int, dict[str, int]] = {}
        for model, count in flushed.unmonitored.items():
            unmonitored.setdefault(self._target(model), {})[model] = count
        for target in range(self._partitions):
            bundle = Bundle(
                partition=self._partition,
                partitions=self._partitions,
                generation=generation,
                epoch=epoch,
                high=flushed.high,
                idle=idle,
                covered=flushed.covered,
                summaries=tuple(summaries.get(target, ())),
                cohorts=tuple(cohorts.get(target, ())),
                first_rows=tuple(first_rows.get(target, ())),
                unmonitored=unmonitored.get(target, {}),
                rejected=flushed.rejected if target == self._partition else 0,
                missed=flushed.missed if target == self._partition else 0,
                gaps=flushed.gaps,
            )
            for value in encode_bundle(bundle, max_bytes=MAX_RECORD_BYTES):
                yield Output(topic=self._topics.summaries, partition=target, value=value)

    def _target(self, model: str) -> int:
        """Partition of the summaries topic that detection of a model reads."""
        target = self._targets.get(model)
        if target is None:
            target = self._targets[model] = int(partition_of([model.encode()], self._partitions)[0])
        return target

    def _examples(self, flushed: Flushed) -> Iterable[Output]:
        for record in encode_examples(flushed.examples, max_bytes=MAX_RECORD_BYTES):
            key = None if record.model is None else record.model.encode()
            yield Output(topic=self._topics.examples, partition=self._partition, key=key, value=record.value)

    def _dead_letters(self) -> Iterable[Output]:
        for dead, key in self._dead:
            headers = {
                "reason": dead.reason,
                "path": dead.path,
                "topic": self._topics.inference_events,
                "partition": str(self._partition),
                "offset": str(dead.offset),
                "index": str(dead.index),
            }
            sent_key, value = key, dead.value
            size = len(key or b"") + len(value or b"")
            if size > MAX_DEAD_LETTER_BYTES:
                headers["size"] = str(size)
                sent_key = key and key[:MAX_DEAD_LETTER_BYTES]
                value = value and value[: MAX_DEAD_LETTER_BYTES - len(sent_key or b"")]
            yield Output(
                topic=self._topics.dead_letters,
                partition=self._partition,
                key=sent_key,
                value=b"" if key is None and value is None else value,  # Kafka's clients refuse a record of nothing
                headers=tuple((name, value.encode()) for name, value in headers.items()),
            )
