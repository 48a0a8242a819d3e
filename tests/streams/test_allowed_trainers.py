"""A trainer that came by Kafka: no code runs that nobody allowed, and one that cannot be had harms its own model alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from detectors.errors import SettingsError
from detectors.settings.stored import STORED
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion, table_examples
from retrainer.loop import RetrainLoop
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import TrainingContext, TrainingError, trainer_named
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Version
from streams.allowed_trainers import RefusedTrainer, TrainerSettings, trainer_for
from streams.monitor_file import parse_specification
from tests.retrainer.concepts import alert, specification, stream, table

NO_ROWS = table_examples(*table(0, "old", 1), model="loans", at=0)


@pytest.mark.parametrize(
    ("trainer", "told"),
    [
        ("sckit-learn", "did you mean 'scikit-learn'?"),
        ("'acme.train: fit'", "'module:function' or 'command: PROGRAM', got"),
        ("'command: '", "names no program"),
        ('"command: python \'train.py"', "no closing quotation"),
    ],
)
def test_a_trainer_that_cannot_be_meant_is_refused_where_the_monitor_is_read(trainer: str, told: str) -> None:
    with pytest.raises(SettingsError, match=r"monitor.yaml:3: retrain.trainer: ") as refused:
        parse_specification(f"model: m\nretrain:\n  trainer: {trainer}\n")
    assert told in str(refused.value)


@pytest.mark.parametrize("trainer", ["evil:fit", "command: touch PLACE"])
def test_nothing_of_a_users_own_runs_unless_it_is_listed(trainer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DRIFTWARDEN_TRAINER_MODULES", "DRIFTWARDEN_TRAINER_COMMANDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    place = tmp_path / "owned"
    (tmp_path / "evil.py").write_text(f"open({str(place)!r}, 'w')\ndef fit(matrix, label, context): ...")
    spec = specification(trainer=trainer.replace("PLACE", str(place)), refresh=[60])
    registry = FilesRegistry(tmp_path)
    first = bootstrap_champion(*table(200, "old", 99), specification=spec, trainer=ScikitLearnTrainer(iterations=10), registry=registry, at=0)
    model = registry.fetch(first[-1].uri, first[-1].digest)
    loop = RetrainLoop(spec, trainer_for(spec, TrainerSettings()), registry, records=first)
    rows = stream([(50, "old"), (100, "new")], model)
    said = loop.on_examples(rows.take(slice(0, 60))) + loop.on_alert(alert("a1", int(rows.labelled_at[50])), int(rows.labelled_at[60])) + loop.on_examples(rows)
    rejected = [one for one in said if isinstance(one, Version)]
    assert [(one.version, one.status) for one in rejected] == [("2", "rejected")]
    assert rejected[0].gate["reason"].startswith(f"training failed: retrain.trainer {spec.retrain.trainer!r} may not be")
    assert "set DRIFTWARDEN_TRAINER_" in rejected[0].gate["reason"]
    assert loop.champion == first[-1]
    assert not place.exists()
    assert "evil" not in sys.modules


def test_what_is_listed_is_the_trainer_and_what_cannot_be_loaded_fails_each_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWARDEN_TRAINER_MODULES", "tests.streams.tree_trainer, missing")
    settings = TrainerSettings(commands="python train.py --depth 3; Rscript train.R *", environment="CUDA_VISIBLE_DEVICES")
    for name in ("tests.streams.tree_trainer:fit", "command: python  'train.py' --depth 3", "scikit-learn"):
        assert trainer_for(specification(trainer=name), settings) == trainer_named(name, variables=("CUDA_VISIBLE_DEVICES",))
    for name in (
        "missing:fit",
        "tests.streams.retraining_stream:fit",
        "command: python train.py --depth 4",
        "command: Rscript other.R",
        "command: python",
        "sckit-learn",
        "command:",
        "command: '",
    ):
        applied_before = MonitorSpecification.model_validate({"model": "loans", "retrain": {"trainer": name}}, context=STORED)
        trainer = trainer_for(applied_before, settings)
        assert isinstance(trainer, RefusedTrainer)
        with pytest.raises(TrainingError, match=r"retrain\.trainer"):
            trainer.train(NO_ROWS, specification(), TrainingContext())


def test_commands_that_cannot_be_taken_apart_are_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="DRIFTWARDEN_TRAINER_COMMANDS are commands as for a shell"):
        TrainerSettings(commands="python 'train.py")
