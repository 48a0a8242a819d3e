"""What the gate promises: it errs at most alpha of the time, sees what is better, and does not care for batches. Rates on 10,000 runs are in docs/gate.md."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gate.advantages import Advantage, cyclic, differences, steady, wandering
from bench.gate.simulation import OUTCOMES, agrees, judged
from detectors.event_batch import Float64, Int64
from detectors.settings.retraining import Gate
from retrainer.betting import BETS
from retrainer.gate import GateState, Verdict, interval, step, take_block
from retrainer.steadiness import AFTER, BETWEEN, FIRST, LATE, begin, log_evidence
from retrainer.trainers.scikit_learn import ScikitLearnModel
from retrainer.trial import Trial

BETS_ALONE = Gate(block=1, min_evidence=0)


def paired(rng: np.random.Generator, n: int, *, gain: float, disagreement: float) -> tuple[Float64, Float64]:
    """Losses of champion and challenger, one of which is wrong on a share of the events; the challenger less often by ``gain``."""
    drawn = differences(np.array([[gain]]), disagreement, rng, 1, n)[0]
    return (drawn > 0).astype(float), (drawn < 0).astype(float)


def judge(rng: np.random.Generator, *, gain: float, disagreement: float = 0.1, gate: Gate = BETS_ALONE, challengers: int = 1, n: int = 20_000) -> Verdict:
    return step(GateState(), *paired(rng, n, gain=gain, disagreement=disagreement), gate=gate, challengers=challengers)[1]


def many(advantage: Advantage, runs: int, seed: int, *, gate: Gate, challengers: int = 1, disagreement: float = 0.1, n: int = 20_000) -> tuple[list[str], Int64]:
    """Outcomes and labels of many runs at once."""
    rng = np.random.default_rng(seed)
    outcome, labels = judged(differences(advantage(rng, runs, n), disagreement, rng, runs, n), gate, challengers)
    return [OUTCOMES[one] for one in outcome], labels


@pytest.mark.parametrize("gate", [BETS_ALONE, Gate(block=20, min_evidence=0), Gate()])
def test_many_gates_at_once_say_what_one_gate_says(gate: Gate) -> None:
    rng = np.random.default_rng(4)
    assert agrees(differences(wandering(0.08)(rng, 20, 6_000), 0.1, rng, 20, 6_000), gate, challengers=2) == 1


@pytest.mark.parametrize(("block", "disagreement"), [(1, 0.1), (1, 0.9), (20, 0.9)])
def test_a_challenger_that_is_not_better_is_promoted_at_most_alpha_of_the_time(block: int, disagreement: float) -> None:
    gate = Gate(block=block, min_evidence=0, max_wait=2_000, min_gain=0)  # a gain of 0 is hard to disprove, so few tests end early
    outcomes, _ = many(steady(0.0), 500, 11, gate=gate, disagreement=disagreement, n=2_000)
    assert 0 < outcomes.count("promoted") <= 25


@pytest.mark.parametrize("advantage", [wandering(0.03), wandering(0.05), cyclic(0.10, 1_000)], ids=["wanders by 3 points", "wanders by 5 points", "swings by 10 points"])
def test_an_advantage_that_comes_and_goes_is_rarely_taken_for_a_gain(advantage: Advantage) -> None:
    steadily, _ = many(advantage, 200, 8, gate=Gate())
    by_bets, _ = many(advantage, 200, 8, gate=Gate(wander=0))
    assert steadily.count("promoted") <= 20  # 13 are allowed on average; 20 are more in one of 30 trials
    assert by_bets.count("promoted") > 50


@pytest.mark.parametrize(("gain", "most", "by_default"), [(0.02, 1_700, 2_550), (0.05, 320, 500)])
def test_half_of_the_gains_are_seen_within_a_stated_number_of_labels(gain: float, most: int, by_default: int) -> None:
    outcomes, labels = many(steady(gain), 100, 5, gate=BETS_ALONE, n=6_000)
    assert outcomes.count("promoted") >= 95
    assert np.median(labels) <= most
    steadily, later = many(steady(gain), 300, 5, gate=Gate(), n=12_000)
    assert steadily.count("promoted") >= 285
    assert np.median(labels) < np.median(later)
    in_time = np.mean([outcome == "promoted" and taken <= by_default for outcome, taken in zip(steadily, later, strict=True)])
    assert in_time >= 0.44  # half of them are in docs/gate.md; fewer than this of 300 are less than half in one of 50 trials


def test_twenty_points_are_seen_within_a_thousand_labels_with_the_defaults_and_four_challengers() -> None:
    outcomes, labels = many(steady(0.2), 200, 6, gate=Gate(), challengers=4, disagreement=0.3, n=4_000)
    assert set(outcomes) == {"promoted"}
    assert np.median(labels) <= 1_000


def test_a_worse_challenger_is_rejected_long_before_max_wait() -> None:
    rng = np.random.default_rng(7)
    verdicts = [judge(rng, gain=-0.05, gate=gate, n=8_000) for gate in (BETS_ALONE, Gate()) for _ in range(20)]
    assert {verdict.outcome for verdict in verdicts} == {"rejected"}
    assert max(verdict.labels for verdict in verdicts) < 8_000
    assert all(verdict.wealth_against >= verdict.threshold_against == 20 for verdict in verdicts)


def test_challengers_of_one_cause_share_alpha() -> None:
    one, six = (judge(np.random.default_rng(9), gain=0.05, gate=Gate(), challengers=challengers) for challengers in (1, 6))
    assert six.threshold == pytest.approx(6 * one.threshold)
    assert six.threshold_steadiness == pytest.approx(6 * one.threshold_steadiness)
    assert six.labels > one.labels
    assert six.wealth >= six.threshold


def test_no_verdict_falls_before_min_evidence() -> None:
    assert judge(np.random.default_rng(1), gain=0.5, disagreement=0.6, gate=Gate(min_evidence=1_500)).labels == 1_500


def test_models_that_never_differ_are_not_worth_an_exchange() -> None:
    equal = np.zeros(5_000)
    _, verdict = step(GateState(), equal, equal, gate=Gate())
    assert (verdict.outcome, verdict.difference, verdict.wealth) == ("rejected", 0, pytest.approx(1))
    assert verdict.interval[0] < 0 < verdict.interval[1]


def test_what_cannot_be_told_apart_is_inconclusive_at_max_wait() -> None:
    old, new = paired(np.random.default_rng(2), 5_000, gain=0.005, disagreement=0.3)
    state, verdict = step(GateState(), old, new, gate=Gate(max_wait=1_234))
    assert (verdict.outcome, verdict.used, state.labels) == ("inconclusive", 1_234, 1_234)
    assert "inconclusive after 1234 labels" in verdict.reason


def test_nothing_is_taken_after_a_verdict() -> None:
    state, verdict = step(GateState(), np.ones(3_000), np.zeros(3_000), gate=Gate())
    again, after = step(state, np.zeros(3_000), np.ones(3_000), gate=Gate())
    assert again == state
    assert (after.outcome, after.used, verdict.outcome) == ("promoted", 0, "promoted")


def test_answers_that_are_not_given_are_counted_in_the_verdict_and_told() -> None:
    trial = Trial(version="2", model=ScikitLearnModel(estimator=None, levels={}, task="classification"), cut=0, after=0, challengers=1)
    _, verdict = trial.step(np.zeros(2_000), np.where(np.arange(2_000) % 4, 0.0, np.nan), Gate(), left_out=3)
    silent = -(-verdict.labels // 4)
    assert (verdict.outcome, verdict.silent_champion, verdict.silent_challenger) == ("rejected", 3, silent)
    assert verdict.difference == -silent / verdict.labels
    assert f"gave no answer to {silent} of these rows, which count as a loss of 1; 3 more rows that the champion gave no answer to" in verdict.reason


def test_evidence_from_before_min_validation_time_counts_but_is_not_enough() -> None:
    old, new = np.ones(2_000), np.zeros(2_000)
    settled = np.arange(2_000) >= 1_220
    _, verdict = step(GateState(), old, new, gate=Gate(), settled=settled)
    assert (verdict.outcome, verdict.labels) == ("promoted", 1_250)


def test_a_challenger_that_has_become_worse_lately_is_not_promoted() -> None:
    """As when labels were flipped in its training rows and in the first of those that judge it, and are right again."""
    flipped, right = paired(np.random.default_rng(3), 1_900, gain=0.8, disagreement=0.9), paired(np.random.default_rng(4), 3_000, gain=-0.8, disagreement=0.9)
    old, new = (np.concatenate(parts) for parts in zip(flipped, right, strict=True))
    settled = np.arange(len(old)) >= 2_000  # 100 labels after the flip
    _, verdict = step(GateState(), old, new, gate=Gate(), settled=settled)
    assert (verdict.outcome, verdict.worse_lately > verdict.threshold_against) == ("rejected", True)
    _, rash = step(GateState(), old, new, gate=Gate())
    assert rash.outcome == "promoted"


@given(seed=st.integers(0, 10_000), block=st.sampled_from([1, 7, 50]), cuts=st.lists(st.integers(0, 3_000), max_size=8), gain=st.sampled_from([-0.1, 0.0, 0.1]))
@settings(max_examples=40)
def test_the_verdict_does_not_depend_on_how_labels_were_batched(seed: int, block: int, cuts: list[int], gain: float) -> None:
    rng = np.random.default_rng(seed)
    old, new = (losses * rng.random(3_000) for losses in paired(rng, 3_000, gain=gain, disagreement=0.3))
    gate, settled = Gate(block=block, min_evidence=200, max_wait=2_500), rng.random(3_000) < 0.5
    silent = rng.random(3_000) < 0.01
    whole, verdict = step(GateState(), old, new, gate=gate, settled=settled, silent=silent)
    state, used = GateState(), 0
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 3_000], strict=True):
        state, part = step(state, old[start:stop], new[start:stop], gate=gate, settled=settled[start:stop], silent=silent[start:stop])
        used += part.used
    assert state == whole
    assert used == verdict.used
    assert verdict.silent_challenger == silent[: verdict.used].sum()


def test_a_state_is_saved_as_json_and_goes_on() -> None:
    old, new = paired(np.random.default_rng(13), 2_000, gain=0.02, disagreement=0.1)
    begun = [step(GateState(), old[:labels], new[:labels], gate=Gate())[0] for labels in (0, 30, 777)]
    for labels, state in zip((0, 30, 777), begun, strict=True):
        restored = msgspec.json.decode(msgspec.json.encode(state), type=GateState)
        assert step(restored, old[labels:], new[labels:], gate=Gate())[0] == step(GateState(), old, new, gate=Gate())[0]


def test_a_trial_that_an_earlier_release_saved_begins_anew() -> None:
    old, new = paired(np.random.default_rng(14), 3_000, gain=0.05, disagreement=0.1)
    under_way = msgspec.to_builtins(step(GateState(), old[:300], new[:300], gate=Gate())[0])
    under_way["steadiness"] = under_way.pop("filters")  # what they were called when they were others
    restored = msgspec.convert(under_way, GateState)
    assert step(restored, old[300:], new[300:], gate=Gate()) == step(GateState(), old[300:], new[300:], gate=Gate())


def test_a_verdict_that_an_earlier_release_saved_stands() -> None:
    ended, _ = step(GateState(), np.ones(3_000), np.zeros(3_000), gate=Gate())
    restored = msgspec.structs.replace(ended, filters=())
    again, verdict = step(restored, np.zeros(1_000), np.ones(1_000), gate=Gate())
    assert (again, verdict.outcome, verdict.used) == (restored, "promoted", 0)


def test_less_evidence_is_asked_for_at_the_first_look_and_at_the_late_one() -> None:
    blocks = {10: FIRST, 11: BETWEEN, 49: BETWEEN, 50: LATE, 51: AFTER}
    for count, look in blocks.items():
        filters, found = begin(0.05), np.array(0.0)
        for place in range(count):
            filters, found = take_block(filters, np.array(0.05), np.array(0.002), place, Gate())
        assert found == log_evidence(filters, 0.05, look)
        assert found == pytest.approx(log_evidence(filters, 0.05, look._replace(asks=1.0)) - np.log(look.asks))
    assert max(FIRST.asks, LATE.asks) < BETWEEN.asks < AFTER.asks


def test_half_a_cycle_of_gain_is_no_evidence_and_a_gain_as_large_is() -> None:
    def evidence(means: Float64) -> float:
        filters, found = begin(0.05), np.array(0.0)
        for place, mean in enumerate(means):
            filters, found = take_block(filters, np.array(mean), np.array(0.002), place, Gate())
        return float(np.exp(found))

    half = 0.1 * np.sin(2 * np.pi * (np.arange(500) + 0.5) / 1_000).reshape(10, 50).mean(axis=1)
    assert evidence(half) < 1
    assert evidence(np.full(10, 0.05)) > 20


def test_no_bet_can_lose_everything() -> None:
    state, _ = step(GateState(), np.zeros(500), np.ones(500), gate=Gate(block=1, max_wait=500, min_evidence=500))
    assert np.isfinite(state.better).all()
    assert BETS.max() < 1


@pytest.mark.parametrize("disagreement", [0.02, 0.3])
def test_the_interval_holds_the_truth_as_often_as_it_says(disagreement: float) -> None:
    rng = np.random.default_rng(12)
    drawn = differences(np.array([[0.01]]), disagreement, rng, 2_000, 500).astype(float)
    found = [interval(500, float(one.sum()), float((one**2).sum())) for one in drawn]
    assert 0.94 <= np.mean([low <= 0.01 <= high for low, high in found]) <= 0.98


@pytest.mark.parametrize(("old", "new", "story"), [([0.0], [0.0, 1.0], "must be paired"), ([1.5], [0.0], "must lie in"), ([np.nan], [0.0], "must lie in")])
def test_losses_that_are_not_paired_or_not_bounded_are_refused(old: list[float], new: list[float], story: str) -> None:
    with pytest.raises(ValueError, match=story):
        step(GateState(), np.array(old), np.array(new), gate=Gate())
