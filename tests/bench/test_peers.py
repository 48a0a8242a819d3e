"""Other stream processors beside a worker: what they count is checked, and one that does not run here is told, and fails nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench import peer_environment
from bench.__main__ import run, show
from bench.figure import Found, Row, Size
from bench.installation import BenchError
from bench.markdown import written
from bench.page import PAGE, beside
from bench.peer_environment import PEERS, python_of, requirements
from bench.peer_rows import ROWS, Peer, edges_of, truth
from bench.peers.counting import Counting, Report, Tally, Task
from bench.workload import BEGINNING, PANE, START, Workload
from tests.waiting import eventually

STREAM = Workload(features=3, beginning=2_000, per_pane=1_000)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    task = Task(bootstrap="", topic="", group="", folder=str(tmp_path), counts=str(tmp_path / "counts"), edges=edges_of(STREAM), start=START, pane=PANE)
    np.zeros(task.places, np.int64).tofile(task.counts)
    return task


def test_a_peer_counts_what_is_in_the_stream(task: Task) -> None:
    values = [record.value for record in STREAM.records(0, 4_000)]
    assert np.array_equal(Counting(task).count(values), truth(STREAM, task.edges, 4_000))
    assert len(values) == truth(STREAM, task.edges, 4_000)[1 : 1 + (BEGINNING + 2 * PANE) // PANE].sum()  # every pane has a place


def test_a_tally_is_seen_in_its_file_and_does_not_depend_on_how_the_stream_is_cut(task: Task) -> None:
    values = [record.value for record in STREAM.records(0, 3_000)]
    tally = Tally(task)
    for first, end in ((0, 1), (1, 1_700), (1_700, 3_000)):
        tally.add(values[first:end])
        assert np.fromfile(task.counts, np.int64)[0] == end
    assert np.array_equal(np.fromfile(task.counts, np.int64), Counting(task).count(values))


def test_every_peer_has_a_program_and_exact_requirements() -> None:
    names = {row.name.removeprefix("peer-") for row in ROWS}
    assert names == {path.stem for path in PEERS.glob("*.txt")} == {path.stem.removesuffix("_peer") for path in PEERS.glob("*_peer.py")}
    for name in names:
        lines = requirements(name).read_text().splitlines()
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
        assert {"numpy", "msgspec"} < {line.partition("==")[0] for line in lines}


def test_a_peer_that_pip_cannot_install_says_why_and_is_not_taken_for_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none.txt").write_text("driftwarden-has-no-such-peer==1.0\n")
    monkeypatch.setattr(peer_environment, "PEERS", tmp_path)
    monkeypatch.setattr(peer_environment, "user_cache", lambda: tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for _ in range(2):
        with pytest.raises(BenchError, match=r"1\.0 could not be installed: No matching distribution found for driftwarden-has-no-such-peer==1\.0"):
            python_of("none")


@pytest.fixture
def absent(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """A peer without a program."""
    (tmp_path / "none.txt").write_text("none==1.0\n")
    monkeypatch.setattr(peer_environment, "PEERS", tmp_path)
    peer = Peer("none", Path(sys.executable), task, tmp_path)
    yield peer
    peer.kill()


def test_a_peer_that_ends_is_told_with_its_last_words(absent: Peer) -> None:
    with pytest.raises(BenchError, match=r"none==1\.0 ended with exit code 1: .*No module named bench\.peers\.none_peer"):
        eventually(lambda: absent.has_read(1), "its end")


def test_a_peer_has_read_as_much_as_its_report_says(task: Task, absent: Peer) -> None:
    Report(task).write(np.arange(task.places) + 5)
    assert absent.counts.tolist() == list(range(5, 5 + task.places))


def test_a_yardstick_that_does_not_run_costs_no_row_and_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def broken(size: Size) -> Found:
        raise BenchError("peer==1 could not be installed: no wheel")

    rows = [Row(name="single", what="work", unit="events", run=lambda _: Found(figures=(1.0,)), target=0.5), Row(name="peer-quix", what="work", unit="events", run=broken)]
    results, code = run(rows, Size(), tmp_path / "results.json")
    assert code == 0
    assert json.loads((tmp_path / "results.json").read_text())["rows"]["peer-quix"]["error"] == "BenchError: peer==1 could not be installed: no wheel"
    capsys.readouterr()
    show(results)
    assert "could not be installed: no wheel" in capsys.readouterr().out
    assert beside(results["rows"]).count("\n") == 3


@pytest.mark.parametrize("name", ["reached", "beside others"])
def test_the_page_has_a_place_for_its_tables(name: str) -> None:
    page = written(PAGE.read_text(), name, "| told here |\n", by="bench.page")
    assert page.count("| told here |") == 1
    assert written(page, name, "| told again |\n", by="bench.page") == page.replace("| told here |", "| told again |")
    with pytest.raises(ValueError, match="has no place for the table"):
        written("# Performance\n", name, "| told here |\n", by="bench.page")
