"""A window is of its own length whenever it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.metrics.rolling_window import RollingWindow

PANE = 10


def told(window: RollingWindow, panes: list[int], end: int) -> list[tuple[int, float]]:
    """What is told of panes that hold their own start, until a time."""
    found = []
    for start in panes:
        found.append(window.completed(start))
        window.add(start, np.array([float(start)]))
        found.append(window.completed(start + PANE))
    found.append(window.completed(end))
    return [(one[0], float(one[1].total()[0])) for one in found if one is not None]


@given(length=st.integers(1, 200), panes=st.sets(st.integers(0, 500)), cut=st.integers(0, 500))
def test_every_step_with_panes_is_told_once_with_all_panes_of_the_length_before_it(length: int, panes: set[int], cut: int) -> None:
    window = RollingWindow(length=length * PANE, pane=PANE)
    starts = sorted(pane * PANE for pane in panes)
    before, after = ([start for start in starts if (start < cut * PANE) is earlier] for earlier in (True, False))
    half = len(before) // 2
    found = told(window, before[:half], before[half] if before else 0)
    saved, _ = window.changes()
    found += told(window, before[half:], cut * PANE)
    whole, gone = window.changes()
    saved = {begin: part for begin, part in (saved | whole).items() if begin not in gone}
    restored = RollingWindow(length=length * PANE, pane=PANE)
    for begin, part in saved.items():
        restored.restore_part(begin, part)
    restored.restore(window.state())
    restored.restored()
    found += told(restored, after, 10_000)
    ends = sorted({start // window.cuts.step * window.cuts.step + window.cuts.step for start in starts})
    assert found == [(at, sum(start for start in starts if at - length * PANE <= start < at)) for at in ends]


@pytest.mark.parametrize(("length", "step"), [(600, 20), (300, 10), (70, 10), (310, 20), (3_600, 120)])
def test_a_window_moves_by_a_thirtieth_of_its_length_in_whole_panes(length: int, step: int) -> None:
    assert RollingWindow(length=length, pane=PANE).cuts.step == step


def test_a_window_without_a_pane_since_it_was_told_says_nothing() -> None:
    window = RollingWindow(length=600, pane=PANE)
    assert window.completed(10_000) is None
    window.add(0, np.ones(1))
    assert window.completed(10) is None  # the step lasts until 20
    assert window.completed(20) is not None
    assert window.completed(10_000) is None
