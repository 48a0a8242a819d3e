"""Slices in which a model became worse, found on a stream: in alerts, and window by window."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest

from detectors.alerts.explanation import explain
from detectors.alerts.slice_contrasts import risen, worst
from detectors.alerts.slices import FALSE_SLICES
from detectors.coded_text import CodedText
from detectors.columns.binning import encode
from detectors.columns.slice_cells import SliceCells, parts_of
from detectors.detection.slice_history import SliceHistory
from detectors.event_batch import Bool, Float64, Int64
from detectors.panes.layout import Layout
from detectors.panes.slice_losses import add_losses
from detectors.profile import CategoricalProfile
from detectors.rows.row_groups import RowGroups
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.file_settings import changed
from streams.infer import infer
from streams.replay import Replayed, replay
from streams.tables import Table
from streams.wire import decode_alert, encode_alert

CITIES = np.array(["Oslo", "Rome", "Ulm", "Bern"], object)
NAMES = ColumnNames(prediction="said", label="truth")
SIX = {f"c{place}": CategoricalProfile(levels=tuple("abcd"), counts=(4, 3, 2, 1)) for place in range(6)}


def rows(n: int, random: np.random.Generator, *, worse: bool = False) -> Table:
    """A model that is wrong in one row of ten; where worse, in half of those of Ulm whose age is above 1."""
    city, age, other = random.choice(4, size=n, p=[0.4, 0.3, 0.2, 0.1]), random.normal(size=n), random.normal(size=n)
    wrong = random.random(n) < np.where(worse & (city == 2), 0.5, 0.1)
    truth = random.random(n) < 0.5
    text = np.array(["no", "yes"], object)
    return Table(source="t", columns={"city": CITIES[city], "age": age, "other": other, "said": text[(truth ^ wrong).astype(int)], "truth": text[truth.astype(int)]})


@cache
def specification(*columns: str, **settings: object) -> MonitorSpecification:
    base = changed(MonitorSpecification(model="m", windows=(500_000,)), lateness=0, false_alarms="1 per 100000 events", events_per_pane=10)
    found = infer(rows(5_000, np.random.default_rng(1)), model="m", label="truth", prediction="said", base=base)
    return MonitorSpecification.model_validate(dict(found) | {"slices": {"columns": columns or ("city", "age", "other"), **settings}, "estimate_performance": False})


def replayed() -> Replayed:
    random = np.random.default_rng(2)
    return replay([rows(1_500, random), rows(1_000, random, worse=True)], specification(), NAMES)


def test_an_alert_of_performance_names_the_slice_whose_errors_rose_and_its_figures_are_computed_again() -> None:
    found = replayed()
    (alert,) = [alert for alert in found.opened if alert.kind == "performance"]
    (told, *_) = alert.slices
    assert told.where == ("city = Ulm",)
    low, high = told.interval
    assert low < 0.5 < high
    assert told.before[1] / told.before[0] == pytest.approx(0.1, abs=0.04)
    assert told.chance <= told.bar < FALSE_SLICES
    assert alert.happened[0].startswith("slice city = Ulm: errors ")
    assert not [cause for cause in alert.causes if cause.startswith("slice")], "a slice whose evidence is gone is not told"
    again = decode_alert(encode_alert(alert))
    assert again.slices == alert.slices
    explained = explain([again])
    assert not explained.wrong
    assert any(sentence.startswith("slice city = Ulm") for sentence in explained.happened)
    touched = msgspec.structs.replace(again, slices=(msgspec.structs.replace(told, now=(told.now[0] + 10, *told.now[1:])),))
    assert {"mean", "chance"} <= {figure.name for figure in explain([touched]).wrong}


def test_windows_tell_the_worst_slices_and_none_where_all_are_alike() -> None:
    points = [point for point in replayed().points if point.measurement == "slice"]
    assert not [point for point in points if point.time <= 1_500_000]
    last = [point for point in points if point.time == max(one.time for one in points)]
    assert [(point.tags["slice"], point.fields["rank"]) for point in last][:1] == [("city = Ulm", 1)]
    fields = last[0].fields
    assert fields["error_rate_low"] < 0.5 < fields["error_rate_high"]
    assert fields["elsewhere"] == pytest.approx(0.1, abs=0.05)


def block(cells: SliceCells, parts: Int64, wrong: Bool) -> Float64:
    sums = np.zeros((1, 2 * cells.size))
    places = cells.cells(np.empty((len(wrong), 0)), (), {name: _coded(parts[:, place]) for place, name in enumerate(SIX)})
    add_losses(sums, RowGroups([(0, "", "")], None, len(wrong)), places, wrong.astype(float), squares=False)
    return sums[0]


def _coded(parts: Int64) -> CodedText:
    return CodedText(tuple("abcd"), parts.astype(np.int32))


def test_slices_are_named_falsely_no_more_often_than_is_said_and_a_pair_only_where_it_adds_something() -> None:
    random, cells = np.random.default_rng(3), SliceCells(SIX, 3)
    false, level, pair = [], [], []
    for _ in range(120):
        before, now = (random.choice(4, size=(n, 6), p=[0.4, 0.3, 0.2, 0.1]) for n in (3_000, 600))
        known = block(cells, before, random.random(3_000) < 0.05)
        false.append(bool(risen(cells, block(cells, now, random.random(600) < 0.2), known, binary=True)))
        level.append(bool(worst(cells, block(cells, now, random.random(600) < 0.2), binary=True)))
        both = (now[:, 0] == 1) & (now[:, 1] == 1)
        pair.append([one.where for one in risen(cells, block(cells, now, random.random(600) < np.where(both, 0.8, 0.05)), known, binary=True)])
    assert np.mean(false) <= FALSE_SLICES
    assert np.mean(level) <= FALSE_SLICES
    assert np.mean([("c0 = b", "c1 = b") in found for found in pair]) > 0.9


def test_a_history_parts_all_panes_at_any_bucket_and_is_bounded() -> None:
    history = SliceHistory()
    for number in range(1_000):
        history.add(number * 10, np.array([1.0, number]))
        if number == 500:
            state, history = history.state(), SliceHistory()
            history.restore(state)
    sizes, starts, sums = history.state()
    assert starts == [10 * sum(sizes[:place]) for place in range(len(sizes))]
    assert sums[:, 0].tolist() == sizes
    assert len(sizes) < 40
    for start in starts:
        now, before = history.parted(start)
        assert (before[0], now[0] + before[0], now[1] + before[1]) == (start / 10, 1_000, 499_500)


def test_parts_of_a_column_hold_a_fifth_of_the_reference_each() -> None:
    random = np.random.default_rng(4)
    age = random.normal(size=5_000)
    profile = specification().reference.profile.features["age"]
    texts, part = parts_of("age", profile)
    shares = np.bincount(part[encode(age, profile)], minlength=len(texts)) / 5_000
    assert shares[:5] == pytest.approx([0.2] * 5, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "story"),
    [({"columns": ("nobody",)}, "got 'nobody'"), ({"columns": ("city", "city")}, "each column once")],
)
def test_slices_that_cannot_be_counted_are_refused(settings: dict[str, object], story: str) -> None:
    with pytest.raises(ValueError, match=story):
        MonitorSpecification.model_validate(dict(specification()) | {"slices": settings})
    with pytest.raises(ValueError, match="sampling: weighted does not go with slices"):
        MonitorSpecification.model_validate(dict(specification()) | {"sampling": "weighted"})


def test_without_slices_a_specification_keeps_the_digest_of_before_and_its_summaries_have_no_place_for_them() -> None:
    known = MonitorSpecification.model_validate({"model": "m", "segments": ["city"]})
    assert known.digest == "f37ad20be85a1b10", "of the release before there were slices"
    plain = MonitorSpecification.model_validate(dict(specification()) | {"slices": {}})
    assert plain.digest != specification().digest
    assert "slices" not in Layout(plain).blocks
    assert "slices" in Layout(specification()).blocks
    assert "slices" not in plain.model_dump_json(exclude_defaults=True)
