"""A source partition that never held a record neither loses what is published to it later, nor holds panes back for ever."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bundle import Bundle
from detectors.detect import Detect
from tests.detectors.test_detect import MONITORS, ONE, OTHER, PANES, STRAIGHT, Said, said_of

STEP = 30_000


def empty(partition: int, steps: int, *, partitions: int = 2, generation: int = 1) -> Bundle:
    """Its reader has found it empty for so many steps."""
    return Bundle(partition=partition, partitions=partitions, generation=generation, epoch=1 + steps, idle=steps * STEP)


def merged(order: list[bool], one: list[Bundle], other: list[Bundle]) -> list[Bundle]:
    """Of two partitions, in any order; each partition's bundles in their own."""
    left, right = iter(one), iter(other)
    return [*(bundle for first in order if (bundle := next(left if first else right, None)) is not None), *left, *right]


@settings(max_examples=12)
@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.booleans(), max_size=300))
def test_a_history_that_is_published_to_empty_partitions_is_counted_whole_whoever_reads_it_first(steps: int, others: int, order: list[bool]):
    """A step of either may end while the history is read, as its reader is slow; a second one would say that nothing was there for as long."""
    before = [*(empty(0, step) for step in range(steps)), *(empty(1, step) for step in range(others))]
    assert said_of([*before, *merged(order, [empty(0, steps), *ONE], [empty(1, others), *OTHER])]).all == STRAIGHT.all


def closed(stage: Detect) -> int:
    return sum(point.measurement == "traffic" and bool(point.fields["final"]) for point in stage.flush().points)


def test_panes_close_beside_an_empty_partition_once_it_said_so_again_after_a_step():
    stage = Detect(MONITORS)
    for offset, bundle in enumerate([empty(1, 0), *ONE]):
        stage.absorb(bundle, offset)
    assert closed(stage) == 0
    told = []
    for steps in (1, 2, 3):
        stage.absorb(empty(1, steps), 1_000 + steps)
        told.append(closed(stage))
    assert told == [0, PANES, 0], "at the first step it says that it was empty before the other one had read anything"


def test_an_owner_that_has_just_taken_an_empty_partition_over_says_nothing_about_what_was_told_since():
    stage = Detect(MONITORS)
    log = [empty(1, 0), empty(1, 1), *ONE, empty(1, 2), *(empty(1, 0, generation=generation) for generation in range(2, 6))]
    for offset, bundle in enumerate(log):
        stage.absorb(bundle, offset)
    assert closed(stage) == 0
    stage.absorb(empty(1, 1, generation=5), len(log))
    assert closed(stage) == PANES


def test_a_reader_that_did_not_know_for_a_while_whether_it_is_empty_begins_anew():
    stage = Detect(MONITORS)
    log = [empty(1, 0), empty(1, 5), *ONE, replace(empty(1, 0), epoch=7)]
    for offset, bundle in enumerate(log):
        stage.absorb(bundle, offset)
    assert closed(stage) == 0
    stage.absorb(replace(empty(1, 1), epoch=8), len(log))
    assert closed(stage) == PANES


@settings(max_examples=12)
@given(st.lists(st.integers(0, len(ONE)), min_size=3, max_size=8), st.sets(st.integers(0, len(ONE) + 8), max_size=5))
def test_restarts_and_repetitions_beside_an_empty_partition_change_nothing(places: list[int], cuts: set[int]):
    log = [replace(bundle, partitions=2) for bundle in ONE]
    for steps, place in reversed(list(enumerate(sorted(places)))):
        log.insert(place, empty(1, steps))
    log += [empty(1, 50), empty(1, 51)]
    straight, said, manifest = said_of(log), Said(), None
    for cut in [*sorted(cuts), len(log)]:
        stage = Detect(MONITORS)
        for offset in range(stage.restore(manifest, said.pieces()), max(cut, 0)):
            stage.absorb(log[offset], offset)
            stage.absorb(log[max(0, offset - 1)], offset)  # comes again
        said.take(stage)
        manifest = stage.manifest()
    assert straight.panes
    assert said.all == straight.all
