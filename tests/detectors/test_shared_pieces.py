"""Models share pieces of what waits for its end, and each gets its own back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from detectors.bundle import Bundle, Cohort, Summary
from detectors.detect import Detect, DetectFlushed
from detectors.detection.shared_pieces import BUCKETS, name_of
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import Layout
from detectors.piece import Piece, PieceKey
from streams.state_codec import decode_state, encode_state
from tests.detectors.event_samples import specification

PANE, HOUR = 10_000, 3_600_000
MODELS = [f"model-{number}" for number in range(2 * BUCKETS)]
SPECIFICATION = specification(lateness=5_000)
PATIENT = SPECIFICATION.model_copy(update={"lateness": 60_000})
SIZE, COHORT_SIZE = Layout(SPECIFICATION).size, 1 + len(range(*Layout(SPECIFICATION).blocks["performance"].indices(10_000)))


def monitor(model: str) -> Monitor:
    """Every tenth one waits for a minute."""
    base = PATIENT if int(model.partition("-")[2]) % 10 == 0 else SPECIFICATION
    return Monitor(specification=base.model_copy(update={"model": model}))


KNOWN = {model: monitor(model) for model in MODELS}


class Told:
    """A stage that is told epoch by epoch, and what it saved."""

    def __init__(self, models: Iterable[str] = MODELS) -> None:
        self.stage = Detect(Monitors([KNOWN[model] for model in models]))
        self.saved: dict[PieceKey, bytes] = {}
        self.predictions: dict[tuple[str, int], int] = {}
        self._epoch = 0

    def epoch(self, high: int, panes: Iterable[tuple[str, int, int]] = (), cohorts: Iterable[tuple[str, int, int]] = ()) -> DetectFlushed:
        """Model, start and predictions of each pane and cohort."""
        self._epoch += 1
        summaries = tuple(Summary(**named(model), version="1", segment="", start=start, counts=counted(SIZE, count)) for model, start, count in panes)
        some = tuple(Cohort(**named(model), version="1", start=start, counts=counted(COHORT_SIZE, count)) for model, start, count in cohorts)
        bundle = Bundle(partition=0, partitions=1, generation=1, epoch=self._epoch, high=high, covered=self._epoch, summaries=summaries, cohorts=some)
        self.stage.absorb(bundle, self._epoch)
        flushed = self.stage.flush()
        for point in flushed.points:
            if point.measurement == "traffic" and point.fields["final"]:
                self.predictions[point.tags["model"], point.time] = int(point.fields["predictions"])
        for piece in flushed.pieces:
            self.saved.pop(piece.key, None)
            if piece.value is not None:
                self.saved[piece.key] = encode_state(piece.value)
        return flushed

    def shared(self, kind: str) -> list[PieceKey]:
        return [key for key in self.saved if key[0] == kind]

    def members(self, key: PieceKey) -> list[str]:
        return [model for model, *_ in decode_state(self.saved[key], "piece")]

    def goes_on(self, models: Iterable[str] = MODELS) -> Told:
        """Another worker's stage, from what was saved."""
        other = Told(models)
        other._epoch, other.saved = self._epoch, dict(self.saved)
        other.stage.restore(self.stage.manifest(), [Piece(key, self._epoch, decode_state(data, str(key))) for key, data in self.saved.items()])
        return other


def named(model: str) -> dict[str, object]:
    return {"model": model, "revision": 1, "digest": KNOWN[model].digest}


def counted(size: int, count: int) -> np.ndarray:
    counts = np.zeros(size)
    counts[0] = count
    return counts


def test_many_models_take_few_records_and_each_gets_its_own_panes_back_though_its_worker_dies_after_every_epoch():
    told = Told()
    for epoch in range(4):
        told.epoch(PANE + epoch, [(model, 0, (epoch + 1) * place) for place, model in enumerate(MODELS, start=1) if epoch < 3 or place % 7 == 0])
        told = told.goes_on()
    assert len(told.shared("pane")) < 3 / 4 * len(MODELS)
    assert {key[2] for key in told.shared("pane")} == {5_000, 60_000}  # which close at other times
    told.epoch(2 * PANE + 70_000)
    assert told.predictions == {(model, 0): (4 if place % 7 == 0 else 3) * place for place, model in enumerate(MODELS, start=1)}
    told.epoch(2 * PANE + 70_001)  # what is deleted is so in the epoch after
    assert not told.shared("pane")


def test_a_late_event_of_one_model_saves_its_neighbours_panes_though_they_are_packed_by_then():
    told = Told()
    told.epoch(PANE, [(model, 0, 5) for model in MODELS])
    for epoch in range(3):
        told.epoch(PANE + epoch + 1)
    changed, *neighbours = max((told.members(key) for key in told.shared("pane")), key=len)
    (piece,) = [piece for piece in told.epoch(PANE + 5, [(changed, 0, 6)]).pieces if name_of(piece.key) == ("pane", 0)]
    assert [model for model, *_ in piece.value] == [changed, *neighbours]
    assert neighbours
    successor = told.goes_on()
    successor.epoch(2 * PANE + 70_000)
    assert successor.predictions == {(model, 0): 6 if model == changed else 5 for model in MODELS}


def test_what_nobody_monitors_any_more_is_left_out_and_its_pieces_go_with_the_last_model():
    told = Told()
    told.epoch(PANE, [(model, 0, 5) for model in MODELS], [(model, 0, 3) for model in MODELS])
    few = MODELS[:2]
    successor = told.goes_on(few)
    successor.epoch(PANE + 1)
    assert (len(successor.shared("pane")), len(successor.shared("cohort"))) == (2, 2)
    successor.epoch(2 * PANE + 70_000)
    assert successor.predictions == {(model, 0): 5 for model in few}
    successor.epoch(2 * PANE + 70_001)
    assert (len(successor.shared("pane")), len(successor.shared("cohort"))) == (0, 2)


def test_a_cohort_that_is_too_old_already_is_not_told_though_no_pane_was_passed_since():
    told = Told(MODELS[:1])
    end = 1_000 * HOUR + PATIENT.labels.timeout
    told.epoch(end)
    told.epoch(end + 1, cohorts=[(MODELS[0], 0, 3), (MODELS[0], 999 * HOUR, 4)])
    assert [key[-2] for key in told.shared("cohort")] == [999 * HOUR]
