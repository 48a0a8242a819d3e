"""Kafka's responses received in one piece, where asyncio's stream would put them together of thousands.

A `StreamReader` takes what has come as objects of 64 to 256 kB, appends them to a buffer that grows, and copies the response out of it when it is
whole: for fetches of megabytes that costs four times as much as the socket itself. Kafka says first how long a response is, so the memory can be
there before its bytes are, and aiokafka decodes it where it is.
"""

from __future__ import annotations

import asyncio
import io
import struct
from asyncio import StreamReader
from collections import deque
from types import SimpleNamespace
from typing import Any

import aiokafka.conn
import numpy as np

_LENGTH = struct.Struct(">i")
_RECORDS = 1024 * 1024  # bytes; what is so large in a response can be nothing else
_SMALL = 65_536  # bytes; a smaller response is given as bytes, as aiokafka's authentication expects


class LargeResponse:
    """Reads as `io.BytesIO` does, but out of the memory into which a response was received; `io.BytesIO` would copy all of it first."""

    def __init__(self, memory: memoryview) -> None:
        self._rest = memory

    def read(self, n: int) -> bytes | memoryview:
        """The next ``n`` bytes, or as many as there are; records of a partition where they are, see `streams.record_batches.CheckedRecords`."""
        some, self._rest = self._rest[:n], self._rest[n:]
        return bytes(some) if n < _RECORDS else some


def response_reader(response: bytes | memoryview) -> io.BytesIO | LargeResponse:
    """What aiokafka decodes a response from."""
    return LargeResponse(response) if isinstance(response, memoryview) else io.BytesIO(response)


class ResponseProtocol(aiokafka.conn.AIOKafkaProtocol, asyncio.BufferedProtocol):  # type: ignore[misc]  # aiokafka has no annotations there
    """aiokafka's protocol of a connection, whose reader is asked for a length and for a response of that length, in turns."""

    def __init__(self, closed: asyncio.Future[None], reader: StreamReader, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(closed, reader, loop=loop)
        self._reader = reader
        reader.readexactly = self._next  # type: ignore[method-assign]  # all that aiokafka asks its reader for
        self._whole: deque[memoryview] = deque()
        self._length_told = False
        self._expect(_LENGTH.size, is_length=True)

    def _expect(self, n: int, *, is_length: bool) -> None:
        self._memory = self._missing = np.empty(n, np.uint8).data  # a bytearray would be filled with zeros first
        self._is_length = is_length

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes belong."""
        del sizehint  # what is missing of a response is known better
        return self._missing

    def buffer_updated(self, nbytes: int) -> None:
        """Some bytes have come."""
        self._missing = self._missing[nbytes:]
        if len(self._missing):
            return
        if self._is_length:
            self._expect(_LENGTH.unpack(self._memory)[0], is_length=False)
        if not len(self._missing):  # a response that has come, or one of nothing, as authentication may send
            self._whole.append(self._memory)
            self._expect(_LENGTH.size, is_length=True)
            self._reader._wakeup_waiter()  # type: ignore[attr-defined]

    async def _next(self, n: int) -> Any:
        while not self._whole:
            if (fault := self._reader.exception()) is not None:
                raise fault
            if self._reader.at_eof():
                raise asyncio.IncompleteReadError(b"", n)
            await self._reader._wait_for_data("readexactly")  # type: ignore[attr-defined]
        self._length_told = not self._length_told
        if self._length_told:
            return _LENGTH.pack(len(self._whole[0]))
        response = self._whole.popleft()
        return bytes(response) if n < _SMALL else response


def install() -> None:
    """Have aiokafka receive so, in this process."""
    aiokafka.conn.AIOKafkaProtocol = ResponseProtocol
    aiokafka.conn.io = SimpleNamespace(BytesIO=response_reader)  # it is used for responses only
