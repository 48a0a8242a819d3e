"""Where one revision of a monitor follows another, every pane is told once, with all that was counted in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bundle import Bundle
from detectors.detect import Detect
from detectors.monitor import Monitor, Monitors
from detectors.panes.carried_counts import CarriedCounts
from detectors.panes.layout import Layout
from detectors.piece import Piece
from detectors.point import Point, PointKey
from detectors.settings.watching import Reference, Slices
from detectors.specification import MonitorSpecification
from detectors.summarise import Summarise
from streams.state_codec import decode_state, encode_state
from tests.detectors.event_samples import Sent, fetch, label, prediction, specification

BOUNDARY = 100_000
PLAIN = specification(windows=(60_000,))


def changed(**settings: object) -> MonitorSpecification:
    """The same monitor but for some settings."""
    return specification(**({"windows": (60_000,), "max_groups": 7} | settings))  # type: ignore[arg-type]


def revisions(*specifications: MonitorSpecification) -> Monitors:
    """Each from a boundary later than the one before."""
    return Monitors([Monitor(specification=one, revision=number + 1, effective_from=number * BOUNDARY) for number, one in enumerate(specifications)])


def bundles_of(sent: Sequence[Sent], monitors: Monitors, *, partition: int = 0, partitions: int = 1) -> list[Bundle]:
    """What is told of some events, an epoch each; time then passes all panes."""
    stage, bundles = Summarise(partition, monitors), []
    for epoch in range(1, len(sent) + 1):
        stage.absorb(fetch(list(sent[:epoch]), first=epoch - 1))
        told = stage.flush()
        bundles.append(
            Bundle(
                partition=partition, partitions=partitions, generation=1, epoch=epoch, high=stage.high, covered=epoch,
                summaries=told.summaries, cohorts=told.cohorts,
            )
        )  # fmt: skip
    end = len(sent) + 1
    return [*bundles, Bundle(partition=partition, partitions=partitions, generation=1, epoch=end, high=stage.high + 200_000, covered=end)]


def told_of(bundles: Iterable[Bundle], monitors: Monitors) -> list[Point]:
    """All points, in the order in which they are told."""
    stage, points = Detect(monitors), []
    for offset, bundle in enumerate(bundles):
        stage.absorb(bundle, offset)
        points += stage.flush().points
    return points


def kept(points: Iterable[Point]) -> dict[PointKey, Point]:
    """What a store has in the end."""
    found: dict[PointKey, Point] = {}
    for point in points:
        if point.replaces(found.get(point.key)):
            found[point.key] = point
    return found


def said(points: Iterable[Point]) -> dict[PointKey, str]:
    """The same, to be compared though it may be undefined."""
    return {key: repr(point.fields) for key, point in kept(points).items()}


def traffic(points: Iterable[Point], counter: str) -> dict[int, float]:
    """A counter by pane, where it is not 0, as a store has it in the end."""
    return {time: float(point.fields[counter]) for (name, _, time), point in sorted(kept(points).items()) if name == "traffic" and point.fields[counter]}


def field_of(points: Iterable[Point], measurement: str, field: str) -> dict[int, Any]:
    """A field by time."""
    return {time: point.fields[field] for (name, _, time), point in sorted(kept(points).items()) if name == measurement}


ACROSS = [
    *(prediction(event, 90_000 + event, outcome="yes") for event in range(6)),
    *(prediction(event, 100_000 + event, outcome="yes") for event in range(6, 10)),
    *(label(event, 105_000 + event, "yes") for event in range(10)),
    prediction(0, 90_000, record=106_000),
    prediction(11, 30_000, record=107_000),
    prediction(12, 200_000),
]
"""Six predictions of the revision that is replaced and four of the one that follows; all labels, a repeated event and a late one come when that is in force."""


def points_of_across(*specifications: MonitorSpecification) -> list[Point]:
    monitors = revisions(*specifications)
    return told_of(bundles_of(ACROSS, monitors), monitors)


def test_a_pane_counts_the_labels_of_predictions_that_an_earlier_revision_knows():
    points = points_of_across(PLAIN, changed())
    assert traffic(points, "predictions") == {90_000: 6, 100_000: 4, 200_000: 1}
    assert traffic(points, "labels") == {100_000: 10}
    assert traffic(points, "duplicates") == {100_000: 1}
    assert traffic(points, "late") == {100_000: 1}


OTHERS = [{}, {"lateness": 10_000}, {"lateness": 30_000}, {"pane": 5_000}, {"pane": 50_000, "windows": (100_000,)}, {"windows": (30_000,)}]


@pytest.mark.parametrize("after", [changed(**settings) for settings in OTHERS])
def test_no_point_is_told_twice_with_different_numbers(after: MonitorSpecification):
    final: dict[PointKey, Point] = {}
    points = points_of_across(PLAIN, after)
    for point in points:
        if point.measurement != "cohort" and point.fields.get("final", True):
            assert repr(final.setdefault(point.key, point)) == repr(point)
    assert sum(traffic(points, "labels").values()) == 10
    assert all(point.fields.get("final", True) for point in kept(points).values())


def test_labels_of_earlier_predictions_are_told_while_their_pane_is_open():
    monitors = revisions(PLAIN, changed())
    points = told_of(bundles_of(ACROSS, monitors)[:13], monitors)
    assert traffic(points, "labels") == {100_000: 3}
    assert not any(point.fields["final"] for point in kept(points).values() if point.measurement == "traffic" and point.time == 100_000)


def test_it_does_not_matter_whether_a_revision_is_heard_of_before_panes_of_its_time_close():
    monitors = revisions(PLAIN, changed())
    sent = [[prediction(event, 90_000), prediction(event + 2, 95_000), label(event, 105_000, "no"), label(event + 2, 135_000, "no")] for event in (0, 1)]
    sent[0].append(prediction(4, 140_000))  # the first of the revision that follows
    one, other = (bundles_of(events, monitors, partition=partition, partitions=2) for partition, events in enumerate(sent))
    assert said(told_of([*one, *other], monitors)) == said(told_of([*one[:4], *other[:4], *one[4:], *other[4:]], monitors))


def test_windows_and_cohorts_tell_the_performance_of_all_labels():
    points = points_of_across(PLAIN, changed())
    assert field_of(points, "performance", "rows") == {100_000: 0, 110_000: 10, 210_000: 0}
    assert field_of(points, "service", "label_delay_p50_n")[110_000] == 10
    assert [field_of(points, "cohort", name) for name in ("predictions", "rows")] == [{0: 12}, {0: 10}]


def test_a_step_in_which_a_revision_takes_over_is_told_by_it_alone():
    points = points_of_across(*(changed(windows=(900_000,), max_groups=groups) for groups in (7, 8)))
    told = [(point.time, point.fields["rows"]) for point in points if point.measurement == "performance"]
    assert told == [(120_000, 10), (210_000, 10)]


def test_labels_whose_classes_are_others_by_now_are_counted_and_not_judged():
    unknown = changed().model_copy(update={"reference": Reference()})
    points = points_of_across(unknown, PLAIN)
    assert traffic(points, "labels") == {100_000: 10}
    assert field_of(points, "performance", "rows") == {100_000: 0, 110_000: 4, 210_000: 0}
    assert field_of(points, "cohort", "predictions") == {0: 5}  # of the revision that is in force


def test_a_cohort_is_restated_as_long_as_any_revision_waits_for_its_labels():
    sent = [*ACROSS[:10], label(0, 3_950_000, "yes"), label(6, 3_950_001, "yes"), label(1, 4_800_000, "yes"), label(7, 4_800_001, "yes")]
    for waits in ((100_000, 6_000_000), (6_000_000, 100_000)):
        monitors = revisions(*(changed(timeout=timeout) for timeout in waits))
        points = told_of(bundles_of(sent, monitors), monitors)
        assert field_of(points, "cohort", "predictions") == {0: 10}
        assert field_of(points, "cohort", "rows") == {0: 2}


def test_slices_are_carried_where_both_revisions_cut_them_alike():
    one, same, other = (Layout(changed(slices=Slices(columns=names), max_groups=7 + place)) for place, names in enumerate((("age",), ("age",), ("age", "plan"))))
    counts = np.ones(one.size)
    assert CarriedCounts(one, same).of(counts)[same.blocks["slices"]].all()
    assert not CarriedCounts(one, other).of(counts)[other.blocks["slices"]].any()
    assert CarriedCounts(one, other).of(counts)[other.blocks["performance"]].all()


def test_events_that_weigh_are_carried_with_their_squares_and_others_as_standing_for_themselves():
    weighed, plain = Layout(changed(sampling="weighted")), Layout(PLAIN)
    counts = np.repeat([10.0, 100.0], weighed.cells)
    carried = CarriedCounts(weighed, weighed).of(counts)
    assert [weighed.traffic(half, "labels") for half in (carried, weighed.squares(carried))] == [10, 100]
    carried = CarriedCounts(plain, weighed).of(np.full(plain.size, 3.0))
    assert [weighed.traffic(half, "labels") for half in (carried, weighed.squares(carried))] == [3, 3]
    carried = CarriedCounts(weighed, plain).of(counts)
    assert plain.traffic(carried, "labels") == 10
    assert not carried[plain.blocks["performance"]].any()


@st.composite
def streams(draw: st.DrawFn) -> list[list[Sent]]:
    """Of two source partitions: events that come up to 30 s late, and labels up to 150 s after them; three revisions' time."""
    found = []
    for partition in range(2):
        sent: list[Sent] = []
        for number in range(draw(st.integers(1, 8))):
            event, at = partition + 2 * number, draw(st.integers(0, 30)) * 10_000 + draw(st.integers(0, 9_999))
            record = at + draw(st.sampled_from([0, 0, 5_000, 30_000]))
            sent.append(prediction(event, at, record=record, outcome=draw(st.sampled_from(["no", "yes"]))))
            if draw(st.booleans()):
                labelled_at = at + draw(st.integers(1, 150_000))
                sent.append(label(event, labelled_at, draw(st.sampled_from(["no", "yes"])), record=max(record, labelled_at)))
        found.append(sorted(sent, key=lambda one: one.record))
    return found


SHORTER, LONGER = ([PLAIN, changed(lateness=lateness), changed(lateness=PLAIN.lateness, max_groups=8)] for lateness in (10_000, 40_000))
LIKE = [PLAIN, changed(), changed(max_groups=8)]


def log_of(sent: list[list[Sent]], monitors: Monitors, choices: Iterable[bool]) -> list[Bundle]:
    """Bundles of two partitions in some order of theirs."""
    one, other = (iter(bundles_of(events, monitors, partition=partition, partitions=2)) for partition, events in enumerate(sent))
    log = [bundle for choice in choices if (bundle := next(one if choice else other, None)) is not None]
    return [*log, *one, *other]


@settings(max_examples=25)
@given(streams(), st.lists(st.booleans(), max_size=30))
def test_revisions_that_count_alike_tell_what_one_alone_would(sent: list[list[Sent]], choices: list[bool]):
    told = []
    for monitors in (revisions(PLAIN), revisions(*LIKE)):
        points = told_of(log_of(sent, monitors, choices), monitors)
        told.append({key: fields for key, fields in said(points).items() if key[0] in {"traffic", "cohort"}})
    assert told[0] == told[1]


@settings(max_examples=25)
@given(streams(), st.lists(st.booleans(), max_size=30), st.sampled_from([LIKE, SHORTER, LONGER]))
def test_the_order_of_partitions_changes_nothing_that_is_told_across_revisions(sent: list[list[Sent]], choices: list[bool], specifications: list[MonitorSpecification]):
    monitors = revisions(*specifications)
    told = [said(told_of(log_of(sent, monitors, some), monitors)) for some in ((), choices)]
    assert told[0] == told[1]


def told_with_restarts(log: Sequence[Bundle], monitors: Monitors, cuts: Iterable[int], arrived: Sequence[bool] = ()) -> list[Point]:
    """At each cut the worker dies: of its last epoch the points and any part of the pieces were written, the manifest was not."""
    saved: dict[Any, tuple[int, bytes]] = {}
    points: list[Point] = []
    arrivals, manifest = iter(arrived), None

    def flush(stage: Detect, *, dying: bool) -> None:
        flushed = stage.flush()
        points.extend(flushed.points)
        for piece in flushed.pieces:
            if not dying or next(arrivals, True):
                saved.pop(piece.key, None)
                if piece.value is not None:
                    saved[piece.key] = piece.covered, encode_state(piece.value)

    for cut in [*sorted(cut for cut in cuts if cut < len(log)), len(log)]:
        stage = Detect(monitors)
        read = stage.restore(manifest, [Piece(key, covered, decode_state(data, str(key))) for key, (covered, data) in saved.items()])
        for offset in range(read, cut):
            stage.absorb(log[offset], offset)
            if offset < cut - 2:
                flush(stage, dying=False)
                manifest = stage.manifest()
        flush(stage, dying=cut < len(log))
    return points


@settings(max_examples=40)
@given(streams(), st.lists(st.booleans(), max_size=30), st.sets(st.integers(1, 30), max_size=4), st.lists(st.booleans(), max_size=60), st.sampled_from([LIKE, SHORTER, LONGER]))
def test_restarts_anywhere_change_nothing_that_is_told_across_revisions(
    sent: list[list[Sent]], choices: list[bool], cuts: set[int], arrived: list[bool], specifications: list[MonitorSpecification]
):
    monitors = revisions(*specifications)
    log = log_of(sent, monitors, choices)
    assert said(told_with_restarts(log, monitors, cuts, arrived)) == said(told_of(log, monitors))


@pytest.mark.parametrize("specifications", [LIKE, SHORTER, LONGER], ids=["like", "shorter", "longer"])
def test_a_restart_while_a_pane_waits_for_another_revision_loses_nothing_of_it(specifications: list[MonitorSpecification]):
    monitors = revisions(*specifications)
    waiting = [prediction(20 + number, at) for number, at in enumerate(range(112_000, 160_000, 6_000))]
    log = bundles_of([*ACROSS[:-1], *waiting, ACROSS[-1]], monitors)
    straight = said(told_of(log, monitors))
    for cut in range(len(ACROSS), len(log)):
        points = told_with_restarts(log, monitors, [cut])
        assert traffic(points, "labels") == {100_000: 10}
        assert said(points) == straight
