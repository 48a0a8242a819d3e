"""Monitors of the inputs that a specification asks for: columns that hang, values of another type, columns that nobody declared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.recomputation import figures
from detectors.coded_text import CodedText
from detectors.monitor import Monitor, Monitors
from detectors.monitors.bank import detectors_of
from detectors.panes.irregular_counts import IrregularCounts, block_size, names_of
from detectors.panes.layout import Layout
from detectors.panes.value_codes import add_codes
from detectors.rows.row_groups import RowGroups
from detectors.settings.feature import Feature
from detectors.settings.watching import Alerts, Detectors, Floors, Quality, Shares
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from streams.cli.options import messages, results
from streams.file_events import ColumnNames
from streams.formats.v1 import Decoder
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification
from streams.replay import replay
from streams.state_codec import decode_state, encode_state
from streams.tables import Table
from tests.detectors.event_samples import specification as churn
from tests.detectors.test_contract import same
from tests.streams.arrow_samples import as_arrow, as_json, decode, event

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


@settings(max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_panes_may_come_in_any_pieces(steps) -> None:
    asked = specification()
    layout, random = Layout(asked), np.random.default_rng(9)
    vectors, columns = np.zeros((60, layout.size)), len(layout.coded)
    sticky = np.repeat(random.integers(0, 3, (30, columns)), 2, axis=0)
    for pane, values in enumerate(sticky):
        several = [values + (pane % 7 == 0) * place for place in range(pane % 4)]  # none at all in every fourth
        if several:
            block = vectors[pane : pane + 1, layout.blocks["codes"]]
            add_codes(block, RowGroups([(0, "", "")], None, len(several)), np.array(several, float), [])
    bank = next(one for one in detectors_of(asked) if "constant:amount" in one.names)
    whole, verdicts = bank.walk(bank.initial(), vectors, range(0, 600_000, 10_000))
    state, done, effects = bank.initial(), 0, []
    for step in [*steps, 60]:
        some = slice(done, min(done + step, 60))
        if some.start < some.stop:
            state, found = bank.walk(state, vectors[some], range(some.start * 10_000, some.stop * 10_000, 10_000))
            effects += found.effect.tolist()
            done = some.stop
    assert same(whole, state)
    assert np.array_equal(verdicts.effect, effects, equal_nan=True)
    assert not np.isnan(verdicts.effect).all()


def test_what_nobody_asks_for_costs_nothing_and_changes_no_name() -> None:
    asked = specification()
    plain = asked.model_copy(update={"quality": Quality()})
    assert Layout(asked).size == Layout(plain).size + 3 * 4
    assert plain.digest != asked.digest
    assert plain.model_copy(update={"quality": Quality()}).digest == plain.digest
    assert "codes" not in Layout(plain).blocks
    assert parse_specification(format_specification(asked)) == asked


# --- types and the schema ---

ASKED = Quality(monitors=("type", "schema"))


def test_a_file_whose_column_becomes_text_is_counted_and_told() -> None:
    asked, columns = specification(quality=ASKED), rows(4_000, 6)
    columns["items"] = columns["items"].astype(object)
    columns["items"][3_000:] = "n/a"
    (opened,) = [alert for alert in alerts_of(columns, asked) if alert.status == "opened"]
    named = {one.name: what_changed(one) for one in opened.monitors}
    assert set(named) == {"missing:items", "type:items"}
    assert named["type:items"].endswith("; most values of the column 'items' are of another type than declared now")
    assert named["missing:items"].endswith("; most events lack the column 'items' now")
    assert 3_000 <= opened.updated_at / 1_000 <= 3_040
    assert all(figure.agrees for figure in figures([opened]))


def test_a_column_that_nobody_declared_is_told_by_its_name_and_one_that_infer_saw_is_not() -> None:
    columns = rows(4_000, 7)
    table = Table(source="reference", columns=rows(10_000, 1) | {"id": np.array([f"c{place}" for place in range(10_000)], object)})
    asked = infer(table, model="m", base=BASE.model_copy(update={"quality": ASKED}))
    assert asked.quality.ignored == ("id",)
    columns["id"] = np.array([f"d{place}" for place in range(4_000)], object)
    columns["fax number"] = np.where(np.arange(4_000) < 3_000, np.nan, 1.0)
    (opened,) = [alert for alert in alerts_of(columns, asked) if alert.status == "opened"]
    (schema,) = opened.monitors
    assert schema.name == "schema"
    assert what_changed(schema).endswith("not declared: 'fax number'")
    assert 3_000 <= opened.updated_at / 1_000 <= 3_040
    assert all(figure.agrees for figure in figures([opened]))


def monitored(*asked: str, ignored: tuple[str, ...] = ()) -> Decoder:
    return Decoder(Monitors([Monitor(specification=churn(quality=Quality(monitors=asked, ignored=ignored)))]))  # type: ignore[arg-type]


EVENTS = [event(number, **{"features.age": 1.0 if number % 3 else "old", "features.fax": "f" if number > 5 else None, "features.plan": "a"}) for number in range(10)]


def test_json_and_arrow_tell_the_same_of_irregular_events_and_lose_none() -> None:
    of_type = [one | {"features.age": "old"} for one in EVENTS]  # in a table a column has one type
    for events in (of_type, [one | {"features.age": 1.0} for one in EVENTS], [one | {"features.age": True} for one in EVENTS]):
        told = []
        for record in (as_json(events), as_arrow(events), as_arrow(events, coded=True, batches=3)):
            decoded = decode(record, decoder=monitored("type", "schema"))
            assert not decoded.dead_letters
            rows_of = [(int(batch.index[row]), None if batch.irregular is None else batch.irregular.to_text()[row]) for batch in decoded.fetch.batches for row in range(len(batch))]
            told.append(sorted(rows_of))
        assert told[0] == told[1] == told[2]
        assert len(told[0]) == len(events)
        assert all((text or "").endswith("name fax") == (place > 5) for place, text in told[0])


def test_a_value_of_another_type_is_missing_and_counted_where_types_are_watched_and_a_dead_letter_elsewhere() -> None:
    assert len(decode(as_json(EVENTS)).dead_letters) == 4
    (batch,) = decode(as_json(EVENTS), decoder=monitored("type")).fetch.batches
    assert [None if np.isnan(age) else age for age in batch.feature("age")] == [1.0 if number % 3 else None for number in range(10)]
    assert batch.irregular.to_text().tolist() == [None if number % 3 else "type age" for number in range(10)]
    assert batch.feature("plan").to_text().tolist() == ["a"] * 10


def test_columns_that_are_ignored_are_regular_and_a_null_is_no_column() -> None:
    events = [one | {"features.age": 1.0} for one in EVENTS]
    (batch,) = decode(as_json(events), decoder=monitored("schema", ignored=("fax",))).fetch.batches
    assert batch.irregular is None
    (batch,) = decode(b'{"event_id":"a","model":"churn","prediction":"no","features":{"age":1,"fax":null}}', decoder=monitored("schema")).fetch.batches
    assert batch.irregular is None or batch.irregular.to_text().tolist() == [None]


def test_events_of_models_that_are_read_in_different_ways_are_regular_by_their_own() -> None:
    """The sampled lines are of a model that declares less; the others' columns are declared by theirs."""
    asked = Quality(monitors=("type", "schema"))
    small = churn(quality=asked)
    large = MonitorSpecification(model="rent", quality=asked, features={name: Feature() for name in ("age", "area")} | {"plan": Feature(type="categorical")})
    decoder = Decoder(Monitors([Monitor(specification=small), Monitor(specification=large)]))
    events = [event(number, **{"features.age": 1.0}) if number % 5 else event(number, model="rent", **{"features.age": 1.0, "features.area": 2.0}) for number in range(200)]
    decoded = decode(as_json(events), decoder=decoder)
    assert sum(map(len, decoded.fetch.batches)) == 200
    assert all(batch.irregular is None or not batch.irregular.present.any() for batch in decoded.fetch.batches)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([None, "type age", "name fax", "type age\nname fax\nname pager", "name " + "x" * 60]), min_size=1, max_size=30), st.data())
def test_irregular_rows_add_up_however_they_are_cut(texts, data) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    counted = IrregularCounts({"plan": 0, "age": 1}, names=True)

    def block_of(part: list[str | None]) -> np.ndarray:
        block = np.zeros((1, block_size(2, names=True)))
        if part:
            counted.add(block, RowGroups([(0, "", "")], None, len(part)), CodedText.of(part))
        return block[0]

    whole = block_of(texts)
    assert np.array_equal(whole, block_of(texts[:cut]) + block_of(texts[cut:]))
    assert whole[:4].tolist() == [len(texts), 0, sum("type age" in (text or "") for text in texts), sum("name" in (text or "") for text in texts)]
    names, mixed = names_of(whole[4:])
    assert mixed == 0
    assert set(names) == {line[5:45] for text in texts for line in (text or "").split("\n") if line.startswith("name ")}


def test_the_name_of_a_monitor_is_told_as_it_is(capsys) -> None:
    for console in (results(), messages()):
        console.print("constant:a: one value")
    assert [*capsys.readouterr()] == ["constant:a: one value\n"] * 2


# --- stale columns ---


def fed(n: int, seed: int, *, stops: int | None = None, every: int = 50) -> dict[str, np.ndarray]:
    """A rate of exchange that is new every fifty rows, until it stops, beside amounts that are new in every row."""
    random = np.random.default_rng(seed)
    rate = np.repeat(random.normal(size=n // every + 1), every)[:n]
    if stops is not None:
        rate[stops:] = rate[stops]
    return {"amount": random.normal(size=n), "rate": rate}


def feeding(**features: object) -> MonitorSpecification:
    base = BASE.model_copy(update={"quality": Quality(monitors=("stale",)), "alerts": Alerts(resolve_after="1m")})
    asked = infer(Table(source="reference", columns=fed(10_000, 1)), model="m", base=base)
    return asked.model_copy(update={"features": asked.features | {"rate": Feature(**features)}})


def test_a_feed_that_stops_is_told_after_longer_than_it_ever_rested_and_ends_with_the_next_value() -> None:
    columns = fed(20_000, 2, stops=4_000)
    columns["rate"][16_000:] = fed(4_000, 3)["rate"]
    opened, resolved = alerts_of(columns, feeding())
    (evidence,) = opened.monitors
    assert (evidence.name, opened.kind, resolved.status) == ("stale:rate", "quality", "resolved")
    assert 4_300 <= opened.updated_at / 1_000 <= 9_000  # until a week was seen: after as long as all that was
    assert 16_000 <= resolved.updated_at / 1_000 <= 16_200
    assert "its values have not changed in" in what_changed(evidence)
    assert "without a change for" in opened.summary
    assert all(figure.agrees for figure in figures([opened, resolved]))


def test_a_stated_time_is_kept_also_for_a_column_that_is_not_sent_any_more() -> None:
    columns = fed(6_000, 4)
    columns["rate"][3_000:] = np.nan
    named = {one.name: alert for alert in alerts_of(columns, feeding(stale_after="2m")) for one in alert.monitors}
    assert named["stale:rate"].updated_at / 1_000 == 2_960 + 120  # its last new value came in the pane from 2,950 on
    evidence = next(one for one in named["stale:rate"].monitors if one.name == "stale:rate")
    assert evidence.value == 2.0
    with pytest.raises(ValueError, match=r"add stale to quality\.monitors"):
        MonitorSpecification(model="m", features={"rate": Feature(stale_after="2m")})


def test_feeds_that_go_on_raise_nothing_and_no_traffic_makes_nothing_stale() -> None:
    assert alerts_of(fed(40_000, 5), feeding()) == []
    asked = feeding(stale_after="2m")
    (bank,) = [one for one in detectors_of(asked) if "stale:rate" in one.names]
    layout = Layout(asked)
    vectors = np.zeros((100, layout.size))
    add_codes(vectors[:1, layout.blocks["codes"]], RowGroups([(0, "", "")], None, 1), np.array([[1.0, 2.0]]), [])
    state, verdicts = bank.walk(bank.initial(), vectors, range(0, 1_000_000, 10_000))
    assert not (verdicts.status == Status.DRIFT).any()
    assert decode_state(encode_state(state), "state")["seen"] == 1


def test_an_acknowledged_rest_is_usual_from_then_on() -> None:
    asked = feeding()
    (bank,) = [one for one in detectors_of(asked) if "stale:rate" in one.names]
    rate = bank.names.index("stale:rate")
    state = bank.initial() | {"since_change": np.array([700, 700]), "changed_at": np.zeros(2, np.int64), "told": np.array([True, True])}
    after = bank.restart(state, rate, 7_000_000)
    assert (after["usual"][rate], after["told"][rate]) == (700, False)
    assert state["told"][rate]
    assert bank.present(after, rate, 0).events >= 500


@settings(max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_rests_are_counted_in_any_pieces(steps) -> None:
    asked = feeding(stale_after="1m")
    layout, columns = Layout(asked), fed(600, 6, stops=300)
    vectors = np.zeros((60, layout.size))
    groups = RowGroups([(place, "", "") for place in range(60)], np.repeat(np.arange(60), 10), 600)
    block = np.zeros((60, layout.blocks["codes"].stop - layout.blocks["codes"].start))
    add_codes(block, groups, np.stack([columns["amount"], columns["rate"]], axis=1), [])
    vectors[:, layout.blocks["codes"]] = block
    (bank,) = [one for one in detectors_of(asked) if "stale:rate" in one.names]
    whole, verdicts = bank.walk(bank.initial(), vectors, range(0, 600_000, 10_000), gone=True)
    state, done, statuses = bank.initial(), 0, []
    for step in [*steps, 60]:
        some = slice(done, min(done + step, 60))
        if some.start < some.stop:
            state, found = bank.walk(state, vectors[some], range(some.start * 10_000, some.stop * 10_000, 10_000), gone=True)
            statuses += found.status.tolist()
            done = some.stop
    assert same(whole, state)
    assert verdicts.status.tolist() == statuses
    assert (verdicts.status == Status.DRIFT).any(axis=0).tolist() == [False, True]
