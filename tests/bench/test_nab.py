"""The run of the Numenta Anomaly Benchmark reads a corpus, and tells the score that the benchmark's scorer gives its alarms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.detection.nab import corpus, main, scored, total


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two series of five-minute values: one with a spike in its window, one that is flat."""
    start = np.datetime64("2014-02-14T14:30:00")
    windows = {}
    for name, spikes in (("realSmall/spike.csv", [1_500]), ("realSmall/flat.csv", [])):
        values = np.random.default_rng(5).integers(40, 60, 2_000).astype(float)
        values[spikes] = 200
        times = start + np.arange(2_000) * np.timedelta64(300, "s")
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("timestamp,value\n" + "".join(f"{str(time).replace('T', ' ')},{value}\n" for time, value in zip(times, values, strict=True)))
        windows[name] = [[f"{str(times[row + side]).replace('T', ' ')}.000000" for side in (-100, 100)] for row in spikes]
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    return tmp_path


def test_a_spike_in_the_middle_of_its_window_has_the_score_of_that_place(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat, spike = corpus(small)
    assert spike.windows == ((1_400, 1_600),)
    results = [scored(flat, 0.01), scored(spike, 0.01)]
    assert [(one.windows, one.hit, one.false) for one in results] == [(0, 0, 0), (1, 1, 0)]
    assert total(results) == pytest.approx(93, abs=0.5)  # weight .85 / .987 at the middle of a window, on a scale from a miss, -1, to a hit, 1
    assert main([str(small)]) == 0
    assert "| all, 2 | 1 | 1 | 0 |" in capsys.readouterr().out


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "expected a copy of the benchmark's repository" in capsys.readouterr().err
