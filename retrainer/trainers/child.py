"""A user's function in a process of its own: ``python -m retrainer.trainers.child MODULE:FUNCTION``, as the command of a `CommandTrainer`."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import skops.io

from retrainer.trainers import TrainingContext
from retrainer.trainers.command import FOLDER


def main(name: str) -> None:
    """Call the function on the rows of the folder, and leave what it returns there."""
    folder = Path(os.environ[FOLDER])
    told = json.loads((folder / "context.json").read_text())
    rows = pq.read_table(folder / "rows.parquet")
    matrix = np.column_stack([rows.column(feature).to_numpy() for feature in told["features"]])
    label = rows.column("label").to_numpy()
    module, _, function = name.partition(":")
    estimator = getattr(importlib.import_module(module), function)(matrix, label, TrainingContext(seed=told["seed"], cause=told["cause"], mode=told["mode"]))
    skops.io.dump(estimator, folder / "model.skops")


if __name__ == "__main__":
    main(sys.argv[1])
