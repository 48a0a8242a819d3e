"""A table over a grid against numpy's search, which it must equal in every value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.columns import grid_bins
from detectors.columns.grid_bins import GridBins, add_together, cells_together

numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(-3, 3, width=16), st.integers(-5, 5).map(float))
columns = st.lists(st.lists(numbers, unique=True, max_size=12).map(sorted), min_size=1, max_size=5)


def searched(edges: list[list[float]], starts: list[int], matrix: np.ndarray) -> np.ndarray:
    columns = [
        start + np.where(np.isnan(matrix[:, place]), len(one) + 1, np.searchsorted(one, matrix[:, place], side="right"))
        for place, (one, start) in enumerate(zip(edges, starts, strict=True))
    ]
    return np.column_stack(columns)


def compare(edges: list[list[float]], matrix: np.ndarray) -> None:
    starts = np.cumsum([0, *(len(one) + 3 for one in edges)])[:-1].tolist()
    bins = GridBins([np.array(one, float) for one in edges], starts)
    wanted = searched(edges, starts, matrix)
    np.testing.assert_array_equal(bins.cells(matrix), wanted)
    times, size = len(bins.table) // matrix.size + 1, starts[-1] + len(edges[-1]) + 3
    for often in (1, times):  # few values are counted by cell, and many by place
        np.testing.assert_array_equal(bins.counts(np.tile(matrix, (often, 1)), size), often * np.bincount(wanted.ravel(), minlength=size))


@settings(max_examples=300)
@given(columns, st.data())
@example([[-1.7976931348623157e308, 1.7976931348623157e308]], None)
@example([[0.0, 5e-324, 1.0]], None)
@example([[5e-324, 1e-323, 2e-323]], None)
@example([[1.0, np.nextafter(1.0, 2.0)]], None)
@example([[], [7.0], [-1e300], [-0.0]], None)
def test_every_value_is_in_the_bin_that_a_search_finds(edges: list[list[float]], data: st.DataObject | None) -> None:
    with np.errstate(over="ignore"):
        near = [value for one in edges for edge in one for value in (edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf))]
    values = [*near, 0.0, -0.0, np.nan, np.inf, -np.inf, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324]
    if data is not None:
        values += data.draw(st.lists(st.floats(), max_size=10))
    compare(edges, np.repeat(np.array(values)[:, None], len(edges), axis=1))


kinds = st.sampled_from([np.int8, np.int64, np.uint16, np.float16, np.float32, np.float64])


@settings(max_examples=200)
@given(kinds, st.data())
def test_counts_are_those_of_numpys_histogram_for_numbers_of_every_type_with_edges_among_them(kind: type, data: st.DataObject) -> None:
    values = data.draw(arrays(kind, st.integers(1, 60))).astype(np.float64)
    usual = values[np.isfinite(values)]
    edges = np.unique(data.draw(st.lists(st.sampled_from(usual.tolist()), max_size=20))) if len(usual) else np.empty(0)  # values occur more than once, edges do not
    often = 200
    with np.errstate(invalid="ignore"):
        wanted, _ = np.histogram(values[~np.isnan(values)], [-np.inf, *edges, np.inf])
    counts = GridBins([edges], starts=[0]).counts(np.repeat(values, often)[:, None], len(edges) + 2)
    np.testing.assert_array_equal(counts, often * np.array([*wanted, np.isnan(values).sum()]))


def test_many_rows_and_few_of_any_number_of_columns_are_counted_alike() -> None:
    rng = np.random.default_rng(11)
    for width in (1, 3, 20, 700):
        edges = [np.unique(rng.normal(size=rng.integers(0, 9))) for _ in range(width)]
        starts = np.cumsum([0, *(len(one) + 2 for one in edges)]).tolist()
        bins = GridBins(edges, starts[:-1])
        matrix = rng.normal(size=(70_000 // width + 1, width))
        matrix[rng.random(matrix.shape) < 0.01] = np.nan
        cells = searched([one.tolist() for one in edges], starts[:-1], matrix)
        for rows in (0, 1, len(matrix) - 1, len(matrix)):
            np.testing.assert_array_equal(bins.counts(matrix[:rows], starts[-1]), np.bincount(cells[:rows].ravel(), minlength=starts[-1]))


def test_how_numpy_buffers_is_left_as_it_was() -> None:
    before = np.getbufsize()
    GridBins([np.array([0.0, 1.0])], [0]).cells(np.zeros((3, 1)))
    assert np.getbufsize() == before


def test_quantile_bins_of_every_kind_of_column_are_those_of_a_search() -> None:
    rng = np.random.default_rng(7)
    samples = [
        rng.normal(size=40_000),
        rng.lognormal(sigma=2, size=40_000),
        rng.standard_cauchy(size=40_000),
        rng.integers(0, 90, 40_000).astype(float),
        rng.random(40_000) * 1e-300,
    ]
    edges = [sorted(set(np.quantile(sample, np.linspace(0, 1, 65)[1:-1]).tolist())) for sample in samples]
    matrix = np.column_stack(samples)
    matrix[rng.random(matrix.shape) < 0.01] = np.nan
    compare(edges, matrix)
    compare(edges, np.asfortranarray(matrix[:1_003]))


@settings(max_examples=100)
@given(st.lists(st.tuples(columns, st.integers(0, 3)), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_rows_of_many_models_are_each_in_the_bin_of_their_own_model(models: list[tuple[list[list[float]], int]], random: object) -> None:
    edges = [[*one, [0.0], [-1.0, 1.0]][:2] for one, _ in models]
    bins = [GridBins([np.array(one, float) for one in mine], [0, len(mine[0]) + 3]) for mine in edges]
    matrices = [
        np.array([[random.choice([*mine[0], *mine[1], np.nan, np.inf, -np.inf, 0.5, 1e300]) for _ in range(2)] for _ in range(n)]).reshape(n, 2)
        for mine, (_, n) in zip(edges, models, strict=True)
    ]
    bounds = np.cumsum([0, *(n for _, n in models)]).tolist()
    owner = np.repeat(np.arange(len(models)), np.diff(bounds))
    together = cells_together(bins, owner, bounds, np.concatenate(matrices))
    np.testing.assert_array_equal(together, np.concatenate([one.cells(matrix) for one, matrix in zip(bins, matrices, strict=True)]))


@settings(max_examples=300)
@given(columns, st.lists(st.tuples(st.one_of(st.floats(), numbers), st.integers(0, 3)), max_size=40))
def test_compiled_counts_are_those_of_array_operations_in_every_cell(edges: list[list[float]], drawn: list[tuple[float, int]]) -> None:
    starts = np.cumsum([0, *(len(one) + 2 for one in edges)]).tolist()
    bins = GridBins([np.array(one, float) for one in edges], starts[:-1])
    assume(not bins.is_searched)
    with np.errstate(over="ignore"):
        near = [(value, 1) for one in edges for edge in one for value in (edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf))]
    rows = [*drawn, *near, (np.nan, 0), (np.inf, 2), (-np.inf, 3)]
    matrix, of = np.repeat(np.array([value for value, _ in rows])[:, None], len(edges), axis=1), np.array([group for _, group in rows])
    wanted = np.zeros((4, starts[-1]))
    np.add.at(wanted, (of[:, None], bins.cells(matrix)), 1)
    sums = np.full((4, starts[-1] + 2), 0.5)
    bins.add_counts(matrix, of, sums, 1)
    np.testing.assert_array_equal(sums[:, 1:-1] - 0.5, wanted)
    np.testing.assert_array_equal(sums[:, [0, -1]], 0.5)  # what is beside the cells is left as it was
    np.testing.assert_array_equal(np.bincount(bins.table, weights=bins._by_place(matrix), minlength=starts[-1]), wanted.sum(axis=0))


@pytest.mark.parametrize("alike", [True, False])
def test_many_rows_of_many_models_are_counted_together_as_each_model_counts_its_own(alike: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    each = [GridBins([(np.arange(9) + rng.random()) / 4 - 1, np.arange(5) - 2 * rng.random()], [0, 11]) for _ in range(20)]
    bins = each[:1] * 20 if alike else each
    matrix, bounds = rng.normal(size=(2_000, 2)), list(range(0, 2_001, 100))
    owner, of = np.repeat(np.arange(20), 100), rng.integers(0, 7, 2_000)
    monkeypatch.setattr(grid_bins, "MANY_VALUES", 1)
    sums, wanted = np.zeros((7, 18)), np.zeros((7, 18))
    assert add_together(bins, bounds, matrix, of, sums, 0)
    np.add.at(wanted, (of[:, None], cells_together(bins, owner, bounds, matrix)), 1)
    np.testing.assert_array_equal(sums, wanted)
    monkeypatch.setattr(grid_bins, "MANY_VALUES", matrix.size + 1)
    assert not add_together(bins, bounds, matrix, of, sums, 0)
    np.testing.assert_array_equal(sums, wanted)


def test_columns_whose_edges_are_too_close_for_a_grid_are_not_counted_by_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_bins, "MANY_VALUES", 1)
    close = GridBins([np.array([0.0, 5e-324, 1.0])], [0])
    assert close.is_searched
    assert not add_together([close], [0, 3], np.ones((3, 1)), np.zeros(3, np.int64), np.zeros((1, 5)), 0)
