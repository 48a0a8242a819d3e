"""Rows of many models in one batch: cut or put together, each stays with its model and in its order."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.event_batch import EventBatch, order_of
from tests.detectors.event_samples import fetch, prediction

owners = st.lists(st.sampled_from([f"m{number}" for number in range(20)]), min_size=1, max_size=30)


def mixed(models: list[str], first: int) -> EventBatch:
    sent = [prediction(place, at=place, age=float(place), version=f"v{place}") for place in range(first + len(models))]
    return replace(fetch(sent, first=first).batches[0], model="", models=CodedText.of(models))


@given(st.lists(owners, min_size=1, max_size=3))
def test_each_model_gets_its_rows_in_the_order_of_the_log(parts: list[list[str]]) -> None:
    firsts = np.cumsum([0, *map(len, parts)]).tolist()
    whole = EventBatch.concatenate([mixed(models, first) for models, first in zip(parts, firsts[:-1], strict=True)])
    expected: dict[str, list[int]] = {}
    for place, model in enumerate(model for part in parts for model in part):
        expected.setdefault(model, []).append(place)
    by_model = whole.by_model()
    assert {one.model: one.offset.tolist() for one in by_model} == expected
    for one in by_model:
        assert one.models is None
        assert one.feature("age").tolist() == expected[one.model]
        assert one.version.to_text().tolist() == [f"v{place}" for place in expected[one.model]]


@given(owners, st.data())
def test_rows_that_are_taken_stay_with_their_models(models: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(models) - 1), max_size=10))
    taken = mixed(models, 0).take(np.array(rows, np.int64))
    assert taken.models is not None
    assert taken.models.to_text().tolist() == [models[row] for row in rows]


def test_a_batch_of_one_model_is_its_own_part() -> None:
    (alone,) = fetch([prediction(0, at=0)]).batches
    assert alone.by_model() == [alone]


@given(st.lists(owners, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_parts_that_are_put_together_in_an_order_have_the_rows_of_the_whole(parts: list[list[str]], random: Random) -> None:
    firsts = np.cumsum([0, *map(len, parts)]).tolist()
    batches = [mixed(models, first) for models, first in zip(parts, firsts[:-1], strict=True)]
    batches = [replace(batch, numeric=np.asfortranarray(np.c_[batch.numeric, -batch.numeric]), numeric_names=("age", "other")) for batch in batches]
    order = np.array(random.sample(range(firsts[-1]), firsts[-1]), np.int64)
    expected, got = EventBatch.concatenate(batches).take(order), EventBatch.concatenate(batches, order)
    assert got.numeric.tolist() == expected.numeric.tolist()
    assert got.offset.tolist() == expected.offset.tolist()
    assert got.version.to_text().tolist() == expected.version.to_text().tolist()
    assert got.model_of.to_text().tolist() == expected.model_of.to_text().tolist()


def test_rows_are_ordered_by_place_and_those_of_one_place_stay_as_they_are() -> None:
    assert order_of(np.array([2, 0, 2, 1, 0], np.int32)).tolist() == [1, 4, 3, 0, 2]
    assert order_of(np.array([70_000, 0, 70_000], np.int32)).tolist() == [1, 0, 2]
