"""Each hour of the week is compared with its own: a rhythm is no change, few rows of an hour raise no alarm, and a change shows in spite of both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.alerts.explanation import explain
from detectors.detection.closed_pane import ClosedPane
from detectors.detection.watch import Judged, Watch
from detectors.monitors.hourly_drift import HourlyRateChange
from detectors.monitors.rate_change import Rate
from detectors.panes.layout import Layout
from detectors.profile import PerformanceProfile, Profile
from detectors.references.hour_tables import column_table, error_table, packed, with_hours
from detectors.references.hours_of_week import DAY_HOURS, HOUR, HOURS, WEEK, HoursOfWeek, hour_of_week, rhythm_of
from detectors.scans.panels import Panels, Walking
from detectors.scans.scored_windows import Bank
from detectors.settings.watching import Alerts, Detectors
from detectors.specification import MonitorSpecification
from streams.monitor_file import format_specification, parse_specification
from streams.state_codec import decode_state, encode_state
from tests.detectors.reference_samples import categorical_profile, numeric_profile, pane_vectors, specification_of

EVENTS = 40
MONDAY = 4 * DAY_HOURS * HOUR
COLUMNS = {"even": numeric_profile((np.arange(4_000) + 0.5) / 4_000), "city": categorical_profile({"a": 0.5, "b": 0.3, "c": 0.2})}
PLAIN = specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), alerts=Alerts(cooldown=HOUR), lateness=0)


def by_hour(**reference: object) -> MonitorSpecification:
    changed = PLAIN.reference.model_copy(update={"kind": "hour_of_week"} | reference)
    return MonitorSpecification.model_validate(dict(PLAIN) | {"reference": changed, "pane": HOUR, "windows": (HOUR,)})


def moved_at(starts: np.ndarray, step: np.ndarray | float = 0.0) -> np.ndarray:
    """Working hours are another world; and maybe a change from some hour on."""
    hours = hour_of_week(starts)
    return 0.25 * ((hours % DAY_HOURS >= 8) & (hours % DAY_HOURS < 18) & (hours < 5 * DAY_HOURS)) + step


def history(weeks: float, *, step_from: int | None = None, seed: int = 1, first: int = MONDAY) -> list[ClosedPane]:
    starts = first + np.arange(round(weeks * HOURS)) * HOUR
    by = np.repeat(moved_at(starts, 0.2 * (np.arange(len(starts)) >= (len(starts) if step_from is None else step_from))), EVENTS)
    random, n = np.random.default_rng(seed), len(by)
    u = random.random((3, n)).clip(1e-6, 1 - 1e-6)
    layout = Layout(by_hour())
    data = {"feature:even": by + (1 - by) * u[0], "feature:city": (u[1][:, None] > np.column_stack((0.5 - by, 0.8 - by))).sum(axis=1).astype(float)}
    vectors = pane_vectors(layout, len(starts), data, errors=u[2] < 0.1 + by)
    np.add.at(vectors, (np.arange(n) // EVENTS, np.full(n, layout.blocks["traffic"].start)), 1)
    return [ClosedPane(int(start), {("1", ""): row}) for start, row in zip(starts, vectors, strict=True)]


def taken(watch: Watch, panes: Sequence[ClosedPane]) -> list[Judged]:
    judged: list[Judged] = []

    def walking() -> Walking[None]:
        judged.extend((yield from watch.take(panes, ())))

    Panels().walk_together([walking()])
    return judged


def alerts_of(specification: MonitorSpecification, panes: Sequence[ClosedPane]) -> list[Alert]:
    return [alert for one in taken(Watch(specification, Layout(specification)), panes) for alert in one.alerts]


@cache
def declared() -> MonitorSpecification:
    """With a profile of two earlier weeks."""
    totals, layout = np.zeros((HOURS, Layout(by_hour()).size)), Layout(by_hour())
    for pane in history(2, seed=9):
        totals[hour_of_week(np.array(pane.start))] += pane.total()
    profile = PLAIN.reference.profile
    assert profile is not None
    of_week = totals.sum(axis=0)
    counts = {name: of_week[layout.blocks[f"feature:{name}"]].astype(int).tolist() for name in COLUMNS}
    even, city = (profile.features[name] for name in ("even", "city"))
    features = {
        "even": even.model_copy(update={"counts": tuple(counts["even"][:-2]), "missing": 0}),
        "city": city.model_copy(update={"counts": tuple(counts["city"][:-2]), "unseen": 0, "missing": 0}),
    }
    errors = error_table(layout, of_week[None])[0]
    known = profile.model_copy(update={"features": features, "performance": PerformanceProfile(rows=int(errors[0]), loss=errors[1] / errors[0], deviation=0.4)})
    tables = {f"feature:{name}": packed(column_table(column, totals[:, layout.blocks[f"feature:{name}"]])) for name, column in features.items()}
    return by_hour(profile=with_hours(known, tables | {"errors": packed(error_table(layout, totals))}))


def test_what_is_expected_of_windows_is_as_uncertain_as_it_says_however_few_rows_an_hour_has() -> None:
    random, hours = np.random.default_rng(1), np.arange(HOURS)
    begins, ends = (MONDAY + HOUR * np.array(part) for part in ([30, 30, 10, 0], [31, 34, 34, 168]))
    truths = {"none": 0 * hours, "day": np.sin(hours % DAY_HOURS), "workdays": np.sin(hours % DAY_HOURS) * (hours < 120), "week": random.normal(size=HOURS)}
    rows = {}
    for name, truth in truths.items():
        errors, known_rows = [], []
        for _ in range(100):
            events = random.poisson(6, HOURS).astype(float)
            totals = events * truth + np.sqrt(events) * random.normal(size=HOURS)
            squares = totals**2 / np.maximum(events, 1) + random.chisquare(np.maximum(events - 1, 1e-9))
            rhythm = rhythm_of(events, totals[:, None], squares[:, None])
            known = HoursOfWeek([rhythm], events)
            variance = np.array([known.variances(begin[None], end)[0, 0] for begin, end in zip(begins, ends, strict=True)])
            weights = np.array([known._shares(begin[None], end)[0] for begin, end in zip(begins, ends, strict=True)])
            expected = rhythm.offsets[:, 0] + totals.sum() / events.sum()
            errors.append(weights @ (expected - truth) / np.sqrt(variance * rhythm.within))
            known_rows.append(1 / variance)
        assert (np.std(errors, axis=0) < 1.25).all(), name
        rows[name] = np.median(known_rows, axis=0)
    assert rows["none"][0] > 10 * rows["week"][0]  # an hour that is like the others knows what they know
    assert rows["week"][-1] == pytest.approx(6 * HOURS, rel=0.1)  # and all of them know what all rows do


def test_a_rhythm_with_few_rows_an_hour_keeps_the_false_alarm_budget_and_hides_no_change() -> None:
    random, monitors, looks = np.random.default_rng(2), 30, 500.0
    rate = np.clip(0.1 + 0.06 * random.normal(size=(HOURS, monitors)), 0.01, 0.9)
    rows = np.full(HOURS, 20.0)
    hits = random.binomial(20, rate).astype(float)
    rates = [Rate(hits=[2 * place + 1], events=[2 * place, 2 * place + 1], reference=(hits[:, place].sum(), rows.sum())) for place in range(monitors)]
    known = HoursOfWeek([rhythm_of(rows, hits[:, [place]], hits[:, [place]]) for place in range(monitors)], rows)
    bank = Bank(names=tuple(f"r{place}" for place in range(monitors)), group="quality", kind="quality", looks=looks, pane=HOUR, resolve_after=HOUR)
    detector = HourlyRateChange(bank, rates=rates, floor=0.0, hours=known)
    starts = MONDAY + HOUR * np.arange(5 * HOURS)
    change = 3 * HOURS
    now = rate[hour_of_week(starts)] + 0.1 * (np.arange(len(starts)) >= change)[:, None]
    wrong = random.binomial(30, now)
    counts = np.stack((30 - wrong, wrong), axis=2).reshape(len(starts), -1).astype(float)
    _, verdicts = detector.walk(detector.initial(), counts, starts.tolist())
    alarmed = verdicts.status == 4
    early = alarmed[:change].any(axis=0)
    assert early.sum() <= 1.5 * monitors * change / looks  # at most; what each found a second time is not counted
    assert alarmed[change : change + 48].any(axis=0).mean() > 0.95


@pytest.mark.parametrize("origin", ["declared", "learnt"])
def test_the_rhythm_of_the_week_is_no_change_and_a_change_shows_in_spite_of_it(origin: str) -> None:
    specification = declared() if origin == "declared" else by_hour(profile=without_hours(), weeks=2)
    panes = history(5, step_from=4 * HOURS, seed=3)
    alerts = alerts_of(specification, panes)
    opened = [alert for alert in alerts if alert.status == "opened"]
    assert all(panes[4 * HOURS].start < alert.opened_at <= panes[4 * HOURS].start + DAY_HOURS * HOUR for alert in opened)
    assert {evidence.name for alert in alerts for evidence in alert.monitors} >= {"feature:even", "feature:city", "error_rate"}
    for alert in opened:
        assert explain([one for one in alerts if one.alert_id == alert.alert_id]).wrong == ()
    plain = MonitorSpecification.model_validate(dict(specification) | {"reference": specification.reference.model_copy(update={"kind": "declared", "weeks": 2})})
    assert [alert for alert in alerts_of(plain, panes[: 4 * HOURS]) if alert.status == "opened"]


def without_hours() -> Profile:
    profile = declared().reference.profile
    assert profile is not None
    return with_hours(profile, {})


def test_monitors_learn_until_the_weeks_are_over_and_each_counts_as_if_the_profile_had_known_them() -> None:
    specification = by_hour(profile=without_hours(), weeks=1)
    judged = taken(Watch(specification, Layout(specification)), history(1.5))
    told = [(detector.names.index("feature:even"), verdicts) for one in judged for detector, verdicts in one.verdicts if "feature:even" in detector.names]
    status = [int(verdicts.status[place]) for place, verdicts in told]
    assert set(status[:HOURS]) == {1}
    assert status[-1] == 0


@pytest.mark.parametrize("cut", [100, HOURS, HOURS + 1, 300])
def test_wherever_the_log_is_cut_the_same_is_said(cut: int) -> None:
    specification, panes = by_hour(profile=without_hours(), weeks=1), history(2.2, step_from=2 * HOURS)
    first, second = (Watch(specification, Layout(specification)) for _ in range(2))
    before = taken(first, panes[:cut])
    second.restore(decode_state(encode_state(first.state()), "watch"))
    after = taken(second, panes[cut:])
    assert [alert for one in (*before, *after) for alert in one.alerts] == alerts_of(specification, panes) != []


def test_what_is_known_of_hours_travels_with_the_specification() -> None:
    specification = declared()
    again = parse_specification(format_specification(specification))
    assert again == specification
    assert again.digest == specification.digest != by_hour(profile=without_hours()).digest
    assert by_hour(profile=without_hours(), weeks=3).digest == by_hour(profile=without_hours()).digest  # the counts are the same


def test_hours_of_the_week_go_with_what_they_can_be_compared_with() -> None:
    for changed, story in (
        ({"pane": 2 * HOUR, "windows": (2 * HOUR,)}, "panes of an hour"),
        ({"detectors": Detectors(cycles=(WEEK,))}, "hold a day and a week"),
        ({"detectors": Detectors(rates="e-detector")}, "a guarantee is for one rate"),
    ):
        with pytest.raises(ValueError, match=story):
            MonitorSpecification.model_validate(dict(by_hour()) | changed)
    with pytest.raises(ValueError, match=r"reference\.weeks"):
        MonitorSpecification.model_validate(dict(PLAIN) | {"reference": PLAIN.reference.model_copy(update={"weeks": 3})})
