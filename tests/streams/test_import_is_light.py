"""Applications import `streams` into their own process: it must be small there."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"faust", "mode", "aiokafka", "pandas", "sklearn", "scipy", "river", "pyarrow", "mlflow", "skops"}


def _modules_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())


def test_importing_streams_alone_imports_no_kafka_client_either() -> None:
    assert not _modules_after("import streams") & (HEAVY | {"kafka", "numpy", "pydantic"})


@pytest.mark.parametrize("name", ["Publisher", "AlertSubscriber", "ModelWatcher"])
def test_the_sdk_never_imports_the_worker_or_a_training_library(name: str) -> None:
    assert not _modules_after(f"from streams import {name}") & HEAVY


def test_a_worker_never_imports_what_only_files_trainings_and_scores_need() -> None:
    worker = "import streams.cli.worker, streams.worker, pyarrow; from streams.arrow_alone import without_pandas; without_pandas(); pyarrow.array(['a', None])"
    assert not _modules_after(worker) & {"pandas", "sklearn", "river", "mlflow", "skops", "scipy.optimize", "scipy.stats"}


def test_a_replay_without_retraining_never_imports_what_models_are_trained_with() -> None:
    assert not _modules_after("import streams.cli.replay") & {"pandas", "sklearn", "river", "mlflow", "skops", "scipy.stats"}


def test_a_replay_never_imports_a_kafka_client() -> None:
    assert "kafka" not in _modules_after("import streams.cli.replay")


def test_arrow_makes_data_frames_for_whoever_imports_pandas_after_all() -> None:
    frame = "import pyarrow; from streams.arrow_alone import without_pandas; without_pandas(); pyarrow.table({'a': pyarrow.array([1])}).to_pandas()"
    assert "pandas" in _modules_after(frame)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import streams

    with pytest.raises(AttributeError, match="no attribute 'Subscriber'"):
        _ = streams.Subscriber
    assert set(streams.__all__) <= set(dir(streams))
