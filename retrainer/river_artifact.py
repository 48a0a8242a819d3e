"""Artifacts of river's models: river's own format is a pickle; here it may build river's classes and plain values alone, and the same model gives the same bytes.

Check the digest first. The list of what may be built is a second lock, not the first.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import random
import zlib
from types import FunctionType
from typing import Any

from river.proba import Gaussian, Multinomial

_PLAIN = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("builtins", "range"),
    ("collections", "Counter"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "deque"),
    ("copyreg", "_reconstructor"),
    ("builtins", "object"),
    ("builtins", "int"),
    ("builtins", "float"),
    ("builtins", "dict"),
    ("builtins", "list"),
    ("functools", "partial"),  # of what is on this list, too
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("random", "Random"),
}
_PROTOCOL = 5
_UNUSED = random.Random(0)  # noqa: S311  no secret, see `_without_chance`


def packed(model: object) -> bytes:
    """What a model of river holds, not compressed: a copy of it is `unpacked` of this."""
    content = io.BytesIO()
    pickler = pickle.Pickler(content, protocol=_PROTOCOL)
    pickler.dispatch_table = copyreg.dispatch_table | dict.fromkeys((Gaussian, Multinomial), _without_chance)
    pickler.dump(model)
    return content.getvalue()


def unpacked(content: bytes) -> Any:
    """The model of what `packed` gave."""
    return _Trusting(io.BytesIO(content)).load()


def dump(model: object) -> bytes:
    """Bytes of a model of river.

    Examples
    --------
    >>> from river.stats import Mean
    >>> load(dump(Mean())).get()
    0.0
    """
    return compressed(packed(model))


def compressed(content: bytes) -> bytes:
    """What `packed` gave as an artifact."""
    return zlib.compress(content, level=1)


def load(artifact: bytes) -> Any:
    """The model of an artifact. Check its digest first: this builds objects.

    Raises
    ------
    TypeError
        If it holds a type that is not trusted.
    """
    return unpacked(zlib.decompress(artifact))


def _without_chance(law: Any) -> tuple[Any, ...]:
    """A law as it is, but for a generator that nobody seeded and no forest draws from: each observer of a leaf has one, of 2,500 bytes that no two trainings share."""
    held = vars(law) | ({"_rng": _UNUSED} if law.seed is None else {})
    return copyreg.__newobj__, (type(law),), held  # type: ignore[attr-defined]  # what pickle itself names for this


class _Trusting(pickle.Unpickler):
    """Builds what is on the list, and classes of river."""

    def find_class(self, module: str, name: str) -> Any:
        """A class by its name."""
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.partition(".")[0] == "river":
            found = super().find_class(module, name)
            if isinstance(found, type) or ("." in name and isinstance(found, FunctionType)):  # a regression's observers name their own methods
                return found
        raise TypeError(f"the model holds {module}.{name}, which is not trusted; use models of river alone")
