"""Rows of a training set, read again from ``monitoring.examples`` by the offsets that its lineage names."""

from __future__ import annotations

from typing import Any

import numpy as np
from kafka import KafkaConsumer, TopicPartition

from detectors.errors import DriftwardenError
from detectors.rows.examples import Examples
from retrainer.first_rows import Kept
from retrainer.training_set import TABLE, TrainingSet, at_hand, choose_again
from streams.connection import KafkaConnection
from streams.examples_codec import decode_examples
from streams.unreachable import explained

_POLL_MILLISECONDS = 500


def training_set_of(connection: KafkaConnection, model: str, trained_on: dict[str, Any], *, kept: Kept = lambda *_: None) -> TrainingSet:
    """The training set of a version, chosen again; its digest is the announced one, unless rows have expired.

    Parameters
    ----------
    kept : gives the rows that the first champion was trained on, where some of them are in it.

    Raises
    ------
    DriftwardenError
        If Kafka does not answer, the lineage names no rows of the topic, none of them is left, or those of the first champion are not kept.
    """
    if "selection" not in trained_on or not {*trained_on.get("offsets", ())} - {str(TABLE)}:
        raise DriftwardenError(f"this version of '{model}' names no offsets of {connection.topics.examples}: it was trained on {trained_on.get('topic') or 'something else'}")
    of_table = _first_rows(model, trained_on, kept)
    parts = _rows(connection, model, trained_on)
    if not parts:
        raise DriftwardenError(f"no row of '{model}' between these offsets is left on {connection.topics.examples}; the training set may still be among the Parquet files")
    rows = Examples.concatenate([*of_table, *parts])
    _, first = np.unique(np.stack([rows.partition, rows.offset, rows.index]), axis=1, return_index=True)  # delivered at least once
    return choose_again(rows.take(np.sort(first)), trained_on)


def _first_rows(model: str, trained_on: dict[str, Any], kept: Kept) -> list[Examples]:
    if "before" not in trained_on:
        return []
    table = trained_on["before"]
    rows = kept(model, table)
    if rows is None:
        raise DriftwardenError(
            f"some of its rows are of {table['topic']!r}, which version {table['version']} of '{model}' was trained on and no topic holds; "
            f"they are not among the training sets at hand ({table['digest']})"
        )
    return [rows]


def _rows(connection: KafkaConnection, model: str, trained_on: dict[str, Any]) -> list[Examples]:
    with explained(connection):
        consumer = KafkaConsumer(
            **connection.client_arguments(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=10_000,
        )
    parts: list[Examples] = []
    try:
        with explained(connection):
            known = consumer.partitions_for_topic(connection.topics.examples) or set()
            partitions = [TopicPartition(connection.topics.examples, int(number)) for number in trained_on["offsets"] if int(number) in known]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                for records in consumer.poll(_POLL_MILLISECONDS).values():
                    found = [rows for record in records if record.value is not None for rows in decode_examples(record.value) if rows.model == model]
                    parts += [rows.take(mask) for rows in found if (mask := at_hand(rows, trained_on)).any()]
    finally:
        consumer.close()
    return parts
