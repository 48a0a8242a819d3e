"""The gate's bench: rows run, what is missed is said, and the page shows what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from bench.gate.__main__ import false_promotions, main
from bench.gate.advantages import cyclic, differences, steady, steady_on, switching, wandering, wandering_on
from bench.gate.bound import Passing, Steady, least_promoted
from bench.gate.page import PAGE, gains, nulls
from bench.gate.rows import CANARIES, GAINS, NULLS, NullRow
from bench.gate.simulation import OUTCOMES, judged
from bench.markdown import written
from detectors.settings.retraining import Gate


def test_a_wandering_advantage_has_the_spread_and_the_memory_that_it_is_asked_for() -> None:
    drawn = wandering(0.05)(np.random.default_rng(1), 400, 2_000)
    assert drawn.std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(drawn[:, 0], drawn[:, 300])[0, 1] == pytest.approx(np.exp(-1), abs=0.15)
    assert np.corrcoef(drawn[:, 500], drawn[:, 1_999])[0, 1] == pytest.approx(0, abs=0.15)


def test_an_advantage_goes_on_from_where_it_was_as_a_canary_sees_it() -> None:
    drawn = wandering_on(0.05, 0.1)(np.random.default_rng(4), np.full(400, 0.08), 1_000)
    assert (drawn[:, 0] == 0.08).all()
    assert drawn[:, 30].mean() == pytest.approx(0.08 * np.exp(-1), abs=0.01), "thirty of its labels are three hundred of all"
    assert drawn[:, 300:].std() == pytest.approx(0.05, rel=0.05)


def test_cycles_and_switches_are_around_zero() -> None:
    rng = np.random.default_rng(2)
    assert np.abs(cyclic(0.1, 1_000)(rng, 5, 3_000).mean(axis=1)).max() < 1e-9
    assert set(np.unique(switching(0.03, 300)(rng, 50, 500))) == {-0.03, 0.03}


def test_models_differ_as_often_and_as_much_as_they_are_asked_to() -> None:
    drawn = differences(np.array([[0.02]]), 0.1, np.random.default_rng(3), 100, 10_000)
    assert np.abs(drawn).mean() == pytest.approx(0.1, abs=0.002)
    assert drawn.mean() == pytest.approx(0.02, abs=0.002)


def test_rows_run_and_the_page_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    assert main(["--row", "wander-5", "--row", "gain-5", "--runs", "10", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["wander-5"]["agreement"] == 1
    assert "`gain-5`" in capsys.readouterr().out
    page = written(PAGE.read_text(), "not better", nulls(found), by="bench.gate.page")
    assert page.count("`wander-5`") == 1


def test_a_canary_is_promoted_where_both_gates_are_passed() -> None:
    better = NullRow("better", "better by ten points, and as good from then on", steady(0.1), 0.055)
    known = {row: false_promotions(replace(better, canary=row), 5, Gate(), 1)["promoted"] for row in (None, steady_on(), lambda _rng, begins, _labels: 0 * begins[:, None])}
    assert list(known.values()) == [5, 5, 0]


def test_a_row_in_which_nothing_comes_near_a_promotion_is_judged() -> None:
    outcome, labels = judged(np.zeros((3, 1_000), np.int8), Gate())
    assert [OUTCOMES[one] for one in outcome] == ["rejected"] * 3
    assert labels.max() < 1_000


def test_what_is_missed_is_said() -> None:
    late = {part: {"runs": 10, "median": 9_999.0, "promoted": 1.0} for part in ("bets", "defaults", "four")}
    assert nulls({"null": {"runs": 1_000, "promoted": 60}}).endswith("**missed** |\n")
    assert gains({"gain-2": late}).endswith("**bets alone, defaults: late** |\n")


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in (*NULLS, *GAINS, *CANARIES)}) == len(NULLS) + len(GAINS) + len(CANARIES)


def test_the_least_that_any_gate_promotes_is_that_of_neyman_and_pearson_where_it_looks_once() -> None:
    away = 0.02 * np.sqrt(500 / 0.1)  # standard errors of the mean that a gain of 2 points is away from none
    found = least_promoted((Steady(0.02, 500, reward=np.exp(-(away**2) / 2)),), (Passing(1.0),), runs=10_000)
    assert found == pytest.approx(norm.sf(away), abs=0.01)


def test_what_is_to_be_seen_later_too_makes_the_least_larger() -> None:
    early, late = Steady(0.05, 500, 0.1), Steady(0.02, 2_550, 0.03)
    wandering_advantage = (Passing(1.0, spread=0.03),)
    assert 0 < least_promoted((early,), wandering_advantage, runs=4_000) < least_promoted((early, late), wandering_advantage, runs=4_000)
