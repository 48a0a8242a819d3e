"""What a newcomer does first: clone, ``make demo``. On a machine without Java, Go or Rust on the PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.influx.settings import InfluxSettings
from streams.influx.setup import set_up
from tests.influx.conftest import Influxd, influx

ROOT = Path(__file__).parents[2]
NOT_NEEDED = ("java", "javac", "mvn", "go", "cargo", "docker", "cc", "gcc", "c++", "g++", "clang")

__all__ = ["influx"]  # a fixture of this folder, too


@dataclass(frozen=True, kw_only=True)
class LivedDemo:
    """A demonstration that ended: what it printed, its folder, and the bucket that its points are in."""

    done: subprocess.CompletedProcess[str]
    clone: Path
    settings: InfluxSettings


@pytest.fixture(scope="session")
def demo(influx: Influxd, tmp_path_factory: pytest.TempPathFactory) -> LivedDemo:
    """``make demo`` in a fresh clone, written to InfluxDB, too."""
    folder = tmp_path_factory.mktemp("newcomer")
    settings = influx.settings("demo")
    set_up(settings, keep_seconds=0, keep_hourly_seconds=0)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "driftwarden")], check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAVA", "VIRTUAL_ENV", "DRIFTWARDEN", "PYTHON", "MAKE"))}
    environment["PATH"] = bare_path(folder / "bin")
    assert shutil.which("java", path=environment["PATH"]) is None
    environment |= {f"DRIFTWARDEN_INFLUX_{name}": value for name, value in (("URL", settings.url), ("ORG", settings.org), ("BUCKET", settings.bucket), ("TOKEN", settings.secret))}
    command = ["make", "demo", "SEED=1", "INFLUX=1"]
    done = subprocess.run(command, cwd=folder / "driftwarden", env=environment, capture_output=True, text=True, timeout=1_100, check=False)
    return LivedDemo(done=done, clone=folder / "driftwarden", settings=settings)


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
