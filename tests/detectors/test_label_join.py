"""Predictions, labels and features of one event meet, whichever comes first and whatever they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.event_batch import FEATURES
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import Layout
from detectors.settings.feature import Feature
from detectors.settings.watching import Labels
from detectors.summarise import Summarise
from tests.detectors.event_samples import fetch, label, prediction, specification


@pytest.mark.parametrize("name", ["age", "id", "timestamp", "position", "label", "feature:age"])
def test_a_feature_of_any_name_comes_from_its_own_event(name: str):
    changed = specification().model_copy(update={"features": {name: Feature()}})
    stage = Summarise(0, Monitors([Monitor(specification=changed)]))
    whole = fetch([prediction(1, 1_000), prediction(1, 1_100), label(1, 1_200, "no")])
    (batch,) = whole.batches
    kinds = batch.kind.copy()
    kinds[0] = FEATURES
    stage.absorb(replace(whole, batches=(replace(batch, kind=kinds, numeric=np.array([[33.0], [np.nan], [np.nan]]), numeric_names=(name,), categorical={}),)))
    (rows,) = stage.flush().examples
    assert rows.examples().features[name].tolist() == [33.0]


def test_predictions_that_are_given_up_for_want_of_room_are_counted():
    changed = specification().model_copy(update={"labels": Labels(timeout=160_000, max_waiting=3)})
    stage = Summarise(0, Monitors([Monitor(specification=changed)]))
    stage.absorb(fetch([*(prediction(event, 1_000 + event) for event in range(5)), *(label(event, 2_000, "no") for event in range(3))]))
    layout, total = Layout(changed), sum(summary.counts for summary in stage.flush().summaries)
    assert {name: layout.traffic(total, name) for name in ("predictions", "labels", "given_up")} == {"predictions": 5, "labels": 1, "given_up": 2}
