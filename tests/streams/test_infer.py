"""From a training table to a specification."""

from typing import Any

import numpy as np
import pytest

from detectors.duration import parse_duration
from detectors.errors import SettingsError
from detectors.profile import CategoricalProfile, NumericProfile
from detectors.references.hour_tables import unpacked
from detectors.references.hours_of_week import HOURS, hour_of_week
from detectors.specification import MonitorSpecification
from streams.infer import infer, state_bytes
from streams.monitor_file import format_specification, parse_specification
from streams.tables import ROW_LENGTH, Table

ROWS = 1_000
DAY = 86_400_000


def loans() -> Table:
    random = np.random.default_rng(1)
    approved = random.random(ROWS) < 0.3
    columns = {
        "row": np.arange(ROWS),
        "application": np.array([f"a{number}" for number in range(ROWS)], object),
        "at": np.arange(ROWS) * (DAY // 100) + 1_462_060_800_000,
        "salary": random.lognormal(10, 1, ROWS),
        "age": random.integers(18, 90, ROWS),
        "employed": random.random(ROWS) < 0.9,
        "city": random.choice(np.array(["Rome", "Oslo", "Lima"], object), ROWS),
        "seen": np.arange(ROWS).astype("datetime64[ms]"),
        "empty": np.full(ROWS, np.nan),
        'weight "kg"': random.normal(70, 10, ROWS),
        "approved": approved,
        "predicted": np.where(random.random(ROWS) < 0.9, approved, ~approved),
        "chance": random.random(ROWS),
        "amount": random.normal(1_000, 100, ROWS),
    }
    return Table(source="loans.csv", columns=columns)


def test_features_get_their_types_and_what_is_no_feature_is_told() -> None:
    notes: list[str] = []
    found = infer(loans(), model="loans", label="approved", prediction="predicted", score="chance", time="at", ignore=["amount"], segments=["city"], tell=notes.append)
    assert {name: feature.type for name, feature in found.features.items()} == {"salary": "numeric", "age": "numeric", "employed": "categorical", "city": "categorical"}
    assert found.segments == ("city",)
    for name, reason in (("row", "counts the rows"), ("application", "identifier"), ("seen", "times"), ("empty", "no value"), ('weight "kg"', "rename it")):
        assert any(f"'{name}'" in note and reason in note for note in notes)


def test_words_that_come_again_are_a_category_and_only_those_that_hardly_do_an_identifier() -> None:
    random, n = np.random.default_rng(5), 2_000
    names = np.array([f"name{number}" for number in range(n)], object)
    surnames = names.copy()
    surnames[1_180:] = names[random.integers(0, 1_180, n - 1_180)]  # 59 % are distinct
    comments = np.array([f"{name} is well" for name in surnames], object)
    seldom = np.where(np.arange(n) % 3 == 0, names, None)  # two thirds are missing
    floats = random.lognormal(3, 1, n)
    notes: list[str] = []
    columns = {"surname": surnames, "comment": comments, "voucher": seldom, "amount": floats, "order": np.cumsum(random.integers(1, 9, n)), "any": random.permutation(n)}
    found = infer(Table(source="orders.csv", columns=columns), model="orders", tell=notes.append)
    assert {name: feature.type for name, feature in found.features.items()} == {"surname": "categorical", "comment": "text", "amount": "numeric", "any": "numeric"}
    for name, reason in (("voucher", "look like an identifier"), ("order", "rises with every row")):
        assert any(f"'{name}'" in note and reason in note for note in notes)


def test_the_pane_of_rare_events_is_long_enough_to_hold_one() -> None:
    notes: list[str] = []
    found = infer(loans(), model="loans", time="at", tell=notes.append)  # one in 864 s
    assert (found.pane, found.windows) == (600_000, (60 * 600_000, 360 * 600_000))
    assert found.events_per_pane == pytest.approx(600_000 * 100 / DAY, rel=1e-4)
    assert any("pane: 10m" in note for note in notes)
    some_missing = infer(Table(source="hours.csv", columns={"at": np.delete(np.arange(100), slice(40, 50)) * 3_600_000, "x": np.arange(90) % 7}), model="m", time="at")
    assert some_missing.pane == 3_600_000
    mine = infer(loans(), model="loans", time="at", base=MonitorSpecification(model="loans", pane=20_000), tell=notes.append)
    assert mine.pane == 20_000


def test_the_service_is_watched_where_the_table_has_times() -> None:
    watched = infer(loans(), model="loans", time="at").service.monitors
    assert {"failed_rate", "latency", "silence"} <= set(watched)
    assert infer(loans(), model="loans", base=MonitorSpecification(model="loans")).service.monitors == ()


@pytest.mark.parametrize(("step", "pane"), [("1s", "10s"), ("50s", "1m"), ("9m", "10m"), ("50m", "1h"), ("20h", "1d")])
def test_every_pane_that_is_chosen_has_windows_of_whole_panes(step: str, pane: str) -> None:
    rows = Table(source="rows.csv", columns={"at": np.arange(100) * parse_duration(step), "x": np.arange(100) % 7})
    found = infer(rows, model="m", time="at")
    assert found.pane == parse_duration(pane)
    assert all(window >= 60 * found.pane and window % found.pane == 0 for window in found.windows)
    assert parse_specification(format_specification(found)) == found


def test_classes_performance_and_rate_come_from_the_table() -> None:
    table = loans()
    found = infer(table, model="loans", label="approved", prediction="predicted", time="at")
    assert (found.task, found.classes, found.positive_class) == ("classification", ("false", "true"), "true")
    profile = found.reference.profile
    assert profile is not None
    assert profile.performance is not None
    assert profile.performance.loss == pytest.approx(np.mean(table.columns["approved"] != table.columns["predicted"]))
    assert isinstance(profile.prediction, CategoricalProfile)
    assert profile.prediction.counts[1] == table.columns["predicted"].sum()
    assert found.events_per_pane == pytest.approx(600_000 * 100 / DAY, rel=1e-4)


def test_a_many_valued_target_is_a_regression_and_stands_in_for_the_prediction() -> None:
    found = infer(loans(), model="loans", label="amount")
    assert found.task == "regression"
    assert found.events_per_pane is None
    assert found.reference.profile is not None
    assert isinstance(found.reference.profile.prediction, NumericProfile)
    assert infer(loans(), model="loans", label="age").task == "regression"


def test_a_period_is_learnt_and_noted_in_the_specification() -> None:
    found = infer(loans(), model="loans", time="at", periods=[DAY])
    assert found.detectors.cycles == (DAY,)
    assert found.reference.profile is not None
    salary = found.reference.profile.features["salary"]
    assert isinstance(salary, NumericProfile)
    assert [cycle.period for cycle in salary.cycles] == [DAY]
    with pytest.raises(SettingsError, match="at least two"):
        infer(loans(), model="loans", time="at", periods=[7 * DAY])


def test_without_times_a_period_is_one_of_rows() -> None:
    table = loans()
    found = infer(table, model="loans", periods=[20 * ROW_LENGTH])
    assert found.detectors.cycles == (20 * ROW_LENGTH,)
    counted = Table(source=table.source, columns=table.columns | {"at": np.arange(len(table)) * ROW_LENGTH})
    by_time = infer(counted, model="loans", time="at", periods=[20 * ROW_LENGTH])
    assert found.reference.profile is not None
    assert by_time.reference.profile is not None
    assert found.reference.profile.features["salary"] == by_time.reference.profile.features["salary"]
    with pytest.raises(SettingsError, match=r"holds \d\.\d+ of them"):
        infer(table, model="loans", periods=[(len(table) * 2 // 3) * ROW_LENGTH])


def test_hours_of_the_week_are_taken_from_the_table_and_told_where_they_matter() -> None:
    random, rows = np.random.default_rng(5), 6_000
    at = np.arange(rows) * (21 * DAY // rows) + 1_462_060_800_000
    night = at % DAY < DAY // 3
    columns = {"at": at, "load": random.normal(size=rows) - night, "even": random.normal(size=rows), "approved": random.random(rows) < 0.3}
    table = Table(source="loads.csv", columns=columns | {"predicted": np.where(random.random(rows) < 0.1 + 0.2 * night, ~columns["approved"], columns["approved"])})
    notes: list[str] = []
    given = {"model": "loads", "label": "approved", "prediction": "predicted", "time": "at"}
    plain = infer(table, **given, tell=notes.append)
    (hint,) = [note for note in notes if "--hours" in note]
    assert hint == "hours of the week differ in 1 of the features, most in 'load' (0.43 sigma); with --hours each is compared with its own"
    found = infer(table, **given, hours=True)
    assert (plain.reference.kind, found.reference.kind) == ("declared", "hour_of_week")
    profile = found.reference.profile
    assert profile is not None
    assert profile.error_hours is not None
    errors = unpacked(profile.error_hours)
    assert errors.sum(axis=0).tolist() == [rows, (table.columns["approved"] != table.columns["predicted"]).sum()]
    load = profile.features["load"]
    assert load.hours is not None
    assert unpacked(load.hours)[:, 0].tolist() == np.bincount(hour_of_week(at), minlength=HOURS).tolist()
    assert parse_specification(format_specification(found)) == found
    assert infer(table, **given, base=found) == found
    with pytest.raises(SettingsError, match="rows of a week"):
        infer(table, **given, hours=True, periods=[DAY])


def test_a_wrong_column_name_is_answered_with_the_columns() -> None:
    with pytest.raises(SettingsError, match=r"loans.csv: no column 'aproved'; it has: row, application"):
        infer(loans(), model="loans", label="aproved")


def test_a_score_that_is_no_probability_is_refused() -> None:
    truth = np.array(["no", "yes"] * 100, object)
    table = Table(source="loans.csv", columns={"x": np.linspace(0, 1, 200), "score": np.linspace(-3, 3, 200), "label": truth, "prediction": truth})
    with pytest.raises(SettingsError, match=r"loans.csv: the score is a probability, from 0 to 1, got column 'score' with -3 to 3; name the column"):
        infer(table, model="loans", label="label", prediction="prediction", score="score")


@pytest.mark.parametrize(("rows", "estimated"), [(60, False), (400, True)])
def test_performance_is_not_estimated_by_a_handful_of_rows_and_that_is_told(rows: int, estimated: bool) -> None:
    random, notes = np.random.default_rng(2), []
    truth = random.choice(np.array(["a", "b", "c"], object), rows)
    table = Table(source="t.csv", columns={"x": random.normal(size=rows), "truth": truth, "said": np.where(random.random(rows) < 0.8, truth, "a")})
    assert infer(table, model="m", label="truth", prediction="said", tell=notes.append).estimate_performance == estimated
    assert any("performance is not estimated" in note and "there are 60" in note for note in notes) != estimated


def test_settings_of_a_base_specification_are_kept() -> None:
    base = parse_specification("model: old\npane: 1m\nfalse_alarms: 2 per 7d\n")
    found = infer(loans(), model="loans", label="approved", time="at", base=base)
    assert (found.model, found.pane, str(found.false_alarms)) == ("loans", 60_000, "2 per 7d")
    assert found.events_per_pane == pytest.approx(60_000 * 100 / DAY, rel=1e-4)


def test_what_a_base_declares_of_features_is_kept_and_the_rest_comes_from_the_table() -> None:
    base = parse_specification(
        "model: loans\nsegments: [city]\nreference: {kind: previous_period, period: 7d}\nfeatures:\n"
        "  salary: {minimum: 0, max_missing: 0.1, importance: 3}\n  age: {type: categorical, categories: [adult]}\n  row: {}\n  gone: {maximum: 5}\n"
    )
    notes: list[str] = []
    found = infer(loans(), model="loans", label="approved", base=base, tell=notes.append)
    assert {name: found.features[name] for name in ("salary", "age", "row")} == {name: base.features[name] for name in ("salary", "age", "row")}
    assert found.features["employed"].type == "categorical"
    assert "gone" not in found.features
    assert "declared before, but no feature in this table, so no longer watched: gone" in notes
    assert (found.segments, found.reference.kind, found.reference.period) == (("city",), "previous_period", 7 * DAY)
    profile = found.reference.profile
    assert profile is not None
    assert profile.features["age"].kind == "categorical"


def test_what_cannot_be_asked_for_together_is_refused_in_a_line() -> None:
    with pytest.raises(SettingsError, match=r"segments: segments must be named once each, got city, city"):
        infer(loans(), model="loans", segments=["city", "city"])
    with pytest.raises(SettingsError, match=r"cycles of 1d and 12h have a wave in common.*leave 12h out"):
        infer(loans(), model="loans", time="at", periods=[DAY, DAY // 2])


def test_the_class_of_the_score_can_be_named() -> None:
    assert infer(loans(), model="loans", label="approved", positive="false").positive_class == "false"


@pytest.mark.parametrize("asked", [{"periods": [DAY], "segments": ["city"]}, {"correlation": ["amount", "salary"], "anomalies": True, "positive": "false"}])
def test_an_inferred_specification_survives_its_file_and_is_a_base_that_changes_nothing(asked: dict[str, Any]) -> None:
    found = infer(loans(), model="loans", label="approved", prediction="predicted", time="at", **asked)
    again = parse_specification(format_specification(found))
    assert again.digest == found.digest
    assert infer(loans(), model="loans", label="approved", prediction="predicted", time="at", base=again) == again


def test_the_estimate_of_the_state_grows_with_what_is_kept() -> None:
    found = infer(loans(), model="loans", label="approved", time="at")
    assert state_bytes(found, partitions=8) > state_bytes(found)
    assert state_bytes(MonitorSpecification(model="m")) > 1_000_000 * 64
    assert state_bytes(found) < 1_000_000  # a hundred events a day wait for a week


def test_a_sampled_table_is_a_reference_in_the_proportions_of_all_of_the_traffic() -> None:
    random = np.random.default_rng(11)
    wrong = random.random(20_000) < 0.1
    fraction = np.where(wrong, 1.0, 0.1)
    kept = random.random(20_000) < fraction
    label = np.array(["no", "yes"], object)[(random.random(20_000) < 0.5).astype(int)]
    said = np.where(wrong, np.where(label == "no", "yes", "no"), label)
    columns = {"age": random.normal(size=20_000) + wrong, "label": label, "said": said, "share": fraction}
    table = Table(source="sampled.csv", columns=columns).take(kept)
    notes: list[str] = []
    specification = infer(table, model="m", label="label", prediction="said", sampling_fraction="share", tell=notes.append)
    profile = specification.reference.profile
    assert profile is not None
    assert profile.performance is not None
    assert specification.sampling == "weighted"
    assert list(profile.features) == ["age"]
    assert profile.performance.loss == pytest.approx(0.1, abs=0.025)  # among the rows it is .53
    assert any("in the proportions of all of the traffic" in note for note in notes)
    assert infer(table.take(kept[kept] & (fraction[kept] < 1)), model="m", label="label", prediction="said").sampling == "ignored"
