"""Bundles to records of the summaries topic and back; a large one is split, and counts when all of its parts are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.bundle import Bundle, Cohort, Summary
from detectors.event_batch import Float64
from detectors.gaps import Gaps
from detectors.sparse_counts import places, small
from streams.state_codec import decode_state, encode_state

_NUMBERS = 32
"""Bytes kept free for the numbers of the part, which are known only when all parts are."""


def encode_bundle(bundle: Bundle, *, max_bytes: int) -> list[bytes]:
    """Records of a bundle, each at most ``max_bytes`` unless a single summary is larger."""
    whole = _encode(bundle)
    if len(whole) <= max_bytes or len(bundle.summaries) + len(bundle.cohorts) <= 1:
        return [whole]
    groups = _halved(bundle, max_bytes)
    return [_encode(replace(bundle, part=part, parts=len(groups), summaries=tuple(summaries), cohorts=tuple(cohorts))) for part, (summaries, cohorts) in enumerate(groups)]


def _halved(bundle: Bundle, max_bytes: int) -> list[tuple[Sequence[Summary], Sequence[Cohort]]]:
    """Split until every part fits."""
    waiting: list[tuple[Sequence[Summary], Sequence[Cohort]]] = [(bundle.summaries, bundle.cohorts)]
    fitting = []
    while waiting:
        summaries, cohorts = waiting.pop(0)
        single = len(summaries) + len(cohorts) <= 1
        if single or len(_encode(replace(bundle, summaries=tuple(summaries), cohorts=tuple(cohorts)))) <= max_bytes - _NUMBERS:
            fitting.append((summaries, cohorts))
        elif cohorts and summaries:
            waiting = [(summaries, ()), ((), cohorts), *waiting]
        else:
            items = len(summaries or cohorts) // 2
            waiting = [(summaries[:items], cohorts[:items]), (summaries[items:], cohorts[items:]), *waiting]
    return fitting


def _encode(bundle: Bundle) -> bytes:
    return encode_state(vars(bundle) | {"summaries": _table(bundle.summaries), "cohorts": _table(bundle.cohorts)})


def _table(items: Iterable[Summary | Cohort]) -> list[dict[str, Any]]:
    return [{name: _sparse(value) if name == "counts" else value for name, value in vars(item).items()} for item in items]


def _sparse(counts: Float64) -> Any:
    """Cells that are not 0, where they are fewer than a third."""
    used = places(counts)
    return [len(counts), used, small(counts[used])] if 3 * len(used) < len(counts) else small(counts)


def _dense(value: Any) -> Float64:
    if isinstance(value, list):
        counts = np.zeros(value[0])
        counts[value[1]] = value[2]
        return counts
    return np.asarray(value, np.float64)


def decode_bundle(data: bytes, name: str) -> Bundle:
    """The bundle, or the part of it, again."""
    plain = decode_state(data, name)
    summaries = tuple(Summary(**(item | {"counts": _dense(item["counts"])})) for item in plain.pop("summaries"))
    cohorts = tuple(Cohort(**(item | {"counts": _dense(item["counts"])})) for item in plain.pop("cohorts"))
    gaps = Gaps.of(plain.pop("gaps")).spans
    return Bundle(summaries=summaries, cohorts=cohorts, gaps=gaps, **plain)
