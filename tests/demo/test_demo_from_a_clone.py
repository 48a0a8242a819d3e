"""What a newcomer does first: clone, ``make demo``. On a machine without Java, Go or Rust on the PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_NEEDED = ("java", "javac", "mvn", "go", "cargo", "docker")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    target = tmp_path / "driftwarden"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    return target


def bare_path(folder: Path) -> str:
    """A PATH that holds what a fresh Debian with Python, pip, venv, make and git has, and no other language."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in sorted(Path(place).glob("*")) if Path(place).is_dir() else ():
            if program.name not in NOT_NEEDED and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    (folder / "python3").unlink(missing_ok=True)
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    return str(folder)


@pytest.mark.timeout(1_200)
def test_make_demo_in_a_fresh_clone_tells_the_whole_story(clone: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAVA", "VIRTUAL_ENV", "DRIFTWARDEN", "PYTHON", "MAKE"))}
    environment["PATH"] = bare_path(tmp_path / "bin")
    assert shutil.which("java", path=environment["PATH"]) is None
    done = subprocess.run(["make", "demo", "SEED=1"], cwd=clone, env=environment, capture_output=True, text=True, timeout=1_100, check=False)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-3_000:]
    assert "scoreboard" in done.stdout
    assert (clone / ".driftwarden/demo/report.html").stat().st_size > 100_000
