"""Small event batches for tests, made by hand or drawn by hypothesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import LABEL, PREDICTION, EventBatch
from detectors.monitor import Monitor, Monitors
from detectors.profile import CategoricalProfile, NumericProfile, Profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Labels, Reference
from detectors.specification import MonitorSpecification
from detectors.summarise import Fetch

AGE = NumericProfile(edges=(20.0, 40.0), counts=(10, 20, 10), scores=(-1.2, 0.0, 1.2), mean=30.0, deviation=10.0, minimum=0.0, maximum=90.0)
PLAN = CategoricalProfile(levels=("free", "paid"), counts=(30, 10))
OUTCOME = CategoricalProfile(levels=("no", "yes"), counts=(20, 20))


def specification(*, pane: int = 10_000, lateness: int = 20_000, timeout: int = 160_000, corrections: bool = False, **more: object) -> MonitorSpecification:
    """A two-feature classifier."""
    profile = Profile(rows=40, features={"age": AGE, "plan": PLAN}, prediction=OUTCOME, label=OUTCOME)
    return MonitorSpecification(
        model="churn",
        pane=pane,
        lateness=lateness,
        labels=Labels(timeout=timeout, corrections=corrections),
        features={"age": Feature(minimum=0, maximum=100), "plan": Feature(type="categorical")},
        reference=Reference(profile=profile),
        **more,  # type: ignore[arg-type]
    )


def monitors(**more: object) -> Monitors:
    """The classifier, applied."""
    return Monitors([Monitor(specification=specification(**more))])  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sent:
    """One event as a producer would send it; its offset is its place in the list."""

    event: int
    at: int
    record: int
    label: str | None = None
    prediction: str | None = None
    age: float = 30.0
    plan: str | None = "free"
    version: str = "1"


def prediction(event: int, at: int, *, record: int | None = None, outcome: str = "no", **more: object) -> Sent:
    """A prediction; its record's time is its own unless said otherwise."""
    return Sent(event, at, at if record is None else record, prediction=outcome, **more)  # type: ignore[arg-type]


def label(event: int, at: int, outcome: str, *, record: int | None = None) -> Sent:
    """A label."""
    return Sent(event, at, at if record is None else record, label=outcome)


def fetch(sent: list[Sent], *, first: int = 0, high: int | None = None) -> Fetch:
    """The events as one fetch that begins at offset ``first`` of the list."""
    rows = sent[first:]

    highest = np.maximum.accumulate([one.record for one in sent])[first:] if rows else np.empty(0, np.int64)
    batch = EventBatch(
        model="churn",
        kind=np.array([PREDICTION if one.prediction is not None else LABEL for one in rows], np.uint8),
        event_id=np.array([one.event for one in rows], np.uint64),
        timestamp=np.array([one.at for one in rows], np.int64),
        high=np.asarray(highest, np.int64),
        offset=np.arange(first, len(sent), dtype=np.int64),
        index=np.zeros(len(rows), np.int64),
        version=CodedText.of([one.version if one.prediction is not None else "" for one in rows]),
        segment=CodedText.constant("", len(rows)),
        prediction=CodedText.of([one.prediction for one in rows]),
        label=CodedText.of([one.label for one in rows]),
        score=np.full(len(rows), np.nan),
        latency=np.full(len(rows), np.nan),
        failed=np.zeros(len(rows), bool),
        numeric=np.array([[one.age] for one in rows], float).reshape(-1, 1),
        numeric_names=("age",),
        categorical={"plan": CodedText.of([one.plan for one in rows])},
    )
    return Fetch(end=len(sent), high=int(highest[-1]) if rows else (high or 0), batches=(batch,) if rows else ())
