"""The rules of the three packages, where `make test` sees them too: who may import whom, and that the core does no I/O and reads no clock."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = {"calibration_simulation.py"}  # run by hand to write the table that the package ships
PURE = [path for path in sorted((ROOT / "detectors").rglob("*.py")) if path.name not in PROGRAMS] + [
    ROOT / f"retrainer/{name}.py"
    for name in (
        *("announced", "canary", "course", "decide", "gate", "learners", "loop", "messages", "row_buffer", "stage", "training", "training_set", "trial", "trials", "versions"),
        *("betting", "cadence", "checks", "decision", "first_rows", "held_out", "leakage", "paired_difference", "promotion_checks", "quota", "saved", "steadiness", "triggers"),
        *("approval", "lineage", "model_card", "comparison"),
    )
]
MAY_READ_ITS_OWN_TABLE = {"calibration.py"}  # a file of the package, by importlib.resources
FORBIDDEN_CALLS = {"open", "print", "input", "read_text", "read_bytes", "write_text", "write_bytes", "now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "urlopen"}
FORBIDDEN_IMPORTS = {"time", "socket", "subprocess", "threading", "asyncio", "random", "os", "pathlib"}


def _violations(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found |= {f"{name}()"} & {f"{call}()" for call in FORBIDDEN_CALLS}
            if name == "default_rng" and not node.args:
                found.add("default_rng() without a seed")
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & FORBIDDEN_IMPORTS
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {str(node.module).partition(".")[0]} & FORBIDDEN_IMPORTS
    return found


@pytest.mark.parametrize("module", PURE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_pure_module_does_no_io_and_reads_no_clock(module: Path) -> None:
    allowed = {"read_text()"} if module.name in MAY_READ_ITS_OWN_TABLE else set()
    assert _violations(module.read_text()) - allowed == set()


def test_a_clock_a_file_and_an_unseeded_generator_would_be_found() -> None:
    source = "import time\nfrom os import path\nnp.random.default_rng()\nopen('x')\ndatetime.now()"
    assert _violations(source) == {"time", "os", "default_rng() without a seed", "open()", "now()"}


def test_imports_go_from_streams_to_retrainer_to_detectors() -> None:
    told = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
    assert "3 kept, 0 broken" in told.stdout
