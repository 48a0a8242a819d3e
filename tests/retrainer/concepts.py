"""A stream whose concept can change: two numbers and a city decide a class, with a tenth of the labels wrong."""

from __future__ import annotations

import numpy as np

from detectors.alerts.alert import Alert
from detectors.event_batch import Column, Text
from detectors.rows.examples import Examples
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from retrainer.trainers import Model

FEATURES = {"x": Feature(), "y": Feature(), "city": Feature(type="categorical")}
SECOND = 1_000


def table(n: int, concept: str, seed: int) -> tuple[dict[str, Column], Text]:
    """Features and labels of ``n`` events, concept "old" or "new"."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n))
    city = rng.choice(np.array(["Rome", "Ulm", "Bonn"], object), n)
    truth = (x + y > 0) ^ (city == "Ulm") if concept == "old" else (x - y > 0) ^ (city == "Rome")
    truth ^= rng.random(n) < 0.05
    return {"x": x, "y": y, "city": city}, np.where(truth, "yes", "no").astype(object)


def stream(parts: list[tuple[int, str]], model: Model, *, version: str = "1", seed: int = 0, delay: int = 30 * SECOND, name: str = "loans") -> Examples:
    """Labelled events, one a second from second 1, over four source partitions; the model predicts all of them."""
    tables = [table(n, concept, seed + place) for place, (n, concept) in enumerate(parts)]
    features = {column: np.concatenate([one[column] for one, _ in tables]) for column in FEATURES}
    label = np.concatenate([one for _, one in tables])
    n = len(label)
    at = np.arange(1, n + 1, dtype=np.int64) * SECOND
    return Examples(
        model=name,
        partition=np.arange(n) % 4,
        offset=np.arange(n) // 4,
        index=np.zeros(n, np.int64),
        event_id=np.arange(n, dtype=np.uint64) + np.uint64(1_000_000),
        predicted_at=at,
        labelled_at=at + delay,
        version=np.full(n, version, object),
        segment=np.full(n, "", object),
        prediction=model.predict(features),
        label=label,
        score=model.score(features),
        features=features,
    )


def alert(alert_id: str, change_at: int, *, kind: str = "performance", status: str = "opened", sequence: int = 0) -> Alert:
    return Alert(
        alert_id=alert_id,
        sequence=sequence,
        status=status,  # type: ignore[arg-type]
        kind=kind,  # type: ignore[arg-type]
        severity="critical",
        model="loans",
        model_version="1",
        segment="",
        opened_at=change_at,
        updated_at=change_at,
        change_at=change_at,
        summary="the error rate rose",
        monitors=(),
        budget="1 per 30d",
    )


def specification(**retrain: object) -> MonitorSpecification:
    """Settings of ``retrain``; one cause at a time, and without a least time of validation, as an event a second is too fast a world for it."""
    gate = {"gate": {"min_validation_time": "0s"}, "follow_up": False} | retrain
    return MonitorSpecification.model_validate({"model": "loans", "features": FEATURES, "retrain": gate})
