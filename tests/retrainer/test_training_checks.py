"""Challengers that were trained on rows nobody should trust, or that answer to other names than what serves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.event_batch import Column
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion
from retrainer.checks import Check
from retrainer.loop import RetrainLoop
from retrainer.messages import Cause
from retrainer.registry.files import FilesRegistry
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.training_checks import training_checks
from retrainer.training_set import TrainingSet, choose
from retrainer.versions import Version
from tests.retrainer.closed_loop import run
from tests.retrainer.concepts import specification, stream, table


class Answers:
    """A model that gives what it is told to."""

    def __init__(self, answers: Column) -> None:
        self.answers = answers

    def predict(self, features: dict[str, Column]) -> Column:
        return np.resize(self.answers, len(next(iter(features.values()))))

    def score(self, features: dict[str, Column]) -> Column:
        return np.full(len(next(iter(features.values()))), np.nan)

    def artifact(self) -> bytes:
        return b""


YES_NO = np.array(["yes", "no"], object)


def rows(n: int = 400, **features: Column) -> Examples:
    found = stream([(n, "old")], Answers(YES_NO))  # type: ignore[arg-type]
    return replace(found, features=found.features | features)


def trained(examples: Examples) -> TrainingSet:
    return choose(examples, Cause(cause="a1", kind="drift", since=0, targets=(1,)), window=10_000, max_rows=10_000, min_per_class=20)


CHAMPION = trained(rows()).lineage("t")


def found(examples: Examples, *, champion: dict[str, Any] = CHAMPION, answers: Column = YES_NO, target: int = 400, spec: MonitorSpecification | None = None) -> dict[str, Check]:
    checks = training_checks(trained(examples), Answers(answers), target=target, champion=champion, specification=spec or specification())
    return {check.name: check for check in checks}


def test_rows_like_the_champions_pass_every_check() -> None:
    checks = found(rows())
    assert {check.state for check in checks.values()} == {"passed"}
    assert set(checks) == {"training rows", "training values", "training classes", "schema features", "schema classes"}


def test_a_column_that_tells_the_label_is_a_leak_only_where_none_did_before() -> None:
    plain = rows()
    leaking = rows(city=plain.label)
    assert found(leaking)["training leakage"].state == "failed"
    assert "city alone tells the label of all 400" in found(leaking)["training leakage"].reason
    assert found(leaking, champion=trained(leaking).lineage("t"))["training leakage"].state == "passed"
    assert found(leaking, champion={})["training leakage"].state == "insufficient"


@pytest.mark.parametrize(("share", "state"), [(0.0, "passed"), (0.1, "insufficient"), (0.5, "failed")])
def test_a_column_that_lacks_far_more_values_than_the_champions_is_told(share: float, state: str) -> None:
    examples = rows()
    lacking = np.random.default_rng(3).random(400) < share
    check = found(rows(x=np.where(lacking, np.nan, examples.features["x"])))["training values"]
    assert check.state == state
    assert check.value == pytest.approx(lacking.mean())
    if share:
        assert check.reason.startswith(f"training values: x lacks {lacking.mean():.1%} of its 400 values")


def test_missing_values_that_are_declared_or_were_the_champions_are_expected() -> None:
    half = np.where(np.arange(400) % 2, np.nan, 1.0)
    assert found(rows(x=half))["training values"].state == "failed"
    assert found(rows(x=half), champion=trained(rows(x=half)).lineage("t"))["training values"].state == "passed"
    features = {"x": {"max_missing": 0.5}, "y": {}, "city": {"type": "categorical"}}
    assert found(rows(x=half), spec=MonitorSpecification.model_validate({"model": "loans", "features": features}))["training values"].state == "passed"


def test_a_class_that_the_champion_knows_and_the_rows_hardly_show_is_told() -> None:
    examples = rows()
    rare = replace(examples, label=np.where(np.arange(400) < 5, "yes", "no").astype(object))
    check = found(rare)["training classes"]
    assert (check.state, check.value, check.limit) == ("failed", 5, 20)
    assert "5 rows of class yes" in check.reason
    assert "training classes" not in found(rare, champion={})


def test_rows_that_were_mostly_left_out_are_too_few() -> None:
    examples = rows()
    known = replace(examples, labelled_at=np.where(np.arange(400) < 250, examples.predicted_at - 1, examples.labelled_at))
    check = found(known)["training rows"]
    assert (check.state, check.value, check.limit) == ("failed", 150, 400)
    assert "250 rows were left out" in check.reason


def test_columns_and_classes_that_nobody_declared_are_another_schema() -> None:
    examples = rows()
    more = found(rows(extra=np.zeros(400)))["schema features"]
    assert (more.state, more.reason) == ("failed", "schema features: trained with extra, which the monitor does not have")
    less = found(replace(examples, features={"x": examples.features["x"]}))["schema features"]
    assert less.reason == "schema features: trained without city, y of the monitor"
    undeclared = MonitorSpecification(model="loans")
    assert found(rows(extra=np.zeros(400)), spec=undeclared)["schema features"].reason.endswith("which the champion does not have")
    assert "schema features" not in found(examples, spec=undeclared, champion={})
    strange = found(examples, answers=np.array(["yes", "1"], object))["schema classes"]
    assert (strange.state, strange.reason) == ("failed", "schema classes: answers 1, known to neither the monitor nor the champion")
    assert found(examples, champion={})["schema classes"].state == "passed"


def test_a_better_challenger_that_learnt_from_a_column_half_of_which_went_missing_is_refused_with_that_reason(tmp_path: Path) -> None:

    trainer, registry = ScikitLearnTrainer(iterations=30), FilesRegistry(tmp_path)
    first = bootstrap_champion(*table(2_000, "old", 99), specification=specification(), trainer=trainer, registry=registry, at=0)
    model = registry.fetch(first[-1].uri, first[-1].digest)
    loop = RetrainLoop(specification(refresh=[200]), trainer, registry, records=first)
    examples = stream([(1_000, "old"), (2_000, "new")], model)
    gone = (np.arange(3_000) >= 1_000) & (np.arange(3_000) < 1_300) & (np.arange(3_000) % 2 == 0)
    examples = replace(examples, features=examples.features | {"x": np.where(gone, np.nan, examples.features["x"])})
    refused = [one for one in run(loop, examples) if isinstance(one, Version)]
    assert [one.status for one in refused] == ["registered", "rejected"]
    assert refused[-1].gate["wealth"] >= refused[-1].gate["threshold"]
    assert refused[-1].gate["reason"].startswith("training values: x lacks 5")
    registered = {check["name"]: check["state"] for check in refused[0].gate["checks"]}
    assert registered["training values"] == "failed"
    assert registered.items() <= {check["name"]: check["state"] for check in refused[-1].gate["checks"]}.items()
