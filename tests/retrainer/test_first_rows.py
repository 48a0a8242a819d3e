"""What later trainings know of the rows that the first champion was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.rows.examples import Examples
from retrainer.bootstrap import bootstrap_champion
from retrainer.first_rows import HeldRows, first_rows
from retrainer.loop import RetrainLoop
from retrainer.registry.files import FilesRegistry
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.training_set import choose_again, digest
from retrainer.versions import Version
from tests.retrainer.concepts import alert, specification, stream, table

TRAINER = ScikitLearnTrainer(iterations=5)
ROWS = 300  # of the first champion
MINE = {"policy": "never", "new_labels": 200, "refresh": [200]}


@pytest.fixture(scope="module")
def held() -> HeldRows:
    return HeldRows()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> FilesRegistry:
    return FilesRegistry(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def first(registry: FilesRegistry, held: HeldRows) -> list[Version]:
    return bootstrap_champion(*table(ROWS, "old", 99), specification=specification(), trainer=TRAINER, registry=registry, at=0, source="loans.csv", keep=held.keep)


@pytest.fixture(scope="module")
def rows(registry: FilesRegistry, first: list[Version]) -> Examples:
    return stream([(200, "old")], registry.fetch(first[0].uri, first[0].digest))


def trained(loop: RetrainLoop, rows: Examples) -> Version:
    return next(one for one in loop.on_examples(rows) if isinstance(one, Version))


def test_a_training_without_a_change_begins_with_them_and_is_named_by_both(tmp_path: Path, held: HeldRows, first: list[Version], rows: Examples) -> None:
    loop = RetrainLoop(specification(**MINE, window=450), TRAINER, FilesRegistry(tmp_path), records=first, kept=held.rows_of)
    told = trained(loop, rows).trained_on
    assert (told["rows"], told["offsets"]["-1"], told["offsets"]["0"]) == (450, [ROWS - 250, ROWS - 1], [0, 49])
    assert told["before"] == {"version": "1", "topic": "loans.csv", "digest": first[0].trained_on["digest"], "rows": ROWS}
    assert held.rows is not None
    backwards = Examples.concatenate([rows, held.rows]).take(slice(None, None, -1))
    assert digest(choose_again(backwards, told).examples) == told["digest"]


def test_they_have_the_room_that_the_bound_of_a_training_set_leaves(tmp_path: Path, held: HeldRows, first: list[Version], rows: Examples) -> None:
    loop = RetrainLoop(specification(**MINE, quotas={"max_rows": 210}), TRAINER, FilesRegistry(tmp_path), records=first, kept=held.rows_of)
    told = trained(loop, rows).trained_on
    assert (told["rows"], told["offsets"]["-1"]) == (210, [ROWS - 10, ROWS - 1])


def test_what_is_trained_on_the_time_after_a_change_has_none_of_them(tmp_path: Path, held: HeldRows, first: list[Version], rows: Examples) -> None:
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(tmp_path), records=first, kept=held.rows_of)
    loop.on_alert(alert("a1", 0), 0)
    told = trained(loop, rows).trained_on
    assert (told["rows"], "-1" in told["offsets"], "before" in told) == (200, False, False)


def test_where_they_are_not_kept_a_training_has_the_labelled_events_alone(tmp_path: Path, first: list[Version], rows: Examples) -> None:
    told = trained(RetrainLoop(specification(**MINE), TRAINER, FilesRegistry(tmp_path), records=first), rows).trained_on
    assert (told["rows"], "before" in told, "warnings" in told) == (200, False, False)


def test_rows_with_other_columns_are_left_out_and_a_version_says_so(tmp_path: Path, held: HeldRows, first: list[Version], rows: Examples) -> None:
    other = replace(rows, features=rows.features | {"age": np.zeros(len(rows))})
    told = trained(RetrainLoop(specification(**MINE), TRAINER, FilesRegistry(tmp_path), records=first, kept=held.rows_of), other).trained_on
    assert told["rows"] == 200
    assert told["warnings"] == [f"the {ROWS} rows that version 1 was trained on are left out: age is not there what it is in the labelled events"]


def test_a_champion_that_was_trained_on_labelled_events_has_no_others(held: HeldRows, first: list[Version], rows: Examples) -> None:
    elsewhere = [Version(model="loans", version="1", status="promoted", at=0, trained_on={"topic": "inference.events", "offsets": {"0": [0, 9]}})]
    assert first_rows(elsewhere, held.rows_of, rows).rows is None
    assert first_rows(first, held.rows_of, rows).rows is held.rows
