"""A whole file's effect has the noise that the detector allows for, and "ok" is never beside a difference beyond the floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from detectors.verdict import Effect
from streams.check import Checked, check_tables
from streams.file_events import ColumnNames
from streams.tables import Table
from streams.whole_file import MEANINGS, UNPROVEN, WITHIN_NOISE, state_beside

COLUMNS = 10
ROWS = 6_000
CORRELATION = 0.97
FLOOR = 0.1


def _alike(rows: int, correlation: float, generator: np.random.Generator) -> np.ndarray:
    """A column with unit variance in which each row resembles the one before."""
    innovations = generator.normal(size=2_000 + rows) * np.sqrt(1 - correlation**2)
    column: np.ndarray = lfilter([1.0], [1.0, -correlation], innovations)[2_000:]
    return column


def _checked(rows_reference: int, rows: int, correlation: float, seed: int, **live: np.ndarray) -> Checked:
    generator = np.random.default_rng(seed)
    tables = [
        Table(source=source, columns={f"x{place}": _alike(size, correlation, generator) for place in range(COLUMNS)}) for source, size in (("a", rows_reference), ("b", rows))
    ]
    tables[1].columns.update(live)
    return check_tables(*tables, model="m", names=ColumnNames())


@pytest.fixture(scope="module")
def correlated() -> Checked:
    return _checked(ROWS, ROWS, CORRELATION, 1)


@pytest.fixture(scope="module")
def independent() -> Checked:
    moved = np.random.default_rng(5).normal(size=ROWS) + 0.35
    return _checked(ROWS, ROWS, 0.0, 2, x0=moved)


def _errors(checked: Checked) -> np.ndarray:
    return np.array([finding.effect.interval[1] - finding.effect.value for finding in checked.findings if finding.effect is not None]) / 1.96


def test_the_interval_of_a_correlated_column_is_as_wide_as_its_mean_is_uncertain(correlated: Checked) -> None:
    truth = np.sqrt((1 + CORRELATION) / (1 - CORRELATION) * 2 / ROWS)
    assert 0.9 * truth < np.median(_errors(correlated)) < 1.5 * truth  # what the detector estimates errs to the safe side
    low, high = np.array([finding.effect.interval for finding in correlated.findings if finding.effect is not None]).T
    assert np.mean((low <= 0) & (high >= 0)) >= 0.9  # nothing changed


def test_the_interval_of_an_independent_column_is_not_widened(independent: Checked) -> None:
    assert np.median(_errors(independent)) == pytest.approx(np.sqrt(2 / ROWS), rel=0.25)


def test_a_chance_excursion_of_a_correlated_column_is_not_called_ok(correlated: Checked) -> None:
    beyond = [finding for finding in correlated.findings if finding.effect is not None and abs(finding.effect.value) > FLOOR]
    assert len(beyond) >= 3
    assert not correlated.drifted
    assert {finding.state for finding in beyond} == {WITHIN_NOISE}
    assert {finding.state for finding in correlated.findings if finding not in beyond} == {"ok"}
    assert correlated.moved == tuple(correlated.findings[: len(beyond)])


def test_a_like_difference_between_independent_rows_is_drift(independent: Checked) -> None:
    assert [finding.name for finding in independent.drifted] == ["feature:x0"]
    assert {finding.state for finding in independent.findings[1:]} == {"ok"}


def test_a_file_of_few_rows_says_nothing_about_its_noise() -> None:
    checked = _checked(500, 15, 0.0, 3)
    assert {finding.state for finding in checked.findings} == {"learning"}
    assert all(finding.effect is not None and np.isnan(finding.effect.interval).all() for finding in checked.findings)


@given(value=st.floats(-2, 2), error=st.floats(0, 2), floor=st.floats(0, 1), state=st.sampled_from(["ok", "warning", "learning", "insufficient data"]))
def test_ok_is_said_within_the_floor_only_and_other_states_stay(value: float, error: float, floor: float, state: str) -> None:
    effect = Effect(name="shift in sigma", value=value, interval=(value - error, value + error), floor=floor)
    said = state_beside(effect, state)
    if state != "ok":
        assert said == state
    elif abs(value) <= floor:
        assert said == "ok"
    else:
        reaches = effect.interval[0] <= floor if value > 0 else effect.interval[1] >= -floor
        assert said == (WITHIN_NOISE if reaches else UNPROVEN)
    assert state_beside(None, state) == state


def test_fewer_errors_are_ok() -> None:
    for name in ("difference of rates", "relative change of mean absolute error"):
        assert state_beside(Effect(name=name, value=-0.5, interval=(-0.6, -0.4), floor=0.02), "ok") == "ok"
        assert state_beside(Effect(name=name, value=0.5, interval=(0.4, 0.6), floor=0.02), "ok") in MEANINGS
