"""Monitors of the inputs that a specification asks for: columns that hang."""

import numpy as np
import pytest

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.recomputation import figures
from detectors.panes.layout import Layout
from detectors.specification import Alerts, Detectors, Floors, MonitorSpecification, Quality, Shares
from streams.file_events import ColumnNames
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification
from streams.replay import replay
from streams.tables import Table

ONLY_QUALITY = Detectors(shares=Shares(performance=0, features=0, quality=1, service=0))
BASE = MonitorSpecification(
    model="m",
    lateness=0,
    false_alarms="1 per 100000 events",
    events_per_pane=10,
    detectors=ONLY_QUALITY,
    alerts=Alerts(floors=Floors(rate=0)),
    quality=Quality(monitors=("constant",)),
)


def rows(n: int, seed: int) -> dict[str, np.ndarray]:
    """A number, a count, a class of two and a rate of exchange that changes once in two hundred rows."""
    random = np.random.default_rng(seed)
    plan = np.where(random.random(n) < 0.7, "free", "paid").astype(object)
    return {"amount": random.normal(size=n), "items": random.poisson(2, n).astype(float), "plan": plan, "rate": np.repeat(random.normal(size=n // 200 + 1), 200)[:n]}


def specification(**changes: object) -> MonitorSpecification:
    return infer(Table(source="reference", columns=rows(10_000, 1)), model="m", base=BASE.model_copy(update=changes))


def alerts_of(columns: dict[str, np.ndarray], asked: MonitorSpecification) -> list:
    return replay([Table(source="later", columns=columns)], asked, ColumnNames(), metrics=False).alerts


@pytest.mark.parametrize(("name", "within"), [("amount", 40), ("items", 80), ("plan", 400)])
def test_a_column_that_hangs_is_named_as_soon_as_chance_is_ruled_out(name, within) -> None:
    columns = rows(6_000, 2)
    columns[name][5_000:] = columns[name][5_000]
    (opened,) = [alert for alert in alerts_of(columns, specification()) if alert.status == "opened"]
    assert opened.kind == "quality"
    assert [one.name for one in opened.monitors] == [f"constant:{name}"]
    assert 5_000 <= opened.updated_at / 1_000 <= 5_000 + within
    assert "shows one value again and again" in what_changed(opened.monitors[0])
    assert all(figure.agrees for figure in figures([opened]))


def test_an_alert_ends_when_the_column_varies_again() -> None:
    columns = rows(8_000, 3)
    columns["amount"][3_000:3_400] = 7.0
    assert [alert.status for alert in alerts_of(columns, specification())] == ["opened", "resolved"]


def test_columns_that_vary_as_they_did_raise_nothing() -> None:
    assert alerts_of(rows(60_000, 4), specification()) == []


def test_what_sticks_to_its_value_by_nature_is_known_from_the_order_of_the_rows() -> None:
    known = specification()
    profile = known.reference.profile
    assert profile.features["rate"].repeats == 10_000 - 50
    columns = rows(20_000, 5)
    forgotten = profile.model_copy(update={"features": profile.features | {"rate": profile.features["rate"].model_copy(update={"repeats": 0})}})
    unknown = known.model_copy(update={"reference": known.reference.model_copy(update={"profile": forgotten})})
    assert alerts_of(columns, known) == []
    assert {one.name for alert in alerts_of(columns, unknown) for one in alert.monitors} == {"constant:rate"}


def test_what_nobody_asks_for_costs_nothing_and_changes_no_name() -> None:
    asked = specification()
    plain = asked.model_copy(update={"quality": Quality()})
    assert Layout(asked).size == Layout(plain).size + 3 * 4
    assert plain.digest != asked.digest
    assert plain.model_copy(update={"quality": Quality()}).digest == plain.digest
    assert "codes" not in Layout(plain).blocks
    assert parse_specification(format_specification(asked)) == asked
