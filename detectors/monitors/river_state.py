"""The state of a drift detector of river as a plain value, and back: numbers, lists and text, nothing that could run code as a pickle can.

A detector is made anew, and what it holds is put into its attributes, whose names and kinds are those of the fresh one. What river keeps in Rust tells its state as bytes, which it
reads without looking: damaged ones end in a panic, which is printed and no exception. So they travel with a checksum.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import Any

Plain = dict[str, Any]

_CHECKSUM = 4  # bytes
_VALUES = (bool, int, float, str, type(None))


def plain_of(detector: object) -> Plain:
    """What a detector holds, as JSON can tell it.

    Examples
    --------
    >>> class Mean:
    ...     def __init__(self):
    ...         self.n, self.recent, self.tell = 3, deque([1.0], maxlen=5), print
    >>> plain_of(Mean())
    {'n': 3, 'recent': [1.0]}
    """
    return {name: _plain(value) for name, value in vars(detector).items() if not callable(value)}


def restored(fresh: Any, plain: Plain) -> Any:
    """A fresh detector with what another one held.

    Raises
    ------
    ValueError
        If it is not of the same class, or another release of river wrote it.
    """
    if not isinstance(plain, dict):
        raise ValueError(f"what a {type(fresh).__name__} holds is told by names, got {type(plain).__name__}; another release of river wrote it")  # noqa: TRY004  as all that is wrong with a state
    held = {name: value for name, value in vars(fresh).items() if not callable(value)}
    if held.keys() != plain.keys():
        raise ValueError(f"{type(fresh).__name__} holds {', '.join(sorted(held))}, got {', '.join(sorted(plain))}; another release of river wrote it")
    for name, value in held.items():
        setattr(fresh, name, _restored(value, plain[name]))
    return fresh


def _plain(value: Any) -> Any:
    if isinstance(value, _VALUES):
        return value
    if isinstance(value, deque):
        return list(value)
    if hasattr(value, "getstate"):  # a generator of random numbers
        version, numbers, spare = value.getstate()
        return [version, list(numbers), spare]
    if hasattr(value, "__dict__"):
        return plain_of(value)
    held: bytes = value.__getstate__()
    return (zlib.crc32(held).to_bytes(_CHECKSUM, "big") + held).hex()


def _restored(fresh: Any, plain: Any) -> Any:
    if isinstance(fresh, _VALUES):
        return plain
    if isinstance(fresh, deque):
        return deque(plain, maxlen=fresh.maxlen)
    if hasattr(fresh, "getstate"):
        version, numbers, spare = plain
        fresh.setstate((version, tuple(numbers), spare))
    elif hasattr(fresh, "__dict__"):
        restored(fresh, plain)
    else:
        checksum, held = bytes.fromhex(plain)[:_CHECKSUM], bytes.fromhex(plain)[_CHECKSUM:]
        if zlib.crc32(held).to_bytes(_CHECKSUM, "big") != checksum:
            raise ValueError(f"{type(fresh).__name__} cannot be read from {len(held)} bytes: their checksum is another; they are damaged or cut short")
        fresh.__setstate__(held)
    return fresh
