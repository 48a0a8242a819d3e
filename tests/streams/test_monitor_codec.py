"""Applied monitors come back as they were, and do not hold a profile for each model."""

from __future__ import annotations

import json

import pytest

from detectors.monitor import Monitor
from detectors.profile import NumericProfile, Profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from streams.monitor_codec import decode_monitor, encode_monitor

AGES = NumericProfile(edges=(0.5,), counts=(60, 40), scores=(-0.8, 1.2), mean=0.4, deviation=0.5, minimum=0.0, maximum=1.0)


def monitor(model: str, *, counted: int = 60) -> Monitor:
    """With a reference of its own object."""
    profile = Profile(rows=100, features={"age": AGES.model_copy(update={"counts": (counted, 40)})})
    return Monitor(
        specification=MonitorSpecification(model=model, features={"age": Feature()}, reference=Reference(source="a.csv", profile=profile)), revision=3, effective_from=10_000
    )


@pytest.mark.parametrize("given", [monitor("churn"), Monitor(specification=MonitorSpecification(model="fraud"))])
def test_a_monitor_comes_back_as_it_was(given: Monitor) -> None:
    found = decode_monitor(encode_monitor(given))
    assert found == given
    assert found.digest == given.digest


def test_models_with_one_reference_share_its_profile_and_others_do_not() -> None:
    first, second, other = (decode_monitor(encode_monitor(one)).specification.reference.profile for one in (monitor("a"), monitor("b"), monitor("c", counted=61)))
    assert first is second
    assert other is not None
    assert other != first


def test_a_monitor_that_was_applied_before_there_was_a_rule_against_its_settings_is_read_as_it_was() -> None:
    settings: dict[str, object] = {
        "retrain": {"trainer": "sckit-learn", "policy": "never", "votes": {"drift": 1}, "gate": {"block": 600, "max_wait": 550}},
        "labels": {"delay": "9d"},
        "alerts": {"severity": {"watchdog": "critical"}, "floors": {"rate": 2.0}},
        "features": {"city": {"type": "categorical", "minimum": 1.0}},
        "detectors": {"cycles": ["1d", "1d"]},
        "windows": ["10m", "10m"],
        "segments": ["region", "region"],
    }
    stored = json.loads(encode_monitor(monitor("churn")))
    for name, content in settings.items():
        with pytest.raises(ValueError, match=name):
            MonitorSpecification.model_validate({"model": "churn", name: content})
        stored["specification"][name] = content
    found = decode_monitor(json.dumps(stored).encode()).specification
    assert (found.retrain.trainer, found.retrain.gate.max_wait, found.labels.delay, found.alerts.severity) == ("sckit-learn", 550, 777_600_000, {"watchdog": "critical"})
    assert (found.alerts.floors.rate, found.features["city"].minimum, found.windows, found.segments) == (2.0, 1.0, (600_000, 600_000), ("region", "region"))
