"""Applied monitors come back as they were, and do not hold a profile for each model."""

from __future__ import annotations

import json
import math

import pytest

from detectors.acknowledgement import Acknowledgement
from detectors.monitor import Monitor, Monitors
from detectors.profile import NumericProfile, Profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from streams.monitor_codec import acknowledgement_key, decode_monitor, encode_monitor, monitor_key, take_record

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


@pytest.mark.parametrize(
    ("settings", "story"),
    [
        ({"retrain": {"votes_needed": 200}}, "got 200, where the heaviest counts 1 and the newest 100 are counted"),
        ({"retrain": {"gate": {"min_gain": 5}}}, "min_gain must be at most 1, got 5"),
        ({"retrain": {"gate": {"max_loss": 5}}}, "max_loss is an error rate, at most 1, got 5"),
        ({"retrain": {"canary": {"share": 0.1, "max_time": "30m"}}}, "got 30m and 1h; each canary would be rolled back"),
        ({"detectors": {"cycles": ["1d", "10s"]}}, r"longer than a pane \(10s\), got 10s"),
    ],
)
def test_settings_that_could_not_be_meant_are_refused_from_now_on_and_read_where_they_were_kept(settings: dict[str, object], story: str) -> None:
    with pytest.raises(ValueError, match=story):
        MonitorSpecification.model_validate({"model": "churn", **settings})
    stored = json.loads(encode_monitor(monitor("churn")))
    stored["specification"] |= settings
    assert decode_monitor(json.dumps(stored).encode()).specification.model == "churn"


@pytest.mark.parametrize(
    "settings",
    [
        {"alerts": {"floors": {"shift": math.inf}}},
        {"retrain": {"votes": {"drift": math.inf}}},
        {"retrain": {"gate": {"max_loss": math.inf}}},
        {"detectors": {"shares": {"quality": math.inf}}},
        {"features": {"age": {"minimum": math.nan}}},
        {"events_per_pane": math.inf},
    ],
)
def test_a_number_that_cannot_be_written_to_the_topic_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="finite number"):
        MonitorSpecification.model_validate({"model": "churn", **settings})


def of_a_later_release(revision: int = 2) -> bytes:
    """A definition with a key that this release does not know."""
    stored = json.loads(encode_monitor(Monitor(specification=MonitorSpecification(model="churn"), revision=revision)))
    stored["specification"]["foresight"] = True
    return json.dumps(stored).encode()


UNREADABLE = {
    "a later release's": (of_a_later_release(), "foresight: Extra inputs are not permitted"),
    "no JSON": (b"model: churn", "JSON is malformed"),
    "nothing": (b"", "Input data was truncated"),
    "not UTF-8": (b'{"revision": 2, "effective_from": 0, "specification": {"model": "\xff"}}', "utf-8"),
    "another thing": (b'{"what": "is this"}', "missing required field `revision`"),
    "nested beyond reason": (b'{"revision": 2, "effective_from": 0, "specification": {"model": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}", "recursion"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_definition_that_cannot_be_read_is_left_out_with_its_reason_and_the_one_before_it_stays(what: str) -> None:
    value, reason = UNREADABLE[what]
    monitors = Monitors()
    assert take_record(monitors, monitor_key("churn", 1), encode_monitor(monitor("churn"))) == ""
    told = take_record(monitors, monitor_key("churn", 2), value)
    assert told.startswith("revision 2 of 'churn' cannot be read by this release")
    assert reason in told
    assert "revision 3 stays in force" in told, "the number that the monitor of these tests has"
    assert [one.revision for one in monitors.of("churn")] == [3]
    assert reason in monitors.unreadable("churn")[2]


def test_of_a_model_whose_only_definition_cannot_be_read_it_is_said_that_nobody_judges_it() -> None:
    monitors = Monitors()
    told = take_record(monitors, monitor_key("churn", 1), b"{}")
    assert "its events are counted as unmonitored" in told
    assert monitors.models() == ()
    assert monitors.next_revision("churn") == 2, "the number is taken, though nobody here knows by what"


def test_what_is_written_again_under_the_same_key_or_deleted_is_left_out_no_more() -> None:
    monitors = Monitors()
    for number in (1, 2):
        take_record(monitors, monitor_key("churn", number), b"{}")
    take_record(monitors, monitor_key("churn", 1), encode_monitor(Monitor(specification=MonitorSpecification(model="churn"))))
    take_record(monitors, monitor_key("churn", 2), None)
    assert (monitors.left_out, [one.revision for one in monitors.of("churn")]) == ({}, [1])


def test_records_that_are_none_of_ours_are_told_as_such_whatever_their_keys() -> None:
    monitors = Monitors()
    word = Acknowledgement(model="churn", alert_id="a1", sequence=3, by="ada", effective_from=0)
    assert "an acknowledgement of alert a1 of 'churn'" in take_record(monitors, acknowledgement_key(word), b'{"alert_id": 1}')
    for key in (b"churn", b"\xff\x00", b"[[1]]", b"[]", None):
        assert "Whoever wrote it means another topic" in take_record(monitors, key, b"1")
        assert take_record(monitors, key, None) == ""


NONSENSE = (None, True, -1, 10**400, "", "\0", "1d", [], [[]], ["a", 1], {}, {"a": []}, {"a": {"profile": 1}}, {"profile": {"rows": -1}}, {"river": ["adwin", 3]})


@pytest.mark.parametrize("name", MonitorSpecification.model_fields)
def test_whatever_a_definition_says_it_is_taken_or_left_out(name: str) -> None:
    for said in NONSENSE:
        monitors = Monitors()
        told = take_record(monitors, monitor_key("churn", 1), json.dumps({"revision": 1, "effective_from": 0, "specification": {"model": "churn", name: said}}).encode())
        assert bool(told) == bool(monitors.left_out) == (monitors.models() == ()), said
