"""The detect stage is a function of its log: restarts, repetitions, the order of partitions and replaced workers change nothing that it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.alerts.alert import Alert
from detectors.bundle import Bundle, Cohort, Summary
from detectors.detect import Detect
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import Layout
from detectors.piece import Piece
from detectors.profile import Profile
from detectors.settings.watching import Reference
from streams.state_codec import decode_state, encode_state
from tests.detectors.event_samples import AGE, OUTCOME, PLAN, specification

REFERENCE = Reference(
    profile=Profile(
        rows=4_000,
        features={"age": AGE.model_copy(update={"counts": (1_000, 2_000, 1_000)}), "plan": PLAN.model_copy(update={"counts": (3_000, 1_000)})},
        prediction=OUTCOME.model_copy(update={"counts": (2_000, 2_000)}),
        label=OUTCOME.model_copy(update={"counts": (2_000, 2_000)}),
    )
)
SPECIFICATION = specification(lateness=5_000, windows=(60_000, 600_000)).model_copy(update={"reference": REFERENCE})
MONITORS = Monitors([Monitor(specification=SPECIFICATION)])
LAYOUT = Layout(SPECIFICATION)
PANES, DRIFT, EVENTS = 42, 34, 200


def counts_of(predictions: int, bins: np.ndarray) -> np.ndarray:
    counts = np.zeros(LAYOUT.size)
    counts[LAYOUT.blocks["traffic"].start] = predictions
    age = LAYOUT.blocks["feature:age"]
    counts[age.start : age.start + 3] = bins
    return counts


def bundles_of(partition: int) -> list[Bundle]:
    """Two epochs a pane: half of its events, then all of them."""
    random = np.random.default_rng(partition)
    bundles = []
    for pane in range(PANES):
        law = (0.0, 0.0, 1.0) if pane >= DRIFT else (0.25, 0.5, 0.25)
        half, rest = random.multinomial(EVENTS, law), random.multinomial(EVENTS, law)
        for part, counts in enumerate((counts_of(EVENTS, half), counts_of(2 * EVENTS, half + rest))):
            summary = Summary(model="churn", revision=1, digest=SPECIFICATION.digest, version="1", segment="", start=pane * 10_000, counts=counts)
            epoch = len(bundles) + 1
            bundles.append(
                Bundle(partition=partition, partitions=2, generation=1, epoch=epoch, high=pane * 10_000 + 4_999 + 5_000 * part, covered=100 * epoch, summaries=(summary,))
            )
    end = len(bundles) + 1
    return [*bundles, Bundle(partition=partition, partitions=2, generation=1, epoch=end, high=(PANES + 1) * 10_000, covered=100 * end)]


ONE, OTHER = bundles_of(0), bundles_of(1)
LOG = [bundle for pair in zip(ONE, OTHER, strict=True) for bundle in pair]


@dataclass
class Said:
    """What the stage said that is for ever, and what it saved."""

    alerts: dict[tuple[str, int], Alert] = field(default_factory=dict)
    panes: dict[int, dict[str, Any]] = field(default_factory=dict)
    monitors: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    windows: dict[Any, dict[str, Any]] = field(default_factory=dict)
    saved: dict[Any, tuple[int, bytes]] = field(default_factory=dict)

    def take(self, stage: Detect, save: Iterator[bool] | None = None) -> None:
        """Flush; ``save`` says of each piece whether it arrived."""
        flushed = stage.flush()
        for alert in flushed.alerts:
            assert repr(self.alerts.setdefault((alert.alert_id, alert.sequence), alert)) == repr(alert)
        for point in flushed.points:
            if point.measurement == "traffic" and point.fields["final"]:
                assert self.panes.setdefault(point.time, point.fields) == point.fields
            if "window" in point.tags:
                key = point.measurement, point.time, tuple(sorted(point.tags.items()))
                assert repr(self.windows.setdefault(key, point.fields)) == repr(point.fields)
            if point.measurement == "monitor":
                fields = [f"{value:.9g}" if isinstance(value, float) else str(value) for value in point.fields.values()]
                assert self.monitors.setdefault((point.time, point.tags["monitor"]), fields) == fields
        for piece in flushed.pieces:
            if save is None or next(save, True):
                if piece.value is None:
                    self.saved.pop(piece.key, None)
                else:
                    self.saved[piece.key] = piece.covered, encode_state(piece.value)

    def pieces(self) -> list[Piece]:
        return [Piece(key, covered, decode_state(data, str(key))) for key, (covered, data) in self.saved.items()]

    @property
    def all(self) -> tuple[object, ...]:
        return {key: repr(alert) for key, alert in self.alerts.items()}, self.panes, self.monitors, {key: repr(fields) for key, fields in self.windows.items()}


def said_of(log: Iterable[Bundle]) -> Said:
    stage, said = Detect(MONITORS), Said()
    for offset, bundle in enumerate(log):
        stage.absorb(bundle, offset)
    said.take(stage)
    return said


STRAIGHT = said_of(LOG)


def test_the_log_of_these_tests_raises_an_alert_after_the_drift_and_counts_every_event():
    (alert, *_) = STRAIGHT.alerts.values()
    assert alert.opened_at > DRIFT * 10_000
    assert {start: fields["predictions"] for start, fields in STRAIGHT.panes.items()} == {pane * 10_000: 4 * EVENTS for pane in range(PANES)}


@settings(max_examples=12)
@given(st.sets(st.integers(0, len(LOG)), max_size=5), st.lists(st.booleans(), max_size=40), st.integers(0, 30))
def test_restarts_anywhere_even_in_the_middle_of_an_epoch_change_nothing_that_was_said(cuts: set[int], arrived: list[bool], behind: int):
    """At each cut the worker dies: of its last epoch the outputs and any part of the pieces were written, the manifest was not."""
    said, manifest = Said(), None
    first = 0
    for cut in [*sorted(cuts), len(LOG)]:
        stage = Detect(MONITORS)
        first = stage.restore(manifest, said.pieces())
        for offset in range(first, max(cut - behind, first)):
            stage.absorb(LOG[offset], offset)
        said.take(stage)
        manifest = stage.manifest()
        for offset in range(max(cut - behind, first), cut):
            stage.absorb(LOG[offset], offset)
        said.take(stage, iter(arrived))
    stage = Detect(MONITORS)
    first = stage.restore(manifest, said.pieces())
    for offset in range(first, len(LOG)):
        stage.absorb(LOG[offset], offset)
    said.take(stage)
    assert said.all == STRAIGHT.all


@settings(max_examples=8)
@given(st.lists(st.booleans(), min_size=len(LOG), max_size=len(LOG)))
def test_the_order_of_bundles_of_different_partitions_changes_nothing_that_was_said(choices: list[bool]):
    one, other = iter(ONE), iter(OTHER)
    log = [bundle for choice in choices if (bundle := next(one if choice else other, None)) is not None]
    assert said_of([*log, *one, *other]).all == STRAIGHT.all


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, len(LOG) - 1), st.integers(0, len(LOG) - 1)), max_size=20))
def test_bundles_that_come_again_change_nothing(again: list[tuple[int, int]]):
    log = []
    for place, bundle in enumerate(LOG):
        log += [bundle, *(LOG[min(earlier, place)] for at, earlier in again if at == place)]
    assert said_of(log).all == STRAIGHT.all


@settings(max_examples=12)
@given(st.integers(1, len(ONE) - 1), st.integers(0, 6), st.integers(0, 40))
def test_a_new_owner_that_begins_behind_takes_nothing_back(died: int, behind: int, ahead: int):
    """The other partition is ``ahead``, so panes close while the new owner still repeats what the one before had told."""
    since = max(died - behind, 0)
    successor = [replace(bundle, generation=2) for bundle in ONE[since:]]
    progress = min(died + ahead, len(OTHER))
    zombie = ONE[died : died + 3]  # the replaced worker speaks again, after its successor
    log = [*ONE[:died], *OTHER[:died], *successor[:1], *OTHER[died:progress], *zombie, *successor[1:], *OTHER[progress:]]
    assert said_of(log).all == STRAIGHT.all


def split(bundle: Bundle) -> list[Bundle]:
    """The bundle in two parts: its summaries, and nothing."""
    return [replace(bundle, part=0, parts=2), replace(bundle, part=1, parts=2, summaries=())]


def test_a_bundle_of_which_a_part_is_missing_does_not_count_until_its_next_owner_sends_it_again():
    incomplete = split(ONE[0])[:1]
    again = [part for bundle in ONE for part in split(replace(bundle, generation=2))]
    stage = Detect(MONITORS)
    stage.absorb(incomplete[0], 0)
    assert stage.covered == 0  # read again after a restart
    assert said_of([*incomplete, *again, *OTHER]).all == STRAIGHT.all


def test_a_part_from_a_replaced_worker_does_not_throw_away_those_of_its_successor():
    first, second = split(replace(ONE[5], generation=2))
    log = [*ONE[:5], first, split(ONE[5])[0], second, *(replace(bundle, generation=2) for bundle in ONE[6:]), *OTHER]
    assert said_of(log).all == STRAIGHT.all


def test_a_pane_stays_closed_after_a_restart_although_no_model_had_one_to_close():
    early, late = ONE[0], replace(ONE[2], epoch=99, covered=99_900, high=500_000)
    silent = [replace(bundle, summaries=(), high=400_000, covered=50) for bundle in (ONE[0], OTHER[0])]
    stage = Detect(MONITORS)
    for offset, bundle in enumerate([early, *(replace(one, epoch=2, covered=200) for one in silent)]):
        stage.absorb(bundle, offset)
    flushed = stage.flush()
    again = Detect(MONITORS)
    again.restore(stage.manifest(), [piece for piece in flushed.pieces if piece.value is not None])
    for one in (stage, again):
        one.absorb(late, 3)
    finals = [[point.time for point in one.flush().points if point.measurement == "traffic" and point.fields["final"]] for one in (stage, again)]
    assert finals == [[], []]


def test_what_a_new_owner_repeats_of_closed_panes_is_not_late():
    """It begins six epochs behind, is first heard of behind what is known, and then tells all that it has read again."""
    changed = ONE[20:40]
    behind = replace(ONE[19], generation=2)
    caught_up = replace(changed[-1], generation=2, summaries=tuple(bundle.summaries[0] for bundle in changed))
    log = [*ONE[:30], *OTHER[:60], behind, caught_up, *(replace(bundle, generation=2) for bundle in ONE[40:]), *OTHER[60:]]
    assert said_of(log).all == STRAIGHT.all


def test_a_pane_told_of_after_it_closed_is_late():
    late = replace(ONE[-1], epoch=999, covered=99_900, summaries=ONE[40].summaries)
    later = [replace(bundle, epoch=1_000, covered=99_999, high=1_000_000, summaries=()) for bundle in (late, replace(late, partition=1))]
    last = Summary(model="churn", revision=1, digest=SPECIFICATION.digest, version="1", segment="", start=500_000, counts=ONE[0].summaries[0].counts)
    said = said_of([*LOG, late, replace(late, epoch=1_000, covered=99_950, summaries=(last,)), *later])
    assert said.panes[500_000]["late_after_close"] == 1


def source_points(stage: Detect) -> list[tuple[dict[str, str], dict[str, Any], int]]:
    return [(point.tags, point.fields, point.time) for point in stage.flush().points if point.measurement == "source"]


def test_what_was_refused_and_what_nobody_monitors_is_told_when_it_grows_across_a_restart():
    heard = [replace(ONE[0], partitions=1, high=12_345, rejected=3, unmonitored={"fraud": 7}), replace(ONE[1], partitions=1, high=25_000, rejected=3, unmonitored={"fraud": 8})]
    stage = Detect(MONITORS)
    stage.absorb(heard[0], 0)
    assert source_points(stage) == [({"partition": "0"}, {"rejected": 3, "missed": 0}, 10_000), ({"partition": "0", "model": "fraud"}, {"unmonitored": 7}, 10_000)]
    successor = Detect(MONITORS)
    successor.restore(stage.manifest(), ())
    successor.absorb(heard[0], 1)
    successor.absorb(heard[1], 2)
    assert source_points(successor) == [({"partition": "0", "model": "fraud"}, {"unmonitored": 8}, 20_000)]


def incomplete(said: Said) -> list[int]:
    return sorted(start for start, fields in said.panes.items() if not fields["complete"])


def test_panes_whose_bundles_expired_are_final_but_not_complete_across_a_restart():
    stage, said = Detect(MONITORS), Said()
    for offset, bundle in enumerate(LOG[:20]):  # up to pane 4; 0 to 3 have closed
        stage.absorb(bundle, offset)
    stage.skip(32, missed=True)
    said.take(stage)
    successor = Detect(MONITORS)
    successor.restore(stage.manifest(), said.pieces())
    for offset, bundle in enumerate(LOG[32:], 32):  # from pane 8
        successor.absorb(bundle, offset)
    said.take(successor)
    assert incomplete(said) == [pane * 10_000 for pane in (4, 8)]
    assert sorted(said.panes) == [pane * 10_000 for pane in range(PANES) if not 4 < pane < 8]


def test_panes_whose_events_expired_in_one_source_partition_are_not_complete():
    gaps = ((50_000, 61_000),)
    said = said_of(replace(bundle, gaps=gaps) if bundle.partition == 1 and place > 12 else bundle for place, bundle in enumerate(LOG))
    assert incomplete(said) == [40_000, 50_000, 60_000]  # a lateness of 5 s reaches back into the first


def test_counts_by_another_specification_are_refused_and_told_once_and_other_models_go_on() -> None:
    other = SPECIFICATION.model_copy(update={"model": "fraud"})
    stage = Detect(Monitors([Monitor(specification=SPECIFICATION), Monitor(specification=other)]))
    (mine,) = ONE[0].summaries
    foreign = [replace(mine, digest="another", version=version, counts=counts) for version, counts in (("1", mine.counts * 100), ("2", np.ones(7)))]
    cohort = Cohort(model="churn", revision=1, digest="another", version="1", start=0, counts=np.ones(3))
    summaries = {0: (mine, replace(mine, model="fraud", digest=other.digest)), 1: (*foreign, replace(mine, model="fraud", digest=other.digest))}
    for partition in (0, 1):
        stage.absorb(Bundle(partition=partition, partitions=2, generation=1, epoch=1, high=5, covered=1, summaries=summaries[partition], cohorts=(cohort,)), partition)
    for partition in (0, 1):
        stage.absorb(Bundle(partition=partition, partitions=2, generation=1, epoch=2, high=50_000, covered=2), 2 + partition)
    flushed = stage.flush()
    counted = {(point.tags["model"], point.tags["version"]): point.fields["predictions"] for point in flushed.points if point.measurement == "traffic" and point.fields["final"]}
    assert counted == {("churn", "1"): 200, ("fraud", "1"): 400}
    (told,) = flushed.refused
    assert all(part in told for part in ("model 'churn', revision 1", "specification another", SPECIFICATION.digest, "restart the workers"))
    assert not stage.flush().refused
