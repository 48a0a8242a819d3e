"""How far a plain consumer is behind the logs that it reads."""

from __future__ import annotations

from kafka import KafkaConsumer

from streams.telemetry.figures import Figures


def tell_lag(figures: Figures, consumer: KafkaConsumer) -> None:
    """Of every partition that it has and has fetched from; those that it had and has no more are forgotten."""
    assigned = consumer.assignment()
    for partition in assigned:
        end = consumer.highwater(partition)
        if end is not None:
            figures.set("consumer_lag_records", max(0, end - consumer.position(partition)), partition.topic, str(partition.partition))
    figures.keep_places({(partition.topic, str(partition.partition)) for partition in assigned})
