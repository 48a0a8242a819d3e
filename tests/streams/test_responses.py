"""Responses are received whole, however the network cuts them."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.responses import LargeResponse, ResponseProtocol, response_reader


def feed(protocol: ResponseProtocol, data: bytes, cuts: list[int]) -> None:
    """Hand bytes over as a transport does: never more at once than the protocol has room for."""
    cut = 0
    while data:
        room = protocol.get_buffer(-1)
        some = min(len(room), len(data), cuts[cut % len(cuts)])
        room[:some] = data[:some]
        protocol.buffer_updated(some)
        data, cut = data[some:], cut + 1


async def ask(reader: asyncio.StreamReader) -> bytes:
    """As aiokafka reads a response."""
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return bytes(await reader.readexactly(size))


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=9), min_size=1, max_size=6), st.lists(st.integers(1, 7), min_size=1), st.booleans())
def test_responses_come_as_they_were_sent_however_they_were_cut(sent: list[bytes], cuts: list[int], asked_first: bool):
    async def received() -> list[bytes]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = ResponseProtocol(loop.create_future(), reader, loop=loop)

        async def all_of_them() -> list[bytes]:
            return [await ask(reader) for _ in sent]

        asking = asyncio.ensure_future(all_of_them())
        if asked_first:
            await asyncio.sleep(0)
        feed(protocol, b"".join(struct.pack(">i", len(one)) + one for one in sent), cuts)
        return await asyncio.wait_for(asking, 5)

    assert asyncio.run(received()) == sent


@pytest.mark.parametrize("response", [b"a small one", memoryview(b"a large one")])
def test_a_response_is_read_like_a_file(response: bytes | memoryview):
    reader = response_reader(response)
    assert isinstance(reader, LargeResponse) == isinstance(response, memoryview)
    assert [reader.read(n) for n in (2, 0, 4, 100, 1)] == [bytes(response)[:2], b"", bytes(response)[2:6], bytes(response)[6:], b""]


def test_a_large_response_is_not_copied_before_it_is_decoded():
    async def received() -> bytes | memoryview:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        feed(ResponseProtocol(loop.create_future(), reader, loop=loop), struct.pack(">i", 100_000) + bytes(100_000), [30_000])
        await reader.readexactly(4)
        return await reader.readexactly(100_000)

    assert isinstance(asyncio.run(received()), memoryview)


@pytest.mark.parametrize(("lost", "told"), [(None, asyncio.IncompleteReadError), (ConnectionResetError("gone"), ConnectionResetError)])
def test_who_waits_for_a_response_is_told_that_the_connection_is_lost(lost: Exception | None, told: type[Exception]):
    async def wait() -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = ResponseProtocol(loop.create_future(), reader, loop=loop)
        asking = asyncio.ensure_future(ask(reader))
        await asyncio.sleep(0)
        feed(protocol, struct.pack(">i", 5) + b"abc", [100])
        protocol.connection_lost(lost)
        with pytest.raises(told):
            await asyncio.wait_for(asking, 5)

    asyncio.run(wait())
