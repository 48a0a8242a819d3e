"""Detectors are evaluated as they are used: ours as in a replay, others one value after another, the oracle as its formula says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift import PageHinkley
from scipy import stats

from detectors.evaluation import (
    CategoricalMonitor,
    Every,
    LabelledStreams,
    Law,
    Levels,
    Moved,
    NumericMonitor,
    OneByOne,
    Oracle,
    Rate,
    RateMonitor,
    Watcher,
    at_rate,
    changed_streams,
    delays_of,
    false_alarms_of,
    null_streams,
    oracle_at,
    river,
)
from detectors.evaluation.monitors import EVENT
from detectors.references.reference import profile_of
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.replay import replay
from streams.tables import Table

OURS: list[tuple[Watcher, Law]] = [
    (RateMonitor(), Rate(0.1, 0.5)),
    (RateMonitor(learnt=True), Rate(0.1, 0.5)),
    (NumericMonitor(), Moved(shift=1.5)),
    (CategoricalMonitor(levels=3), Levels((0.6, 0.3, 0.1), (0.2, 0.3, 0.5))),
]
ours = pytest.mark.parametrize(("watcher", "law"), OURS, ids=["rate", "learnt", "numeric", "categorical"])


def part(streams: LabelledStreams, columns: slice) -> LabelledStreams:
    return LabelledStreams(streams.values[:, columns], streams.change[columns], streams.reference[:, columns])


@ours
def test_a_stream_is_told_the_same_alone_and_beside_others(watcher: Watcher, law: Law) -> None:
    streams = changed_streams(law, streams=4, before=1_500, after=300, seed=1)
    together = watcher.watch(streams)
    first = together.first_after(np.zeros(4, np.int64))
    assert np.isfinite(first).all()
    for at in range(4):
        alone = watcher.watch(part(streams, slice(at, at + 1)))
        assert (alone.first_after(np.zeros(1, np.int64))[0], alone.learning[0]) == (first[at], together.learning[at])


@ours
def test_a_large_change_is_found_soon_and_little_is_told_before(watcher: Watcher, law: Law) -> None:
    streams = changed_streams(law, streams=20, before=2_000, after=300, seed=2)
    delays = delays_of(watcher.watch(streams), streams.change)
    assert delays.left_out <= 2  # of 40,000 events, with a budget of one false alarm in 100,000
    assert delays.found(200) == 1
    assert delays.delays[0] > 1


def test_a_monitor_is_learning_until_it_could_have_alarmed() -> None:
    watched = RateMonitor(learnt=True).watch(null_streams(Rate(0.1, 0.2), streams=3, events=3_000, seed=1))
    assert (watched.learning >= 490).all()  # the pane with the 500th event is the first that could say something
    assert (watched.learning < 3_000).all()


def test_what_the_evaluation_says_of_a_stream_a_replay_of_it_says() -> None:
    streams = changed_streams(Moved(shift=1.0), streams=3, before=1_000, after=500, seed=4)
    said = NumericMonitor(shift=0.1, deviation_ratio=1.15).watch(streams).first_after(np.zeros(3, np.int64))
    begin = 1_700_000_000_000
    for values, reference, seen in zip(streams.values.T, streams.reference.T, said.tolist(), strict=True):
        features = {"x": Feature(type="numeric")}
        profile = profile_of({"x": reference}, features=features, task="regression")
        specification = MonitorSpecification.model_validate(
            {
                "model": "m",
                "task": "regression",
                "pane": f"{10 * EVENT}ms",
                "windows": ["1s"],
                "lateness": "0s",
                "false_alarms": "1 per 100000 events",
                "events_per_pane": 10,
                "features": features,
                "reference": {"profile": profile},
                "detectors": {"shares": {"performance": 0, "features": 1, "quality": 0, "service": 0}},
            }
        )
        table = Table(source="stream.csv", columns={"at": begin + np.arange(len(values)) * EVENT, "x": values})
        opened = replay([table], specification, ColumnNames(time="at"), metrics=False).opened
        assert [alert.kind for alert in opened] == ["drift"]
        assert (opened[0].opened_at - begin) / EVENT == seen


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=80), st.floats(0.1, 3))
def test_the_oracle_is_pages_recursion(events: list[float], height: float) -> None:
    law, expected, total = Rate(0.2, 0.6), [], 0.0
    for seen, value in enumerate(events, 1):
        total = max(total, 0.0) + (np.log(3.0) if value else np.log(0.5))
        if total >= height:
            expected.append(seen)
            total = 0.0
    column = np.array(events)[:, None]
    watched = Oracle(law, height).watch(LabelledStreams(np.repeat(column, 2, axis=1), np.array([1, 1]), column))
    assert watched.seen[watched.stream == 0].tolist() == watched.seen[watched.stream == 1].tolist() == expected


def test_the_oracle_keeps_its_budget_and_finds_what_it_knows_before_others_do() -> None:
    law = Moved(shift=1.0)
    oracle = oracle_at(law, budget=2_000, events=200_000, seed=1)
    low, high = false_alarms_of(oracle.watch(null_streams(law, streams=100, events=10_000, seed=2, reference=0))).interval
    assert low < 60
    assert high > 40
    streams = changed_streams(law, streams=100, before=1_000, after=300, seed=3)
    tuned = at_rate(lambda height: river(lambda: PageHinkley(delta=0.5, threshold=height), reference=False), lambda: [_nothing()], lenient=1, strict=100, rate=50, steps=6)
    delays = [delays_of(one.watch(streams), streams.change).median for one in (oracle, river(lambda: PageHinkley(delta=0.5, threshold=tuned.setting)))]
    assert delays[0] < delays[1]


def test_a_budget_that_is_too_rare_to_be_counted_is_continued() -> None:
    law = Moved(shift=1.0)
    counted, continued = (oracle_at(law, budget=4_000, events=events, seed=1).height for events in (400_000, 40_000))
    assert continued == pytest.approx(counted, abs=0.3)


def _nothing() -> LabelledStreams:
    return null_streams(Moved(), streams=5, events=10_000, seed=9, reference=0)


def test_a_threshold_is_found_at_which_values_pass_it_as_often_as_asked() -> None:
    streams = null_streams(Moved(), streams=20, events=10_000, seed=1, reference=0)

    def above(height: float) -> Watcher:
        return OneByOne(lambda: lambda value: value > height)

    tuned = at_rate(above, lambda: [streams], lenient=0.5, strict=8, rate=1_000)
    assert tuned.setting == pytest.approx(stats.norm.isf(0.01), abs=0.05)
    assert tuned.false_alarms == false_alarms_of(above(tuned.setting).watch(streams))
    with pytest.raises(ValueError, match=r"the strictest setting 1 gives .* more than 10"):
        at_rate(above, lambda: [streams], lenient=0.5, strict=1, rate=10)


def test_the_smaller_number_may_be_the_stricter_one() -> None:
    streams = null_streams(Moved(), streams=20, events=5_000, seed=1, reference=0)

    def rarer(chance: float) -> Watcher:
        height = float(stats.norm.isf(chance))
        return OneByOne(lambda: lambda value: value > height)

    tuned = at_rate(rarer, lambda: [streams], lenient=0.5, strict=1e-6, rate=2_000)
    assert tuned.setting == pytest.approx(0.02, rel=0.15)


def test_a_detector_of_river_is_made_anew_after_each_alarm_and_sees_the_reference_first() -> None:
    streams = changed_streams(Moved(shift=3.0), streams=2, before=200, after=100, seed=1, reference=100)

    def make() -> PageHinkley:
        return PageHinkley(threshold=20)

    expected = []
    for stream in range(2):
        detector = make()
        for value in streams.reference[:, stream]:
            detector.update(value)
        for seen, value in enumerate(streams.values[:, stream], 1):
            detector.update(value)
            if detector.drift_detected:
                expected.append((stream, seen))
                detector = make()
    watched = river(make).watch(streams)
    assert list(zip(watched.stream.tolist(), watched.seen.tolist(), strict=True)) == expected
    assert len(expected) >= 2
    assert river(make, reference=False).watch(streams).seen.tolist() != watched.seen.tolist()


def test_the_dummy_alarms_as_often_as_it_says_and_is_no_better_for_a_change() -> None:
    streams = changed_streams(Moved(shift=5.0), streams=400, before=5_000, after=500, seed=1)
    watched = Every(100).watch(streams)
    assert false_alarms_of(watched, streams.change).rate == pytest.approx(1_000, rel=0.02)
    delays = delays_of(watched, streams.change)
    assert delays.median == pytest.approx(50, abs=8)
    assert delays.found(100) == 1
