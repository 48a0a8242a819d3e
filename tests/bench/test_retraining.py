"""The bench of retraining: every policy sees a label when it is known and not before, the loop is the real one, and what is missed is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.markdown import written
from bench.retraining.__main__ import main
from bench.retraining.baselines import BASELINES, FOREST, OnAdwin, OnDdm, Policy, adaptive_forest, measured, retrained
from bench.retraining.ours import CountingTrainer, adaptive, inferred, looped
from bench.retraining.page import PAGE, table
from bench.retraining.streams import FILES, GENERATORS, LABEL, Stream, generated
from bench.retraining.table import ADAPTIVE, EVERY, ROWS, SINGLE
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from streams.tables import Table

TRAINER = ScikitLearnTrainer(iterations=5)


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_changes_in_the_middle_of_what_is_predicted(name: str) -> None:
    for change in ("abrupt", "gradual"):
        stream = generated(name, change, rows=100)
        again = generated(name, change, rows=100)
        assert len(stream) == 100
        assert stream.known == 20
        assert all(column.tolist() == again.table.columns[column_name].tolist() for column_name, column in stream.table.columns.items())


def _turned(rows: int) -> Stream:
    """The label is the feature's sign, and its opposite in the second half."""
    x = np.random.default_rng(1).normal(size=rows)
    return Stream(
        name="turned", task="classification", table=Table(source="turned", columns={"x": x, LABEL: np.where((x > 0) ^ (np.arange(rows) >= rows // 2), "b", "a").astype(object)})
    )


def test_a_policy_learns_from_labels_that_are_known_and_no_others() -> None:
    stream, seen = _turned(400), []

    class Noting:
        def learn_from(self, error: float) -> int:
            seen.append(error)
            return 0

    found = retrained(stream, 150, inferred(stream), TRAINER, Noting())
    assert len(seen) == 400 - stream.known - 150
    assert found.fits == 0
    assert sum(seen[:100]) < 5
    assert found.loss == pytest.approx(200 / 320, abs=0.02)


@pytest.mark.parametrize("policy", [OnAdwin(), OnDdm()], ids=["adwin", "ddm"])
def test_naive_policies_train_on_what_came_since_the_change(policy: Policy) -> None:
    asked = [policy.learn_from(float(error)) for error in [0] * 290 + [1, 0] * 5 + [1] * 300]
    assert 0 < max(asked) <= 400


def test_the_loop_of_the_bench_is_the_real_one_beside_five_others() -> None:
    stream = _turned(3_000)
    specification = inferred(stream)
    found = {name: measured(name, stream, 0, specification, TRAINER) for name in BASELINES if name != FOREST}
    single = looped(stream, 0, specification, TRAINER)
    assert single.static == pytest.approx(found["static"].loss)
    assert single.alerts >= 1
    assert single.fits >= 1
    assert found[EVERY].fits == 4
    assert max(found[EVERY].loss, single.loss) < single.static
    assert adaptive(specification).retrain.champion == "adaptive"
    assert CountingTrainer(TRAINER).fits == 0


def test_the_forest_learns_from_each_label_when_it_is_known() -> None:
    stream = _turned(400)
    at_once, late, never = (adaptive_forest(stream, delay, inferred(stream)).loss for delay in (0, 100, 400))
    assert at_once < late < never


def test_what_is_missed_is_said() -> None:
    row = next(row for row in ROWS if row.stream == "sea-abrupt")
    found = {name: {"loss": 0.2, "fits": 16 if name == EVERY else 0} for name in BASELINES}
    assert row.missed(found | {SINGLE: {"loss": 0.209, "fits": 5}, ADAPTIVE: {"loss": 0.209, "fits": 5}}) == []
    assert row.missed(found | {SINGLE: {"loss": 0.22, "fits": 6}}) == ["single: 6 fits, at most 5.33", "single: .790 wanted"]
    bike = next(row for row in ROWS if row.task == "regression")
    assert bike.missed(found | {"static": {"loss": 70.0, "fits": 0}, SINGLE: {"loss": 64.0, "fits": 1}}) == ["single: 63.0 wanted"]
    assert bike.missed(found | {ADAPTIVE: {"loss": 0.21, "fits": 1}}) == ["adaptive: 0.2 wanted"]


def test_a_stream_whose_file_is_not_named_is_left_out_with_a_word(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--row", "electricity", "--out", str(tmp_path / "r.json")]) == 0
    assert "--data electricity=PATH" in capsys.readouterr().err
    assert main(["--row", "bike", "--data", f"bike_sharing={tmp_path}/none.csv", "--out", str(tmp_path / "r.json")]) == 0
    assert "there is no" in capsys.readouterr().err
    assert set(FILES) <= {row.stream for row in ROWS}


def test_the_page_has_a_place_for_the_table() -> None:
    assert "| stream/delay |" in written(PAGE.read_text(), "table", table({}), by="bench.retraining.page")
