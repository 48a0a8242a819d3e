"""Quix Streams: a streaming data frame, which is given one record after another."""

from __future__ import annotations

from quixstreams import Application

from bench.peers.counting import TOGETHER, Tally, told


def main() -> None:
    """Run until killed."""
    task = told()
    tally = Tally(task)
    values: list[bytes] = []
    app = Application(
        broker_address=task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        consumer_extra_config={"session.timeout.ms": 80_000},  # it is paused while a backlog is published
        state_dir=task.folder,
        auto_create_topics=False,
        loglevel="WARNING",
    )

    def take(value: bytes) -> None:
        values.append(value)
        if len(values) == TOGETHER:
            tally.add(values)
            values.clear()

    app.dataframe(app.topic(task.topic, value_deserializer="bytes")).update(take)
    app.run()


if __name__ == "__main__":
    main()
