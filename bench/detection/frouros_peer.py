"""Runs in the environment of frouros: a detector of it on the streams of a task."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import frouros.detectors.concept_drift as detectors
import numpy as np


def main() -> None:
    """Alarms of a detector on each stream, as ``alarms.npy``: (2, a) stream, and events seen."""
    task = json.loads(sys.argv[1])
    folder = Path(task["folder"])
    configuration = getattr(detectors, task["detector"] + "Config")(**task["settings"])

    def begin() -> Any:
        return getattr(detectors, task["detector"])(config=configuration)

    found: list[tuple[int, int]] = []
    reference, values = (np.load(folder / f"{name}.npy").T.tolist() for name in ("reference", "values"))
    for stream, (before, then) in enumerate(zip(reference, values, strict=True)):
        detector = begin()
        for value in before:
            detector.update(value=value)
            if detector.drift:
                detector = begin()
        for seen, value in enumerate(then, 1):
            detector.update(value=value)
            if detector.drift:
                found.append((stream, seen))
                detector = begin()
    np.save(folder / "alarms.npy", np.array(found, np.int64).reshape(-1, 2).T)


if __name__ == "__main__":
    main()
