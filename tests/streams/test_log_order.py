"""However a fetch is cut, and whatever a restored worker holds already, an event counts once, and the log's order decides."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest

from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import TRAFFIC
from detectors.settings.feature import Feature
from detectors.settings.watching import Labels
from detectors.specification import MonitorSpecification
from detectors.summarise import Flushed, Summarise
from streams.bundle_codec import decode_bundle
from streams.formats.v1 import Decoder
from streams.piece_store import PieceStore
from streams.source_records import SourceRecords
from streams.summarise_driver import SummariseDriver
from streams.topics import Topics

NOW = 1_700_000_000_000
MONITORS = Monitors([Monitor(specification=MonitorSpecification(model="churn", positive="yes", features={"age": Feature()}, labels=Labels(timeout=3_600_000, corrections=True)))])
ONE, OTHER = ["churn", "other"], ["other", "churn"]

Row = tuple[str, str, str | None, str | None]
"""Event id, kind, prediction and label."""


def arrow(row: Row, dictionary: list[str]) -> bytes:
    """A record of one event, whose model stands in a dictionary."""
    event_id, kind, prediction, label = row
    table = pa.table(
        {
            "event_id": [event_id],
            "model": pa.DictionaryArray.from_arrays(pa.array([dictionary.index("churn")], pa.int32()), pa.array(dictionary)),
            "kind": [kind],
            "prediction": pa.array([prediction], pa.string()),
            "label": pa.array([label], pa.string()),
            "timestamp": [NOW],
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read(values: list[bytes], cuts: list[int]) -> Flushed:
    """Records read in several fetches."""
    decoder, stage = Decoder(MONITORS), Summarise(0, MONITORS)
    for first, end in itertools.pairwise(cuts):
        n = end - first
        records = SourceRecords(offsets=np.arange(first, end), timestamps=np.full(n, NOW), keys=[None] * n, values=values[first:end])
        stage.absorb(decoder.decode(records, high=stage.high, end=end).fetch)
    return stage.flush()


def traffic(flushed: Flushed) -> dict[str, float]:
    """Counters that are not 0."""
    counts = sum(summary.counts[: len(TRAFFIC)] for summary in flushed.summaries)
    return {name: value for name, value in zip(TRAFFIC, np.asarray(counts).tolist(), strict=True) if value}


def test_records_whose_dictionaries_differ_are_read_in_the_order_of_the_log():
    rows: list[Row] = [("a", "prediction", "no", None), ("x", "prediction", "no", None), ("x", "prediction", "yes", None), ("b", "prediction", "no", None)]
    values = [arrow(row, ONE if place % 2 else OTHER) for place, row in enumerate(rows)]
    assert traffic(read(values, [0, 4])) == traffic(read(values, [0, 1, 2, 3, 4])) == {"predictions": 3, "duplicates": 1}


def test_a_correction_corrects_also_where_dictionaries_differ():
    rows: list[Row] = [("x", "prediction", "no", None), ("x", "label", None, "no"), ("x", "label", None, "yes")]
    values = [arrow(row, ONE if place % 2 else OTHER) for place, row in enumerate(rows)]
    (examples,) = read(values, [0, 3]).examples
    assert (examples.offset.tolist(), examples.label.to_text().tolist()) == ([1, 2], ["no", "yes"])


@pytest.mark.parametrize("shorter", [5, 6, 7])
def test_windows_that_were_saved_ahead_of_the_manifest_count_once_though_the_next_epoch_is_shorter_and_the_partition_moves(shorter: int):
    values = [json.dumps({"event_id": f"e{place}", "model": "churn", "timestamp": NOW + place, "prediction": "no"}).encode() for place in range(10)]
    state: dict[bytes, bytes] = {}

    def owner(number: int) -> tuple[SummariseDriver, PieceStore]:
        driver, store = SummariseDriver(partition=0, partitions=1, monitors=MONITORS, topics=Topics()), PieceStore(owner=number)
        recovered = store.recover(list(state.items()), "summarise")
        driver.restore(recovered.manifest, recovered.pieces)
        return driver, store

    def absorb(driver: SummariseDriver, first: int, end: int) -> None:
        n = end - first
        driver.absorb(SourceRecords(offsets=np.arange(first, end), timestamps=np.arange(first, end) + NOW, keys=[None] * n, values=values[first:end]), end)

    def epoch(driver: SummariseDriver, store: PieceStore, *, killed: bool = False) -> list[float]:
        store.epoch += 1
        made = driver.flush(generation=store.generation, epoch=store.epoch, at_end=False, idle=0)
        entries, manifest = store.entries(made.pieces), store.manifest(made.manifest)
        for key, value in entries if killed else [*entries, manifest]:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        bundles = [decode_bundle(output.value, "bundle") for output in made.outputs if output.topic == Topics().summaries and output.value]
        return [summary.counts[TRAFFIC.index("predictions")] for bundle in bundles for summary in bundle.summaries]

    first, saved = owner(1)
    absorb(first, 0, 4)
    epoch(first, saved)
    absorb(first, 4, 8)
    epoch(first, saved, killed=True)
    second, saved = owner(2)
    absorb(second, 4, shorter)
    epoch(second, saved)
    third, saved = owner(3)
    absorb(third, shorter, 10)
    assert epoch(third, saved) == [10]
