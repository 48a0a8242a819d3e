"""CRC-32C of many bytes, by the processor's own instruction: Kafka's checksum of a record batch, and ours of a piece of state."""

from __future__ import annotations

from collections.abc import Sequence

import google_crc32c
import numpy as np
from aiokafka.record.util import calc_crc32c

HAS_INSTRUCTION = google_crc32c.implementation == "c"
"""Else aiokafka's loop is faster."""


def checksum(parts: Sequence[bytes | memoryview]) -> int:
    """CRC-32C of the parts, one after the other.

    Examples
    --------
    >>> hex(checksum([b"1234", b"56789"]))
    '0xe3069283'
    """
    if not HAS_INSTRUCTION:
        return int(calc_crc32c(b"".join(parts)))
    value = 0
    for part in parts:
        value = google_crc32c.extend(value, np.frombuffer(part, np.uint8))  # it takes an array, but no memoryview
    return int(value)
