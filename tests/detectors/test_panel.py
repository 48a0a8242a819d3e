"""Banks that walk together say what each of them says alone, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.bank import detectors_of
from detectors.scans.panels import Panels, Walking
from detectors.scans.window_bank import WindowBank
from detectors.verdict import Verdicts
from tests.detectors.detect_history import PANES, specifications, vectors_of
from tests.detectors.reference_samples import PANE


def plain(value: object) -> object:
    """Arrays as their type, shape and bytes, so that every bit counts and nan is nan."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def same(found: tuple[State, Verdicts], alone: tuple[State, Verdicts]) -> bool:
    return plain(found[0]) == plain(alone[0]) and plain(vars(found[1])) == plain(vars(alone[1]))


@pytest.mark.parametrize("declared", [True, False], ids=["error rates are known", "error rates are learnt"])
@pytest.mark.parametrize("place", [0, 1], ids=["classifier", "regression"])
@pytest.mark.parametrize("at_once", [1, 7, 50])
def test_banks_that_walk_together_say_what_each_says_alone(place: int, at_once: int, *, declared: bool) -> None:
    specification = specifications()[place]
    counts = vectors_of(specification)
    if not declared:
        profile = specification.reference.profile
        assert profile is not None
        unmeasured = specification.reference.model_copy(update={"profile": profile.model_copy(update={"performance": None})})
        specification = specification.model_copy(update={"reference": unmeasured})
    banks = [bank for bank in detectors_of(specification) if isinstance(bank, WindowBank)]
    panels = Panels()
    states = [bank.initial() for bank in banks]
    for start in range(0, PANES if at_once > 1 else 60, at_once):
        panes, starts = counts[start : start + at_once], [PANE * pane for pane in range(start, min(start + at_once, PANES))]
        if start == 10 * at_once:
            states[0] = banks[0].restart(states[0], 0, starts[0])
        ways = [bank.way(state, panes, starts, gone=number % 2 == 0) for number, (bank, state) in enumerate(zip(banks, states, strict=True))]
        found = panels.walk([*zip(banks, ways, strict=True)])
        for bank, way, one in zip(banks, ways, found, strict=True):
            assert same(one, bank.walk(way.state, panes, starts, gone=way.gone)), (bank.names, start)
        states = [state for state, _ in found]


def test_models_that_are_led_together_say_what_each_says_alone() -> None:
    """Two models have the same panes, the third has other ones; the last asks for nothing."""
    asked: list[list[tuple[WindowBank, State, Float64, list[int]]]] = []
    for number, specification in enumerate((*specifications(), specifications()[0])):
        starts = [PANE * pane for pane in range(number // 2, 40)]
        banks = [bank for bank in detectors_of(specification) if isinstance(bank, WindowBank)]
        asked.append([(bank, bank.initial(), vectors_of(specification)[: len(starts)], starts) for bank in banks])
    said: dict[int, list[tuple[State, Verdicts]]] = {}

    def walking(number: int, parts: list[list[tuple[WindowBank, State, Float64, list[int]]]]) -> Walking[None]:
        for part in parts:
            walked = yield [(bank, bank.way(state, counts, starts)) for bank, state, counts, starts in part]
            said.setdefault(number, []).extend(walked)

    Panels().walk_together([*(walking(number, [mine[:1], mine[1:]]) for number, mine in enumerate(asked)), walking(len(asked), [])])
    for number, mine in enumerate(asked):
        for found, (bank, state, counts, starts) in zip(said[number], mine, strict=True):
            assert same(found, bank.walk(state, counts, starts)), (number, bank.names)
    assert sorted(said) == [0, 1, 2]
