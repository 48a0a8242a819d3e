"""A definition that can be decoded, but that nobody could work with, is left out as one that cannot be read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from detectors.errors import SettingsError
from detectors.monitor import Monitor, Monitors
from detectors.panes.output_cells import cells_of_class
from detectors.profile_parts import CELLS_OF_SCORED, HOURS
from detectors.references import hours_of_week
from detectors.specification import MonitorSpecification
from streams.infer import infer
from streams.monitor_codec import encode_monitor, monitor_key, take_record
from streams.monitor_file import parse_specification
from streams.tables import Table

ROWS, MINUTE = 2_000, 60_000
BASE = MonitorSpecification.model_validate({"model": "churn", "detectors": {"max_bins": 8, "max_levels": 2}, "pane": "1h", "windows": ["2h"]})
Path = tuple[str | int, ...]
MAY_BE_SHORTER = {"cycles"}


def table(*, regression: bool = False) -> Table:
    """Two weeks of rows, ten minutes apart."""
    random = np.random.default_rng(1)
    age, score = random.normal(40, 10, ROWS), random.random(ROWS)
    columns: dict[str, Any] = {
        "time": np.arange(ROWS) * 10 * MINUTE,
        "age": age,
        "income": 2 * age + random.normal(size=ROWS),
        "plan": random.choice(["free", "paid", "team"], ROWS),
    }
    outcomes = {"prediction": score, "label": score + random.normal(size=ROWS)}
    if not regression:
        outcomes = {"prediction": np.where(score > 0.5, "yes", "no"), "label": np.where(random.random(ROWS) < score, "yes", "no"), "score": score}
    text = {name: column.astype(object) for name, column in (columns | outcomes).items() if column.dtype.kind == "U"}
    return Table(source="train.csv", columns=columns | outcomes | text)


@cache
def definition(kind: str) -> dict[str, Any]:
    """As it lies in the topic: of a classifier with all that is measured of one, of a series, and with hours of the week."""
    names = {"model": "churn", "prediction": "prediction", "label": "label", "time": "time", "base": BASE}
    made = {
        "classes": lambda: infer(table(), score="score", anomalies=True, correlation=("age", "income"), **names),
        "series": lambda: infer(table(regression=True), periods=(60 * MINUTE * 24,), task="regression", **names),
        "hours": lambda: infer(table(), hours=True, **names),
    }[kind]()
    return dict(json.loads(encode_monitor(Monitor(specification=made))))


def lists_of(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from lists_of(part, (*path, key))
    elif isinstance(value, list):
        if value and path[-1] not in MAY_BE_SHORTER:
            yield path
        for place, part in enumerate(value):
            yield from lists_of(part, (*path, place))


def changed(stored: dict[str, Any], path: Path, change: Any) -> dict[str, Any]:
    """A copy in which ``change`` was made of what lies at a path."""
    spoilt = copy.deepcopy(stored)
    *way, last = path
    holder: Any = spoilt
    for key in way:
        holder = holder[key]
    holder[last] = change(holder[last])
    return spoilt


def left_out(stored: dict[str, Any]) -> str:
    monitors = Monitors()
    told = take_record(monitors, monitor_key("churn", 1), json.dumps(stored).encode())
    assert bool(told) == (monitors.models() == ())
    return told


PROFILE: Path = ("specification", "reference", "profile")


@pytest.mark.parametrize("kind", ["classes", "series", "hours"])
def test_a_profile_any_list_of_which_was_cut_short_or_is_too_long_is_left_out_and_a_whole_one_is_taken(kind: str) -> None:
    stored = definition(kind)
    assert left_out(stored) == ""
    paths = list(lists_of(stored["specification"]["reference"]["profile"], PROFILE))
    assert len(paths) > 10
    for path in paths:
        for change in (lambda found: found[:-1], lambda found: [*found, found[-1]]):
            assert left_out(changed(stored, path, change)), path


OF_COLUMNS = (*PROFILE, "features")
UNFIT = {
    "a column of another kind": ((*OF_COLUMNS, "plan"), lambda _: definition("hours")["specification"]["reference"]["profile"]["features"]["age"], "feature 'plan' is categorical"),
    "a feature of another type": (("specification", "features", "age", "type"), lambda _: "categorical", "feature 'age' is categorical, and its profile is that of a numeric"),
    "another task": (("specification", "task"), lambda _: "regression", "the prediction is numeric, and its profile is that of a categorical column"),
    "hours that are none": ((*OF_COLUMNS, "age", "hours"), lambda _: "AAAA", "features.age.hours: got 0, expected 1176"),
    "hours of fewer columns": (
        (*OF_COLUMNS, "age", "hours"),
        lambda _: definition("hours")["specification"]["reference"]["profile"]["prediction"]["hours"],
        "features.age.hours: got 672, expected 1176",
    ),
    "hashes that are none": ((*OF_COLUMNS, "plan", "other", "hashes"), lambda _: "AAAA", "other.hashes, in bytes: got 3, expected 0"),
    "hashes that are no base64": ((*OF_COLUMNS, "plan", "other", "hashes"), lambda _: "x", "base64"),
    "events that nobody counted": (("specification",), lambda found: found | {"false_alarms": "1 per 1000 events", "events_per_pane": None}, "events_per_pane must be > 0"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_definition_whose_parts_contradict_each_other_is_left_out_with_its_reason(what: str) -> None:
    path, change, reason = UNFIT[what]
    assert reason in left_out(changed(definition("hours"), path, change))


def test_outcomes_of_scores_that_are_said_not_to_be_there_are_left_out() -> None:
    assert "outcomes.cells of an output: got" in left_out(changed(definition("classes"), (*PROFILE, "outcomes", "scored"), lambda _: False))


def test_sizes_that_are_said_twice_since_profiles_stand_below_are_the_same() -> None:
    assert (cells_of_class(scored=True), hours_of_week.HOURS) == (CELLS_OF_SCORED, HOURS)


def test_a_file_with_such_a_profile_is_refused_with_what_to_do() -> None:
    spoilt = changed(definition("hours"), (*OF_COLUMNS, "age", "counts"), lambda found: found[:-1])
    with pytest.raises(SettingsError, match=r"features\.age\.counts: got 7, expected 8; make it again with: driftwarden monitor infer FILE"):
        parse_specification(json.dumps(spoilt["specification"]))
