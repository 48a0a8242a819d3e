"""frouros, which needs other versions than we do: its detectors run in an environment of their own, on streams in a file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.installation import BenchError
from bench.peer_environment import environment_of, version_in
from bench.peer_rows import last_line
from detectors.evaluation import LabelledStreams, Watched
from streams.child import dying_with_parent

REQUIREMENTS = Path(__file__).parent / "frouros.txt"
PROGRAM = Path(__file__).parent / "frouros_peer.py"


@cache
def version() -> str:
    """What is compared."""
    return version_in(REQUIREMENTS)


@dataclass(frozen=True)
class Frouros:
    """A concept-drift detector of frouros, made anew after each alarm.

    Attributes
    ----------
    detector : its class; its settings are those of the class with ``Config`` behind its name.
    settings : that differ from the default.
    """

    detector: str
    settings: Mapping[str, float]

    def watch(self, streams: LabelledStreams) -> Watched:
        """One process for all streams; it sees each stream's reference first."""
        python = environment_of(REQUIREMENTS)
        with TemporaryDirectory(prefix="driftwarden-frouros-") as path:
            folder = Path(path)
            np.save(folder / "reference.npy", streams.reference)
            np.save(folder / "values.npy", streams.values)
            task = json.dumps({"detector": self.detector, "settings": dict(self.settings), "folder": str(folder)})
            command = dying_with_parent([str(python), "-P", str(PROGRAM), task])  # without this folder on its path
            said = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ""})  # noqa: S603  our own program
            if said.returncode:
                raise BenchError(f"{version()} ended with exit code {said.returncode}: {last_line(said.stderr)}")
            stream, seen = np.load(folder / "alarms.npy")
        events, count = streams.values.shape
        return Watched(stream, seen, events, count, np.zeros(count, np.int64), restarts=True)
