"""How often the broker is asked where the monitors end."""

from __future__ import annotations

import asyncio
import time

from detectors.monitor import Monitors
from streams.connection import KafkaConnection
from streams.monitors_reader import MonitorsReader


class Reader(MonitorsReader):
    """Counts its questions, each of which takes a while."""

    questions = 0

    async def _read_to_the_end(self) -> None:
        self.questions += 1
        await asyncio.sleep(0.01)


def reader() -> Reader:
    return Reader(KafkaConnection(), Monitors())


def test_partitions_that_came_together_share_a_question():
    async def questions() -> int:
        asked, arrived = reader(), time.monotonic()
        await asyncio.gather(*(asked.catch_up(arrived) for _ in range(4)))
        return asked.questions

    assert asyncio.run(questions()) == 1


def test_what_came_while_a_question_was_under_way_is_asked_for_again():
    async def questions() -> int:
        asked = reader()
        first = asyncio.create_task(asked.catch_up(time.monotonic()))
        await asyncio.sleep(0.001)
        await asked.catch_up(time.monotonic())
        await first
        return asked.questions

    assert asyncio.run(questions()) == 2


def test_without_a_time_the_broker_is_always_asked():
    async def questions() -> int:
        asked = reader()
        for _ in range(3):
            await asked.catch_up()
        return asked.questions

    assert asyncio.run(questions()) == 3
