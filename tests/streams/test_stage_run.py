"""What one partition of a stage makes of offsets that are not there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from typing_extensions import override

from detectors.panes.layout import Layout
from streams.piece_store import PieceStore
from streams.source_records import SourceRecords
from streams.stage_run import MOST_UNDER_WAY, Epoch, Output, StageRun, given_away
from streams.state_codec import StateError
from streams.summarise_driver import SummariseDriver
from streams.topics import Topics
from tests.detectors.event_samples import monitors, specification


def records(*offsets: int, beside: int = 0) -> SourceRecords:
    return SourceRecords.of(record(offset, b" " * beside) for offset in offsets)


def record(offset: int, beside: bytes = b"") -> ConsumerRecord[bytes, bytes]:
    value = b'{"event_id":"%d","model":"churn","prediction":"no"}%b' % (offset, beside)
    return ConsumerRecord("inference.events", 0, offset, 1_000 * offset, 0, b"k", value, None, 1, len(value), ())


class State:
    """A state topic in memory."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    async def send(self, output: Output) -> Awaitable[Any]:
        if output.topic == "state" and output.key is not None:
            self.entries.pop(output.key, None)
            if output.value is not None:
                self.entries[output.key] = output.value

        async def acknowledged() -> None: ...

        return acknowledged()

    def run(self) -> StageRun:
        driver = SummariseDriver(partition=0, partitions=1, monitors=monitors(), topics=Topics(""))
        return StageRun(driver, PieceStore(), name="inference.events[0]", state_topic="state", partition=0, send=self.send)


def missed(run: StageRun) -> int:
    """What the manifest of the next epoch says."""
    return int(run._driver.manifest()["missed"])


def test_what_is_between_a_position_and_the_beginning_of_the_log_is_missed(caplog: pytest.LogCaptureFixture):
    run = State().run()
    asyncio.run(run.restore((), beginning=0, end=10))
    run.absorb(0, records(0, 9))
    with caplog.at_level(logging.WARNING):
        run.absorb(10, records(5_000), beginning=4_990)
    assert missed(run) == 4_980
    assert "inference.events[0]: offsets 10 to 4989 expired" in caplog.text


def test_offsets_of_transactions_are_not_missed():
    run = State().run()
    asyncio.run(run.restore((), beginning=0, end=10))
    run.absorb(0, records(0, 4))
    run.absorb(5, records(7), beginning=3)
    assert (missed(run), run.position) == (0, 8)


def test_records_that_expired_while_no_worker_ran_are_missed_once():
    state = State()
    run = state.run()
    asyncio.run(run.restore((), beginning=0, end=5))
    run.absorb(0, records(0, 4))
    asyncio.run(run.epoch(at_end=True))
    for _ in range(2):
        run = state.run()
        assert asyncio.run(run.restore(state.entries.items(), beginning=100, end=200)) == 100
        assert missed(run) == 95


def test_a_new_installation_has_missed_nothing_of_a_log_that_began_earlier():
    state = State()
    for _ in range(2):
        run = state.run()
        assert asyncio.run(run.restore(state.entries.items(), beginning=100, end=200)) == 100
        assert missed(run) == 0


def test_a_log_that_was_made_anew_stops_the_worker():
    run = State().run()
    asyncio.run(run.restore((), beginning=0, end=10))
    run.absorb(0, records(9))
    with pytest.raises(StateError, match="made anew"):
        run.absorb(10, records(0), beginning=0)


def test_an_epoch_is_pressing_from_where_a_pane_can_be_closed_until_it_was_told():
    run, pressing = State().run(), []
    asyncio.run(run.restore((), beginning=0, end=10))
    for position, offset in ((0, 25), (26, 29), (30, 30), (31, 31)):  # the pane that begins at 0 can be closed at 10 s and 20 s of lateness
        run.absorb(position, records(offset))
        pressing.append(run.pressing)
        if not run.pressing:
            asyncio.run(run.epoch(at_end=False))
    asyncio.run(run.epoch(at_end=False))
    assert (pressing, run.pressing) == ([False, False, True, True], False)


def test_reading_pauses_while_an_epoch_waits_for_its_acknowledgements_and_goes_on_behind_it():
    async def happened() -> list[str]:
        acknowledged, said = asyncio.Event(), list[str]()

        async def send(output: Output) -> Awaitable[Any]:
            return acknowledged.wait()

        driver = SummariseDriver(partition=0, partitions=1, monitors=monitors(), topics=Topics(""))
        run = StageRun(driver, PieceStore(), name="inference.events[0]", state_topic="state", partition=0, send=send, max_unflushed=10_000)

        async def read() -> None:
            for offset in range(7):
                await run.room()
                run.absorb(offset, records(offset, beside=5_000))
                said.append(f"absorbed {offset}")

        async def epochs() -> None:
            while run.position < 7:
                await asyncio.sleep(0.01)
                await run.epoch(at_end=False)
                said.append("epoch")

        both = asyncio.gather(read(), epochs())
        while len(said) < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        said.append("acknowledged")
        acknowledged.set()
        await both
        return said

    said = asyncio.run(happened())
    before = said[: said.index("acknowledged")]
    assert before == [f"absorbed {offset}" for offset in range(4)]  # two fill the bound, and two more while their epoch is under way
    assert [one for one in said if one.startswith("absorbed")] == [f"absorbed {offset}" for offset in range(7)]


def test_an_epoch_is_due_when_what_it_tells_would_fill_the_memory_however_small_its_records_were():
    panes, driver = 500, SummariseDriver(partition=0, partitions=1, monitors=monitors(), topics=Topics(""))
    run = StageRun(driver, PieceStore(), name="inference.events[0]", state_topic="state", partition=0, send=State().send, max_unflushed=8 * 500 * Layout(specification()).size)
    asyncio.run(run.restore((), beginning=0, end=2 * panes))
    run.absorb(0, records(0))
    asyncio.run(run.epoch(at_end=False))
    full = []
    for pane in range(1, panes):
        run.absorb(run.position, records(10 * pane))  # one event in each pane
        full.append(run.full)
    assert full.index(True) == pytest.approx(panes / 2, abs=2)
    asyncio.run(run.epoch(at_end=False))
    assert not run.full


def test_a_partition_that_is_taken_away_lets_go_of_who_waits_for_room():
    async def wait() -> None:
        driver = SummariseDriver(partition=0, partitions=1, monitors=monitors(), topics=Topics(""))
        run = StageRun(driver, PieceStore(), name="inference.events[0]", state_topic="state", partition=0, send=State().send, max_unflushed=1)
        run.absorb(0, records(0))
        waiting = asyncio.ensure_future(run.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        await run.settle()
        await asyncio.wait_for(waiting, 1)

    asyncio.run(wait())


def test_an_output_waits_for_the_first_of_those_under_way_and_not_for_all_of_them():
    async def happened() -> list[str]:
        said, waiting = list[str](), list[asyncio.Future[None]]()

        async def send(output: Output) -> Awaitable[Any]:
            said.append(f"sent {output.key!r}" if output.topic == "metrics" else "saved")
            waiting.append(asyncio.get_running_loop().create_future())
            return waiting[-1]

        class Told(SummariseDriver):
            @override
            def flush(self, *, generation: int, epoch: int, at_end: bool, idle: int) -> Epoch:
                outputs = given_away([Output(topic="metrics", key=b"%d" % number, value=bytes(MOST_UNDER_WAY // 2)) for number in range(5)])
                return Epoch(covered=0, outputs=outputs, pieces=(), manifest=self.manifest())

        driver = Told(partition=0, partitions=1, monitors=monitors(), topics=Topics(""))
        run = StageRun(driver, PieceStore(), name="inference.events[0]", state_topic="state", partition=0, send=send)
        epoch = asyncio.ensure_future(run.epoch(at_end=True))
        while not epoch.done():
            await asyncio.sleep(0.01)
            if waiting:
                waiting.pop(0).set_result(None)
                said.append("acknowledged")
        await epoch
        return said

    said = asyncio.run(happened())
    assert said[:6] == ["sent b'0'", "sent b'1'", "sent b'2'", "acknowledged", "sent b'3'", "acknowledged"]
    assert said[-3:] == ["acknowledged", "saved", "acknowledged"]


def test_what_was_given_away_is_no_longer_held():
    items = ["a", "b", "c"]
    assert [(item, list(items)) for item in given_away(items)] == [("a", ["c", "b"]), ("b", ["c"]), ("c", [])]
