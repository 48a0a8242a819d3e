"""Cells of values, and the texts of classes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.columns.binning import ColumnBins, encode, out_of_range
from detectors.columns.class_names import class_name, class_names
from detectors.panes.layout import column_size
from detectors.profile import CategoricalProfile, NumericProfile
from detectors.settings.feature import Feature

NUMERIC = NumericProfile(edges=(0.0, 1.0, 5.0), counts=(1, 1, 1, 1), scores=(-1.0, 0.0, 1.0, 2.0), mean=1.0, deviation=1.0, minimum=-1.0, maximum=6.0)
LEVELS = CategoricalProfile(levels=("a", "b", "c"), counts=(1, 1, 1))


@given(st.lists(st.one_of(st.floats(), st.just(float("nan"))), max_size=50))
def test_a_number_is_in_the_bin_whose_edges_surround_it(values: list[float]) -> None:
    edges = [-np.inf, *NUMERIC.edges, np.inf]
    for value, cell in zip(values, encode(np.array(values, float), NUMERIC).tolist(), strict=True):
        if np.isnan(value):
            assert cell == 4
        else:
            assert edges[cell] <= value
            assert value < edges[cell + 1] or value == np.inf


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d", ""]))))
def test_a_level_is_at_its_place_and_the_rest_is_unseen_or_missing(values: list[str | None]) -> None:
    expected = [4 if value is None else ("a", "b", "c").index(value) if value in {"a", "b", "c"} else 3 for value in values]
    assert encode(CodedText.of(values), LEVELS).tolist() == expected


def test_the_block_has_a_cell_for_everything() -> None:
    for profile, missing in ((NUMERIC, 4), (LEVELS, 4)):
        bins = ColumnBins(profile)
        assert (bins.size, bins.missing) == (column_size(profile), missing)


def test_a_value_on_the_bound_is_in_range_and_a_missing_one_breaks_nothing() -> None:
    column = np.array([0.0, 10.0, -0.1, 10.1, np.nan])
    assert out_of_range(column, Feature(minimum=0, maximum=10)).tolist() == [False, False, True, True, False]
    assert not out_of_range(column, Feature()).any()


@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), st.text(max_size=3))))
def test_a_column_of_classes_reads_like_its_values_one_by_one(values: list[object]) -> None:
    column = np.empty(len(values), object)
    column[:] = values
    assert class_names(column).tolist() == [class_name(value) for value in values]


def test_one_class_has_one_name_in_whatever_type_it_came() -> None:
    same = [np.array([1, 0]), np.array([1.0, 0.0]), np.array([1, 0], np.uint8), np.array([1, 0], object), np.array(["1", "0"]), np.array([np.float32(1), np.int8(0)], object)]
    assert all(class_names(column).tolist() == ["1", "0"] for column in same)
    assert class_names(np.array([True, False])).tolist() == ["true", "false"]
    assert class_names(np.array([True, np.False_, np.nan], object)).tolist() == ["true", "false", None]


def test_a_large_number_keeps_its_digits() -> None:
    assert class_name(2**60) == str(2**60)
    assert class_name(1e300) == "1e+300"
    assert class_name(float("inf")) == "inf"
