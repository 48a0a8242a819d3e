import numpy as np
import pytest

from detectors.alerts.slices import FEWEST, MOST, worst_slices
from detectors.coded_text import CodedText
from tests.detectors.reference_samples import categorical_profile, numeric_profile

U = (np.arange(5_000) + 0.5) / 5_000
PROFILES = {"age": numeric_profile(U), "city": categorical_profile({"Oslo": 0.3, "Rome": 0.3, "Ulm": 0.4}), "even": numeric_profile(np.repeat([0.0, 1.0], 2_500))}


def rows(seed: int, n: int = 4_000) -> tuple[dict, dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    values = {"age": generator.random(n), "city": generator.choice(["Oslo", "Rome", "Ulm"], n, p=[0.3, 0.3, 0.4]), "even": generator.integers(0, 2, n).astype(float)}
    return {name: (CodedText.of(values[name].tolist()) if name == "city" else values[name], profile) for name, profile in PROFILES.items()}, values


def test_a_slice_of_one_column_is_found_with_its_figures_and_nothing_is_added_to_it() -> None:
    columns, values = rows(1)
    wrong = np.random.default_rng(2).random(4_000) < np.where(values["city"] == "Rome", 0.3, 0.1)
    (found,) = worst_slices(columns, wrong)
    assert found.where == ("city = Rome",)
    assert (found.n, found.wrong) == ((values["city"] == "Rome").sum(), wrong[values["city"] == "Rome"].sum())
    assert found.interval[0] < 0.3 < found.interval[1]
    assert found.elsewhere == wrong[values["city"] != "Rome"].mean()


def test_a_slice_of_two_columns_is_found_by_its_two_conditions() -> None:
    columns, values = rows(3)
    both = (values["age"] < 7 / 32) & (values["city"] == "Ulm")
    found = worst_slices(columns, np.random.default_rng(4).random(4_000) < np.where(both, 0.6, 0.1))
    assert max(found, key=lambda one: one.share).where == ("age < 0.2188", "city = Ulm")  # a fifth of the reference, to whole bins


def test_missing_unseen_and_discrete_values_are_parts_of_their_own() -> None:
    columns, values = rows(5)
    age, city = np.where(U[:4_000] < 0.1, np.nan, values["age"]), np.where(U[:4_000] > 0.7, "Bonn", values["city"])
    columns |= {"age": (age, PROFILES["age"]), "city": (CodedText.of(city.tolist()), PROFILES["city"])}
    wrong = np.random.default_rng(6).random(4_000) < 0.05 + 0.4 * np.isnan(age) + 0.4 * (city == "Bonn") + 0.3 * values["even"]
    assert {condition for one in worst_slices(columns, wrong) for condition in one.where} >= {"age missing", "city unseen", "even >= 0.5"}


def test_where_errors_are_everywhere_alike_hardly_ever_a_slice_is_told() -> None:
    told = 0
    for seed in range(150):
        columns, _ = rows(100 + seed, n=1_000)
        told += bool(worst_slices(columns, np.random.default_rng(seed).random(1_000) < 0.2))
    assert told / 150 <= 0.05


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_model_that_is_never_or_always_wrong_has_no_worst_slice(share) -> None:
    columns, _ = rows(7)
    assert worst_slices(columns, np.random.default_rng(8).random(4_000) < share) == ()


def test_few_rows_are_no_slice_and_few_slices_are_told() -> None:
    columns, values = rows(9, n=2 * FEWEST - 1)
    assert worst_slices(columns, values["even"] == 1) == ()
    columns, values = rows(10)
    many = {f"{name}{copy}": column for copy in range(6) for name, column in columns.items()}
    assert len(worst_slices(many, np.random.default_rng(11).random(4_000) < np.where(values["city"] == "Oslo", 0.4, 0.1))) == MOST
