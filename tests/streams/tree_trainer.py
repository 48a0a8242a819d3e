"""A trainer that is fast, forks well (no threads), tells of each fit, and dies where a test wants it to."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from sklearn.tree import DecisionTreeClassifier

NAME = "tests.streams.tree_trainer:fit"

fits: Path | None = None
"""A line is added for each fit that began."""

deadly = False


def fit(matrix: Any, label: Any, context: Any) -> DecisionTreeClassifier:
    if fits is not None:
        with fits.open("a") as file:
            file.write(f"{context.cause}\n")
    if deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return DecisionTreeClassifier(max_depth=6, min_samples_leaf=5, random_state=context.seed).fit(matrix, label)
