"""Faust: an agent that takes a thousand records together, on uvloop, with the compiled stream that its wheel carries."""

from __future__ import annotations

import faust
import mode.loop

from bench.peers.counting import TOGETHER, Tally, told


def main() -> None:
    """Run until killed."""
    mode.loop.use("uvloop")
    task = told()
    tally = Tally(task)
    app = faust.App(
        task.group,
        broker=f"kafka://{task.bootstrap}",
        datadir=task.folder,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_session_timeout=80.0,  # it is paused while a backlog is published; Faust's requests may take 90
        worker_redirect_stdouts=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )

    @app.agent(app.topic(task.topic, value_serializer="raw", key_serializer="raw"))
    async def count(stream: faust.StreamT[bytes]) -> None:
        async for values in stream.take(TOGETHER, within=1.0):
            tally.add(values)

    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
