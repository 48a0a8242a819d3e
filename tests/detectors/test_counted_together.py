"""Many models in one stage have the summaries that each has in a stage of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.coded_text import CodedText
from detectors.monitor import Monitor, Monitors
from detectors.profile import CategoricalProfile, NumericProfile, Profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Labels, Reference
from detectors.specification import MonitorSpecification
from detectors.summarise import Fetch, Summarise
from tests.detectors.event_samples import OUTCOME, PLAN, fetch, label, prediction

MODELS = 150  # more than are counted at once


def specification(number: int, task: str) -> MonitorSpecification:
    """Models that differ in edges and limits, and some of them in levels, panes or revisions of what they watch."""
    edges = (5.0 + number, 20.0 + number, 40.0 + number)
    age = NumericProfile(edges=edges, counts=(10, 20, 10, 5), scores=(-1.2, 0.0, 1.2, 2.0), mean=30.0, deviation=10.0, minimum=0.0, maximum=90.0)
    plan = PLAN if number % 3 else CategoricalProfile(levels=("free", "paid", "gold"), counts=(30, 10, 1))
    outcome = OUTCOME if task == "classification" else age
    return MonitorSpecification(
        model=f"m{number}", task=task, pane=10_000 if number % 5 else 20_000, lateness=20_000, labels=Labels(timeout=160_000, corrections=number % 2 == 0), max_groups=3,
        features={"age": Feature(minimum=None if number % 4 else number), "plan": Feature(type="categorical")},
        reference=Reference(profile=Profile(rows=40, features={"age": age, "plan": plan}, prediction=outcome, label=outcome)),
    )  # fmt: skip


def fetches(number: int, task: str) -> list[Fetch]:
    rng = np.random.default_rng(number)
    sent = []
    for event in range(int(rng.integers(0, 12))):
        at, of = int(rng.integers(0, 60_000)), int(rng.integers(0, 5))
        if rng.random() < 0.3:
            sent.append(label(of, at, rng.choice(["no", "yes"])))
        else:
            known = None if rng.random() < 0.5 else "no"
            age, plan = float(rng.choice([np.nan, rng.integers(0, 200)])), rng.choice([None, "free", "gold"])
            sent.append(prediction(of if rng.random() < 0.2 else 10 + event, at, outcome=rng.choice(["no", "yes"]), label=known, age=age, plan=plan, version=str(of)))
    cut = len(sent) // 2
    return [replace(one, batches=tuple(_batch(batch, number, task) for batch in one.batches)) for one in (fetch(sent[:cut]), fetch(sent, first=cut))]


def _batch(batch, number: int, task: str):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng([number, len(batch)])
    score = np.where(rng.random(len(batch)) < 0.5, rng.random(len(batch)), np.nan)
    batch = replace(batch, model=f"m{number}", failed=(rng.random(len(batch)) < 0.2) & (batch.kind == 0), latency=score * 900, score=score)
    if task == "regression":
        batch = replace(batch, prediction=_number(batch.prediction), label=_number(batch.label))
    return batch


def _number(column: CodedText) -> np.ndarray:
    return np.where(column.present, column.cells({"no": 10, "yes": 90}, 0, 0), np.nan)


def told(stage: Summarise, parts: list[Fetch]) -> dict[object, list[float]]:
    found = {}
    for part in parts:
        stage.absorb(part)
        flushed = stage.flush()
        found |= {("pane", one.model, one.version, one.start): one.counts.tolist() for one in flushed.summaries}
        found |= {("cohort", one.model, one.version, one.start): one.counts.tolist() for one in flushed.cohorts}
    return found


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_models_that_are_counted_together_are_summarised_as_each_alone(task: str) -> None:
    monitors = [Monitor(specification=specification(number, task)) for number in range(MODELS)]
    streams = [fetches(number, task) for number in range(MODELS)]
    end, high = max(part.end for parts in streams for part in parts), max(part.high for parts in streams for part in parts)
    together = [Fetch(end=end, high=high, batches=tuple(batch for parts in streams for batch in parts[place].batches)) for place in range(2)]
    expected: dict[object, list[float]] = {}
    for monitor, parts in zip(monitors, streams, strict=True):
        alone = [Fetch(end=end, high=high, batches=part.batches) for part in parts]
        expected |= told(Summarise(0, Monitors([monitor])), alone)
    found = told(Summarise(0, Monitors(monitors)), together)
    assert found.keys() == expected.keys()
    assert len(found) > MODELS
    for key, counts in expected.items():
        np.testing.assert_allclose(found[key], counts, rtol=1e-12, err_msg=str(key))
