"""Summary vectors as they are saved: without the zeros, and counts as small integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.event_batch import Float64


def sparse(vectors: Sequence[Float64]) -> dict[str, Any]:
    """Vectors of one length as a value of state.

    Examples
    --------
    >>> saved = sparse([np.array([0.0, 0.0, 3.0]), np.array([0.0, 0.5, 0.0])])
    >>> saved["cells"].tolist(), saved["values"].tolist()
    ([2, 4], [3.0, 0.5])
    """
    flat = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)
    cells = np.flatnonzero(flat).astype(np.uint16 if len(flat) < 2**16 else np.int32)
    if 2 * len(cells) > len(flat):
        return {"vectors": len(vectors), "size": len(vectors[0]), "cells": None, "values": small(flat)}
    return {"vectors": len(vectors), "size": len(vectors[0]), "cells": cells, "values": small(flat[cells])}


def dense(saved: dict[str, Any]) -> Float64:
    """(vectors, size) again."""
    shape = (saved["vectors"], saved["size"])
    if saved["cells"] is None:
        return np.asarray(saved["values"], np.float64).reshape(shape)
    flat = np.zeros(shape[0] * shape[1])
    flat[saved["cells"]] = saved["values"]
    return flat.reshape(shape)


def small(values: Float64) -> Any:
    """The same numbers in as few bytes as whole ones need; others as they are."""
    lowest, highest = values.min(initial=0), values.max(initial=0)
    if not (lowest >= -(2**31) and highest < 2**31):
        return values
    kind = np.int32 if lowest < 0 else np.uint8 if highest < 2**8 else np.uint16 if highest < 2**16 else np.int32
    counts = values.astype(kind)
    return counts if (counts == values).all() else values
