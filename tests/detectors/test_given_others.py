"""A column is watched by what the others say it should be: what it does alone shows soon, what all do together does not."""

from __future__ import annotations

from functools import cache

import numpy as np

from detectors.alerts.recomputation import recompute
from detectors.event_batch import Float64
from detectors.monitors.bank import detectors_of
from detectors.monitors.given_others import GivenOthers
from detectors.panes.layout import Layout
from detectors.references.columns_given_others import columns_given_others
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification
from streams.tables import Table
from tests.detectors.reference_samples import first_drift, numeric_profile, pane_vectors, replay, specification_of

PANES, EVENTS, CHANGE = 400, 10, 250


def weather(rows: int, seed: int) -> dict[str, Float64]:
    """Lowest, mean and highest of days that are much alike; and a wind of its own."""
    random = np.random.default_rng(seed)
    mean = np.empty(rows)
    mean[0], steps = 0.0, random.normal(size=rows)
    for row in range(1, rows):
        mean[row] = 0.9 * mean[row - 1] + 0.44 * steps[row]
    low, high = (mean + side + 0.3 * random.normal(size=rows) for side in (-1, 1))
    return {"low": low, "mean": (low + high) / 2 + 0.1 * random.normal(size=rows), "high": high, "wind": random.normal(size=rows)}


@cache
def specification() -> MonitorSpecification:
    known = weather(6_000, seed=1)
    profiles = {name: numeric_profile(values) for name, values in known.items()}
    made = specification_of(profiles)
    profile = made.reference.profile.model_copy(update={"given_others": columns_given_others(known, profiles)})
    return made.model_copy(update={"reference": made.reference.model_copy(update={"profile": profile})})


def told(seed: int, moved: dict[str, float]) -> dict[str, int | None]:
    """Panes from the change to the alarm, by monitor."""
    columns = weather(PANES * EVENTS, seed)
    shifted = {f"feature:{name}": values + moved.get(name, 0.0) * (np.arange(len(values)) >= CHANGE * EVENTS) for name, values in columns.items()}
    vectors = pane_vectors(Layout(specification()), PANES, shifted)
    found: dict[str, int | None] = {}
    for detector in detectors_of(specification()):
        if detector.kind == "drift":
            state, verdicts = replay(detector, vectors)
            for place, name in enumerate(detector.names):
                first = first_drift(verdicts, place)
                found[name] = None if first is None else first - CHANGE
                if isinstance(detector, GivenOthers) and verdicts[-1].status[place] == Status.DRIFT:
                    evidence = detector.evidence(state, place)
                    assert recompute(evidence).value == evidence.value
                    assert recompute(evidence).effect == evidence.effect
    return found


def test_a_column_that_shifts_alone_is_told_from_what_the_others_say_long_before_it_shows_by_itself() -> None:
    found = told(2, {"mean": 0.5})
    alone, given = found["feature:mean"], found["given_others:mean"]
    assert given is not None
    assert 0 <= given <= 4
    assert alone is None or alone > 5 * (given + 1)


def test_what_all_columns_do_together_is_none_of_it() -> None:
    found = told(3, {"low": 0.8, "mean": 0.8, "high": 0.8})
    assert [name for name, panes in found.items() if name.startswith("given_others:") and panes is not None] == []


def test_columns_that_the_others_do_not_explain_have_no_such_monitor() -> None:
    known = weather(6_000, seed=1)
    profiles = {name: numeric_profile(values) for name, values in known.items()}
    found = columns_given_others(known, profiles)
    assert found is not None
    assert found.targets == ("low", "mean", "high")
    assert columns_given_others({name: known[name] for name in ("mean", "wind")}, {name: profiles[name] for name in ("mean", "wind")}) is None
    few = {name: values[:60] for name, values in known.items()}
    assert columns_given_others(few, {name: numeric_profile(values) for name, values in few.items()}) is None


def test_a_series_is_watched_so_where_its_period_is_given() -> None:
    table = Table(source="weather.csv", columns=dict(weather(800, seed=4)))
    assert infer(table, model="w").reference.profile.given_others is None
    found = infer(table, model="w", periods=[365_000])
    assert found.reference.profile.given_others.targets == ("low", "mean", "high")
    again = parse_specification(format_specification(found))
    assert again == found
    assert again.digest == found.digest
