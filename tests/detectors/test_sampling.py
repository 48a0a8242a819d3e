"""Events that stand for several: what is counted, what intervals hold, and that no alarm comes of how much is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.detection.window_points import RolledWindow, WindowMeasures, window_points
from detectors.event_batch import EventBatch
from detectors.metrics.performance import performance, regression
from detectors.metrics.rolling_window import PartsOfWindow
from detectors.monitor import Monitor, Monitors
from detectors.monitors.rate_change import Rate, RateChange
from detectors.monitors.weighted_bank import WeightedBank
from detectors.panes.layout import REGRESSION, Layout
from detectors.panes.packed_counts import PackedCounts
from detectors.scans.scored_windows import Bank
from detectors.settings.watching import Detectors
from detectors.specification import MonitorSpecification
from detectors.statistics.sampling import whole_weights
from detectors.summarise import Fetch, Summarise
from detectors.verdict import Status
from tests.detectors.event_samples import Sent, fetch, label, prediction, specification

WEIGHTED = specification(sampling="weighted")
LAYOUT = Layout(WEIGHTED)


def weighed(sent: list[Sent], weights: list[float], *, first: int = 0) -> Fetch:
    """A fetch whose events stand for several each."""
    whole = fetch(sent, first=first)
    batches = tuple(replace(batch, weight=np.array(weights[first:])) for batch in whole.batches)
    return replace(whole, batches=batches)


def summed(fetches: list[Fetch], asked: MonitorSpecification = WEIGHTED) -> np.ndarray:
    stage = Summarise(0, Monitors([Monitor(specification=asked)]))
    for one in fetches:
        stage.absorb(one)
    return sum(summary.counts for summary in stage.flush().summaries)


events = st.lists(
    st.tuples(st.integers(0, 19_999), st.sampled_from(["no", "yes"]), st.sampled_from([None, "no", "yes"]), st.integers(1, 4), st.floats(0, 60)), min_size=1, max_size=12
)


@settings(max_examples=60)
@given(events)
def test_an_event_of_weight_w_counts_as_w_events_and_by_its_square_behind_them(drawn: list[tuple[int, str, str | None, int, float]]) -> None:
    sent = [prediction(place, at, outcome=said, label=truth, age=age) for place, (at, said, truth, _, age) in enumerate(drawn)]
    copies = [replace(one, event=100 * place + copy) for place, one in enumerate(sent) for copy in range(drawn[place][3])]
    counts = summed([weighed(sent, [float(weight) for *_, weight, _ in drawn])])
    assert counts[: LAYOUT.cells] == pytest.approx(summed([fetch(copies)], specification()))
    squares = [replace(one, event=100 * place + copy) for place, one in enumerate(sent) for copy in range(drawn[place][3] ** 2)]
    assert LAYOUT.squares(counts) == pytest.approx(summed([fetch(squares)], specification()))


@given(st.integers(1, 3))
def test_a_label_that_comes_later_counts_with_the_weight_of_its_prediction(cut: int) -> None:
    sent = [prediction(1, 1_000), prediction(2, 2_000), label(1, 3_000, "yes"), label(2, 4_000, "no")]
    whole = weighed(sent, [10.0, 1.0, 1.0, 1.0])
    parts = [replace(whole, end=cut, batches=tuple(batch.take(slice(0, cut)) for batch in whole.batches)), weighed(sent, [10.0, 1.0, 1.0, 1.0], first=cut)]
    counts = summed(parts)
    confusion = counts[LAYOUT.blocks["performance"]].reshape(3, 3)
    assert confusion[:2, :2].tolist() == [[1, 0], [10, 0]]
    assert LAYOUT.squares(counts)[LAYOUT.blocks["performance"]].reshape(3, 3)[:2, 0].tolist() == [1, 100]
    assert LAYOUT.traffic(counts, "labels") == 11


def test_a_correction_takes_back_what_its_prediction_stood_for() -> None:
    sent = [prediction(1, 1_000), label(1, 3_000, "yes"), label(1, 4_000, "no")]
    counts = summed([weighed(sent, [10.0, 1.0, 1.0])])
    for half, of_one in ((counts, 10), (LAYOUT.squares(counts), 100)):
        assert half[LAYOUT.blocks["performance"]].reshape(3, 3)[:2, 0].tolist() == [of_one, 0]


def test_who_does_not_ask_pays_nothing() -> None:
    plain = specification()
    assert Layout(plain).size == LAYOUT.cells
    assert LAYOUT.size == 2 * LAYOUT.cells
    assert plain.digest == specification(sampling="ignored").digest != WEIGHTED.digest
    sent = [prediction(place, 1_000 * place) for place in range(5)]
    assert summed([weighed(sent, [7.0] * 5)], plain).tolist() == summed([fetch(sent)], plain).tolist()


def test_what_takes_single_events_does_not_go_with_weights() -> None:
    with pytest.raises(ValidationError, match=r"sampling: weighted does not go with detectors\.rates: e-detector"):
        specification(sampling="weighted", detectors=Detectors(rates="e-detector"))


def drawn_window(generator: np.random.Generator, *, events: int, wrong: float) -> np.ndarray:
    """Counts of a window of which all errors are published, and a tenth of the right answers."""
    truth, is_wrong = generator.random(events) < 0.4, generator.random(events) < wrong
    fraction = np.where(is_wrong, 1.0, 0.1)
    kept = generator.random(events) < fraction
    said = truth ^ is_wrong
    cells = LAYOUT.blocks["performance"].start + 3 * truth[kept] + said[kept]
    weights = whole_weights(fraction[kept], generator.integers(0, 2**63, kept.sum()).astype(np.uint64))
    return np.concatenate([np.bincount(cells, weights**power, LAYOUT.cells) for power in (1, 2)])


def test_accuracy_of_a_sample_that_keeps_all_errors_is_unbiased_and_its_interval_holds() -> None:
    generator = np.random.default_rng(5)
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for _ in range(400):
        for metric in performance(LAYOUT, drawn_window(generator, events=1_000, wrong=0.1)):
            found.setdefault(metric.name, []).append((metric.value, *metric.interval, metric.n))
    for name, truth in (("accuracy", 0.9), ("recall_macro", 0.9), ("recall", 0.9), ("matthews_corrcoef", None), ("f1_macro", None)):
        values = np.array(found[name])
        expected = truth if truth is not None else {"matthews_corrcoef": 0.7927, "f1_macro": 0.8963}[name]
        assert values[:, 0].mean() == pytest.approx(expected, abs=0.006), name
        assert 0.92 <= ((values[:, 1] <= expected) & (expected <= values[:, 2])).mean() <= 0.985, name
    assert np.array(found["accuracy"])[:, 3].mean() == pytest.approx(526, rel=0.1)  # p (1 - p) N^2 / sum w^2 (x - p)^2


def test_means_of_weighted_errors_hold_their_intervals() -> None:
    generator = np.random.default_rng(6)
    held = []
    for _ in range(300):
        error = generator.exponential(size=600)
        fraction = np.where(error > 1, 1.0, 0.2)
        kept = generator.random(600) < fraction
        weight, e = 1 / fraction[kept], error[kept]
        powers = (np.ones(len(e)), e, e**2, e, e, e**2, e**4, e**2)
        sums, squares = (dict(zip(REGRESSION, [float(weight**power @ values) for values in powers], strict=True)) for power in (1, 2))
        mae = next(metric for metric in regression(sums, None, squares) if metric.name == "mae")
        held.append(mae.interval[0] <= 1 <= mae.interval[1])
    assert 0.91 <= np.mean(held) <= 0.985


def test_all_that_is_told_of_a_window_is_that_of_all_traffic() -> None:
    generator = np.random.default_rng(7)
    counts = drawn_window(generator, events=20_000, wrong=0.1)
    block = LAYOUT.blocks["feature:age"]
    counts[block] = [50, 90, 40, 20, 0]
    counts[LAYOUT.cells + block.start : LAYOUT.cells + block.stop] = [500, 900, 400, 200, 0]
    window = RolledWindow(measures=WindowMeasures(LAYOUT), at=600_000, window="10m", parts=PartsOfWindow((PackedCounts.of(counts),)))
    points = {(point.measurement, point.tags.get("feature"), point.tags.get("kind")): point.fields for point in window_points([window])}
    assert points["performance", None, None]["rows"] == pytest.approx(20_000, rel=0.02)
    assert points["drift", "age", None]["n"] == pytest.approx(18)
    missing = points["quality", "age", "missing"]
    assert missing["rate"] == pytest.approx(0.1)
    assert missing["rate_n"] == pytest.approx(20)


def published(generator: np.random.Generator, panes: int, fraction_of_right: np.ndarray, *, streams: int, events: int = 20, wrong: float = 0.1) -> np.ndarray:
    """(panes, 4 m) counts of right and wrong answers of m streams, and their squares; all wrong ones are published."""
    is_wrong = generator.random((panes, events, streams)) < wrong
    fraction = np.where(is_wrong, 1.0, fraction_of_right[:, None, None])
    weight = (generator.random(is_wrong.shape) < fraction) / fraction
    return np.concatenate([np.stack([(weight**power * part).sum(axis=1) for part in (~is_wrong, is_wrong)], axis=2).reshape(panes, -1) for power in (1, 2)], axis=1)


def weighted_rates(streams: int, *, learnt: bool = False) -> WeightedBank:
    names = tuple(f"stream:{place}" for place in range(streams))
    rates = [Rate(hits=[2 * place + 1], events=[2 * place, 2 * place + 1], reference=None if learnt else (1_000.0, 10_000.0)) for place in range(streams)]
    bank = Bank(names=names, group="performance", kind="performance", looks=5_000, pane=10_000, resolve_after=600_000)
    return WeightedBank(RateChange(bank, rates=rates, floor=0.02), cells=2 * streams)


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize(("before", "after"), [(0.1, 1.0), (1.0, 0.1)])
def test_no_alarm_comes_of_another_share_being_published(before: float, after: float, learnt: bool) -> None:
    generator, streams = np.random.default_rng(8), 30
    share = np.where(np.arange(600) < 300, before, after)
    bank = weighted_rates(streams, learnt=learnt)
    _, verdicts = bank.walk(bank.initial(), published(generator, 600, share, streams=streams), range(0, 6_000_000, 10_000))
    assert (verdicts.status[-1] == Status.OK).all()
    assert not (verdicts.status == Status.DRIFT).any()


def test_twice_as_many_errors_are_found_in_what_is_published() -> None:
    generator, streams = np.random.default_rng(9), 20
    before, after = (published(generator, panes, np.full(panes, 0.1), streams=streams, wrong=wrong) for panes, wrong in ((400, 0.1), (100, 0.2)))
    bank = weighted_rates(streams)
    state, verdicts = bank.walk(bank.initial(), np.concatenate([before, after]), range(0, 5_000_000, 10_000))
    assert not (verdicts.status[:400] == Status.DRIFT).any()
    assert (verdicts.status[460:] == Status.DRIFT).any(axis=0).all()  # 1,200 events, of which 340 were published
    evidence = bank.evidence(state, 0)
    assert evidence.n_current < 0.7 * evidence.basis["stands_for"]
    assert evidence.effect.interval[0] > 0


def test_where_every_event_stands_for_itself_verdicts_are_those_of_the_bank_within() -> None:
    generator, streams = np.random.default_rng(10), 5
    counts = published(generator, 300, np.ones(300), streams=streams, wrong=0.15)
    bank = weighted_rates(streams)
    starts = range(0, 3_000_000, 10_000)
    _, weighted = bank.walk(bank.initial(), counts, starts)
    _, plain = bank._within.walk(bank._within.initial(), counts[:, : 2 * streams], starts)
    assert (weighted.status == plain.status).mean() > 0.97  # the dependence is measured about the reference's rate, not the panes' own
    assert weighted.effect[-1] == pytest.approx(plain.effect[-1], nan_ok=True)


def test_weights_of_batches_with_and_without_any_go_together() -> None:
    one, other = (fetch([prediction(place, 1_000 * place)]).batches[0] for place in (1, 2))
    together = EventBatch.concatenate([one, replace(other, weight=np.array([10.0]))])
    assert together.weight is not None
    assert together.take(np.array([1, 0])).weight.tolist() == [10.0, 1.0]
    assert EventBatch.concatenate([one, other]).weight is None


def test_a_cohort_is_restated_in_all_of_its_events() -> None:
    stage = Summarise(0, Monitors([Monitor(specification=WEIGHTED)]))
    stage.absorb(weighed([prediction(1, 1_000, label="no"), prediction(2, 2_000, label="yes")], [10.0, 1.0]))
    (cohort,) = stage.flush().cohorts
    counts, squares = np.split(cohort.counts, 2)
    assert (counts[0], squares[0], counts[1:].sum(), squares[1:].sum()) == (11, 101, 11, 101)
