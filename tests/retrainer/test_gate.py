"""What the gate promises: it errs at most alpha of the time, sees what is better, and does not care for batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import Float64
from detectors.specification import Gate
from retrainer.gate import BETS, GateState, Outcome, Verdict, step

FAST = Gate(block=1, min_evidence=0)


def paired(rng: np.random.Generator, n: int, *, gain: float, disagreement: float) -> tuple[Float64, Float64]:
    """Losses of champion and challenger, one of which is wrong on a share of the events; the challenger less often by ``gain``."""
    place = rng.random(n)
    worse = place < (disagreement + gain) / 2
    return worse.astype(float), (~worse & (place < disagreement)).astype(float)


def judge(rng: np.random.Generator, *, gain: float, disagreement: float = 0.1, gate: Gate = FAST, challengers: int = 1, n: int = 20_000) -> Verdict:
    return step(GateState(), *paired(rng, n, gain=gain, disagreement=disagreement), gate=gate, challengers=challengers)[1]


def outcomes(runs: int, seed: int, *, gate: Gate, gain: float, disagreement: float = 0.1, n: int = 20_000) -> list[Outcome]:
    rng = np.random.default_rng(seed)
    return [judge(rng, gain=gain, disagreement=disagreement, gate=gate, n=n).outcome for _ in range(runs)]


@pytest.mark.parametrize(("block", "disagreement"), [(1, 0.1), (1, 0.9), (20, 0.9), (100, 0.9)])
def test_a_challenger_that_is_not_better_is_promoted_at_most_alpha_of_the_time(block: int, disagreement: float) -> None:
    gate = Gate(block=block, min_evidence=0, max_wait=2_000, min_gain=0)  # a gain of 0 is hard to disprove, so few tests end early
    promoted = outcomes(2_000, 11, gate=gate, gain=0.0, disagreement=disagreement, n=2_000).count("promoted")
    assert promoted / 2_000 <= 0.05


def test_five_points_at_ten_percent_disagreement_are_seen_in_a_few_hundred_labels() -> None:
    rng = np.random.default_rng(5)
    verdicts = [judge(rng, gain=0.05, n=4_000) for _ in range(100)]
    assert all(verdict.outcome == "promoted" for verdict in verdicts)
    assert 200 < np.median([verdict.labels for verdict in verdicts]) < 450  # 320 when it was written


def test_twenty_points_are_seen_within_a_thousand_labels_with_the_defaults_and_four_challengers() -> None:
    rng = np.random.default_rng(6)
    verdicts = [judge(rng, gain=0.2, disagreement=0.3, gate=Gate(), challengers=4) for _ in range(100)]
    assert {verdict.outcome for verdict in verdicts} == {"promoted"}
    assert np.median([verdict.labels for verdict in verdicts]) <= 1_000


def test_a_worse_challenger_is_rejected_long_before_max_wait() -> None:
    rng = np.random.default_rng(7)
    verdicts = [judge(rng, gain=-0.05, gate=gate, n=8_000) for gate in (FAST, Gate()) for _ in range(50)]
    assert {verdict.outcome for verdict in verdicts} == {"rejected"}
    assert max(verdict.labels for verdict in verdicts) < 8_000
    assert all(verdict.wealth_against >= verdict.threshold_against == 20 for verdict in verdicts)


def test_an_advantage_that_wanders_around_zero_is_rarely_taken_for_a_gain() -> None:
    rng = np.random.default_rng(8)
    decay, runs, n = np.exp(-1 / 300), 300, 20_000
    shocks = rng.normal(size=(n, runs)) * np.sqrt(1 - decay**2)
    wander = np.empty((n, runs))
    now = rng.normal(size=runs)
    for label in range(n):
        now = decay * now + shocks[label]
        wander[label] = now
    place = rng.random((n, runs))
    worse = place < (0.1 + np.clip(0.03 * wander, -0.1, 0.1)) / 2
    better = ~worse & (place < 0.1)
    promoted = sum(step(GateState(), worse[:, run].astype(float), better[:, run].astype(float), gate=Gate())[1].outcome == "promoted" for run in range(runs))
    assert promoted / runs <= 0.05


def test_challengers_of_one_cause_share_alpha() -> None:
    rng = np.random.default_rng(9)
    one, six = (judge(np.random.default_rng(9), gain=0.05, challengers=challengers) for challengers in (1, 6))
    assert six.threshold == pytest.approx(6 * one.threshold)
    assert six.labels > one.labels
    assert judge(rng, gain=0.05).wealth >= 20


def test_no_verdict_falls_before_min_evidence() -> None:
    assert judge(np.random.default_rng(1), gain=0.5, disagreement=0.6, gate=Gate(min_evidence=1_500)).labels == 1_500


def test_what_cannot_be_told_apart_is_inconclusive_at_max_wait() -> None:
    equal = np.zeros(5_000)
    state, verdict = step(GateState(), equal, equal, gate=Gate(max_wait=1_234))
    assert (verdict.outcome, verdict.used, state.labels) == ("inconclusive", 1_234, 1_234)
    assert "inconclusive after 1234 labels" in verdict.reason


def test_nothing_is_taken_after_a_verdict() -> None:
    state, verdict = step(GateState(), np.ones(3_000), np.zeros(3_000), gate=Gate())
    again, after = step(state, np.zeros(3_000), np.ones(3_000), gate=Gate())
    assert again == state
    assert (after.outcome, after.used, verdict.outcome) == ("promoted", 0, "promoted")


@given(seed=st.integers(0, 10_000), block=st.sampled_from([1, 7, 100]), cuts=st.lists(st.integers(0, 3_000), max_size=8), gain=st.sampled_from([-0.1, 0.0, 0.1]))
@settings(max_examples=60, deadline=None)
def test_the_verdict_does_not_depend_on_how_labels_were_batched(seed: int, block: int, cuts: list[int], gain: float) -> None:
    rng = np.random.default_rng(seed)
    old, new = (losses * rng.random(3_000) for losses in paired(rng, 3_000, gain=gain, disagreement=0.3))
    gate = Gate(block=block, min_evidence=200, max_wait=2_500)
    whole, verdict = step(GateState(), old, new, gate=gate)
    state, used = GateState(), 0
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 3_000], strict=True):
        state, part = step(state, old[start:stop], new[start:stop], gate=gate)
        used += part.used
    assert state == whole
    assert used == verdict.used


def test_no_bet_can_lose_everything() -> None:
    state, _ = step(GateState(), np.zeros(500), np.ones(500), gate=Gate(block=1, max_wait=500, min_evidence=500))
    assert np.isfinite(state.better).all()
    assert BETS.max() < 1


@pytest.mark.parametrize(("old", "new", "story"), [([0.0], [0.0, 1.0], "must be paired"), ([1.5], [0.0], "must lie in"), ([np.nan], [0.0], "must lie in")])
def test_losses_that_are_not_paired_or_not_bounded_are_refused(old: list[float], new: list[float], story: str) -> None:
    with pytest.raises(ValueError, match=story):
        step(GateState(), np.array(old), np.array(new), gate=Gate())
