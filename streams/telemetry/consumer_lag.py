"""How far a plain consumer is behind the logs that it reads."""

from __future__ import annotations

from collections.abc import Mapping

from kafka import KafkaConsumer, TopicPartition

from streams.telemetry.figures import Figures


def tell_lag(figures: Figures, consumer: KafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
    """Of every partition that it has; those that it had and has no more are forgotten.

    Parameters
    ----------
    positions : offset after the last record that was read of a partition. The consumer is not asked for it: it would ask its group, and wait.
    """
    assigned = consumer.assignment()
    for partition in assigned & positions.keys():
        end = consumer.highwater(partition)
        if end is not None:
            figures.set("consumer_lag_records", max(0, end - positions[partition]), partition.topic, str(partition.partition))
    figures.keep_places({(partition.topic, str(partition.partition)) for partition in assigned})
