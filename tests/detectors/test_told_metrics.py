"""Points of classes, segments and objectives as the detect stage tells them, with a restart in between."""

from __future__ import annotations

import numpy as np

from detectors.bundle import Bundle, Summary
from detectors.detect import Detect
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import TRAFFIC, Layout
from detectors.point import Point
from detectors.profile import CategoricalProfile, Profile
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from streams.state_codec import decode_state, encode_state

CLASSES = CategoricalProfile(levels=("no", "yes"), counts=(5, 5))
SPECIFICATION = MonitorSpecification.model_validate(
    {
        "model": "loans",
        "pane": "10s",
        "lateness": "0s",
        "windows": ["1m"],
        "segments": ["country"],
        "objectives": {"right": {"metric": "accuracy", "target": 0.9, "period": "1h"}},
        "reference": Reference(profile=Profile(rows=10, features={}, prediction=CLASSES, label=CLASSES)),
    }
)
LAYOUT = Layout(SPECIFICATION)


def bundle(number: int) -> Bundle:
    """A pane of two countries, in one of which the model is worse."""
    random = np.random.default_rng(number)
    summaries = []
    for country, right in (("de", 0.95), ("fr", 0.7)):
        counts = np.zeros(LAYOUT.size)
        hits = random.binomial(50, right)
        counts[LAYOUT.blocks["performance"]] = [0, 0, 0, 50 - hits, hits, 0, 0, 0, 0]
        counts[LAYOUT.blocks["traffic"]] = [{"predictions": 50, "labels": 50}.get(name, 0) for name in TRAFFIC]
        names = {"model": "loans", "revision": 1, "digest": SPECIFICATION.digest, "version": "1", "segment": f"country={country}"}
        summaries.append(Summary(**names, start=10_000 * number, counts=counts))
    return Bundle(partition=0, partitions=1, generation=1, epoch=number + 1, high=10_000 * (number + 1), covered=number + 1, summaries=tuple(summaries))


def told(*, restarted_at: int | None) -> list[Point]:
    monitors = Monitors([Monitor(specification=SPECIFICATION)])
    stage, points, kept = Detect(monitors), [], {}
    for number in range(30):
        if number == restarted_at:
            manifest, stage = decode_state(encode_state(stage.manifest()), "manifest"), Detect(monitors)
            stage.restore(manifest, [piece for piece in kept.values() if piece.value is not None])
        stage.absorb(bundle(number), number)
        flushed = stage.flush()
        points += flushed.points
        for piece in flushed.pieces:
            kept[piece.key] = piece if piece.value is None else type(piece)(piece.key, piece.covered, decode_state(encode_state(piece.value), "piece"))
    return points


def test_classes_segments_gaps_and_objectives_are_told_and_a_restart_changes_none_of_them() -> None:
    points = told(restarted_at=None)
    last = {(point.measurement, *point.tags.values()): point for point in points}
    assert {key[0] for key in last} == {"traffic", "monitor", "performance", "service", "drift", "class", "segment", "fairness", "objective"}
    (gap,) = [point for key, point in last.items() if key[0] == "fairness"]
    assert gap.tags == {"model": "loans", "window": "1m", "segment": "country"}
    assert 0 < float(gap.fields["accuracy_gap_low"]) < 0.25 < float(gap.fields["accuracy_gap_high"])
    assert (gap.fields["accuracy_least"], gap.fields["accuracy_most"]) == ("fr", "de")
    assert last["class", "loans", "1m", "yes"].fields["recall"] == last["performance", "loans", "1m"].fields["accuracy"]
    objective = last["objective", "loans", "right"].fields
    assert objective["good_n"] == 30 * 100
    assert float(objective["budget_left_high"]) < 0
    assert objective["burning"] == "slow"
    for place in (1, 7, 19):
        assert repr(told(restarted_at=place)) == repr(points)
