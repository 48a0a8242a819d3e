"""The end of CI's log names what failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FAILING = """
import pytest

def test_of_sums():
    assert 1 + 1 == 3, "one and one"

@pytest.fixture
def broken():
    raise OSError("no such broker " + "x" * 300)

def test_of_brokers(broken):
    pass

def test_that_passes():
    pass
"""


def reported(tmp_path: Path, source: str) -> list[str]:
    """What the end of the log says of these tests."""
    (tmp_path / "test_some.py").write_text(source)
    report = tmp_path / "ci.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", f"--junit-xml={report}", "test_some.py"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    return said_of(report)


def said_of(report: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-m", "tools.ci.failures", report], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_each_test_that_failed_is_a_line_with_its_reason_and_its_name_last(tmp_path: Path) -> None:
    sums, brokers = reported(tmp_path, FAILING)
    assert sums.startswith("AssertionError: one and one")
    assert sums.endswith("| test_some::test_of_sums")
    assert "no such broker" in brokers
    assert brokers.endswith("x... | test_some::test_of_brokers")


def test_nothing_is_said_of_tests_that_pass(tmp_path: Path) -> None:
    assert reported(tmp_path, "def test_that_passes(): pass") == [""]


def test_a_run_that_wrote_no_report_is_told_from_one_in_which_nothing_failed(tmp_path: Path) -> None:
    [line] = said_of(tmp_path / "ci.xml")
    assert "pytest did not get as far" in line
