"""Training by a command, in a process of its own with limits on time and memory: what it does cannot harm the retrainer.

The command runs where the retrainer does. In the folder that the environment variable ``DRIFTWARDEN_TRAINING`` names it finds

- ``rows.parquet``: a float64 column for each feature (categories by their place among the levels, missing and unknown ones nan), in training order, and ``label``;
- ``context.json``: ``task``, ``features``, ``levels``, ``classes``, ``seed``, ``cause``, ``mode``;

and leaves ``model.skops``: a fitted estimator of scikit-learn with ``predict`` on those columns, written by ``skops.io.dump``. It may write ``metrics.json``, numbers by name.
What it prints last on standard error is the reason that is told when it fails. Of the retrainer's environment, which may hold secrets, it is given what every program needs
(`KEPT`) and what it was said to need besides.

Use it for code that is not trusted not to crash or to hang, and for training in another language or environment. A process takes a second to start.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from detectors.event_batch import Column, Float64
from detectors.rows.examples import Examples
from detectors.settings.retraining import TrainingLimits
from detectors.specification import MonitorSpecification
from retrainer import skops_artifact
from retrainer.trainers import Candidate, TrainingContext, TrainingError
from retrainer.trainers.scikit_learn import encode, finish, forget_names, prepare

PREFIX = "command: "
FOLDER = "DRIFTWARDEN_TRAINING"
KEPT = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TMP", "TEMP", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV"})
"""Of the environment, besides ``PYTHON...``: what an interpreter needs to start, and no more."""
_LAUNCHER = Path(__file__).with_name("limited.py")
_SAID = 300  # characters of standard error in a reason
_SHORT_OF_MEMORY = re.compile("MemoryError|bad_alloc|cannot allocate|out of memory", re.IGNORECASE)  # in the words of Python, C++, R and the kernel
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # threads count against the limit of memory, and the cores belong to the workers


@dataclass(frozen=True, kw_only=True)
class CommandTrainer:
    """The trainer ``command: PROGRAM ARGUMENTS``.

    Parameters
    ----------
    command : as a shell would split it; no shell runs.
    variables : names of the environment that it is given besides those of `KEPT`.
    """

    command: str
    variables: tuple[str, ...] = ()

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Run the command on all rows.

        Raises
        ------
        TrainingError
            If it fails, takes too long or too much memory, or leaves no model that can be trusted; with its own last words.
        """
        levels, matrix, label = prepare(examples, specification)
        with tempfile.TemporaryDirectory(prefix="driftwarden-training-") as name:
            folder = Path(name)
            _hand_over(folder, levels, matrix, label, specification, context)
            self._run(folder, specification.retrain.limits)
            estimator, metrics = _taken(folder)
        if not hasattr(estimator, "predict"):
            raise TrainingError(f"{self.command!r} left a {type(estimator).__name__}, which has no 'predict'; leave the fitted estimator")
        levels = self._of_its_own(estimator, levels)
        candidate = finish(
            estimator,
            levels,
            encode(examples.features, levels),
            label,
            specification,
            {"trainer": PREFIX + self.command, "estimator": type(estimator).__name__, "seed": context.seed},
        )
        return Candidate(model=candidate.model, parameters=candidate.parameters, metrics=candidate.metrics | metrics)

    def _of_its_own(self, estimator: Any, levels: dict[str, list[str] | None]) -> dict[str, list[str] | None]:
        """The columns that the estimator was fitted on, in their order: by their names where it knows them, as of a data frame, else all that it was given."""
        names = [str(name) for name in getattr(estimator, "feature_names_in_", levels)]
        strange = [name for name in names if name not in levels]
        if strange:
            raise TrainingError(
                f"the estimator of {self.command!r} was fitted on {strange[0]!r}, which is none of the columns that it was given: {', '.join(levels)}; fit it on these"
            )
        forget_names(estimator)
        return {name: levels[name] for name in names}

    def _run(self, folder: Path, limits: TrainingLimits) -> None:
        started = [sys.executable, str(_LAUNCHER), str(limits.seconds), str(limits.megabytes), *shlex.split(self.command)]
        kept = {name: value for name, value in os.environ.items() if name.upper() in KEPT or name.startswith("PYTHON") or name in self.variables}
        environment = _ONE_THREAD | kept | {FOLDER: str(folder)}
        with (folder / ".said").open("wb") as said:
            process = subprocess.Popen(started, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, env=environment, start_new_session=True)  # noqa: S603  what the monitor's owner asked for
            try:
                code = process.wait(limits.seconds)
            except subprocess.TimeoutExpired:
                raise TrainingError(f"{self.command!r} did not end within {limits.seconds} s (retrain.limits.seconds)") from None
            finally:
                _end(process)
        if code:
            raise TrainingError(f"{self.command!r} {_fate(code, limits)}{_last_words(folder / '.said', limits)}")


def _hand_over(folder: Path, levels: dict[str, list[str] | None], matrix: Float64, label: Column, specification: MonitorSpecification, context: TrainingContext) -> None:
    columns = {name: matrix[:, place] for place, name in enumerate(levels)} | {"label": label}
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    classes = [] if specification.task == "regression" else sorted(set(label.tolist()))
    told = {"task": specification.task, "features": list(levels), "levels": levels, "classes": classes, "seed": context.seed, "cause": context.cause, "mode": context.mode}
    (folder / "context.json").write_text(json.dumps(told))


def _taken(folder: Path) -> tuple[Any, dict[str, float]]:
    """The model and the metrics that a command left."""
    path, measured = folder / "model.skops", folder / "metrics.json"
    if not path.is_file():
        raise TrainingError("the command ended without a model.skops in the folder $DRIFTWARDEN_TRAINING; write one there with skops.io.dump")
    try:
        estimator = skops_artifact.load_estimator(path.read_bytes())
    except Exception as error:  # whatever lies there, it is not a model
        raise TrainingError(f"model.skops cannot be read: {error}") from error
    try:
        told = json.loads(measured.read_text()) if measured.is_file() else {}
        return estimator, {str(name): float(value) for name, value in told.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise TrainingError(f"metrics.json must be numbers by name: {error}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command, its children included."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _fate(code: int, limits: TrainingLimits) -> str:
    """How a process ended.

    Examples
    --------
    >>> _fate(3, TrainingLimits()), _fate(-9, TrainingLimits())
    ('ended with code 3', 'was killed by SIGKILL, as the kernel does when memory runs out')
    """
    if code > 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name
    why = {
        "SIGKILL": ", as the kernel does when memory runs out",
        "SIGXCPU": f": {limits.seconds} s of processor time are used up (retrain.limits.seconds)",
    }
    return f"was killed by {name}{why.get(name, '')}"


def _last_words(path: Path, limits: TrainingLimits) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    is_short = sys.platform != "win32" and _SHORT_OF_MEMORY.search(lines[-1]) is not None
    return f": {lines[-1][:_SAID]}" + (f"; it may take {limits.megabytes} MB of address space (retrain.limits.megabytes)" if is_short else "")
