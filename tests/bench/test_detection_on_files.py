"""Measurements on files of a user's: how soon an injected shift is told, and how far off estimates without labels are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from bench.detection import estimates, injected
from detectors.event_batch import Float64


def columns(rows: int, random: np.random.Generator) -> dict[str, Float64]:
    return {"warm": random.normal(size=rows), "wet": random.normal(size=rows)}


def test_a_shift_that_was_put_into_a_column_is_told_and_none_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "weather.csv"
    made = columns(1_400, np.random.default_rng(1))
    made["wet"][::50] = np.nan
    pa_csv.write_csv(pa.table({**made, "sky": np.tile(["clear", "grey"], 700)}), file)
    asked = [str(file), "--from", "1000", "--before", "1000", "--after", "300"]
    assert injected.main([*asked, "--sigmas", "2"]) == 0
    told = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [name.strip() for name, _ in told] == ["warm", "wet"]
    assert all(0 < int(rows) <= 40 for _, rows in told)
    assert injected.main([*asked, "--sigmas", "0", "--ignore", "wet"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["| warm | – |"]
    for wrong, told in ((["--from", "900", "--before", "1000"], "got row 900"), (["--from", "1000"], "--before")):
        with pytest.raises(SystemExit):
            injected.main([str(file), *wrong])
        assert told in capsys.readouterr().err


def test_estimates_of_chunks_are_held_against_their_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(2)
    for name, rows in (("reference.csv", 4_000), ("later.csv", 1_600)):
        made = columns(rows, random)
        score = 1 / (1 + np.exp(-2 * made["warm"]))
        label = random.random(rows) < score
        pa_csv.write_csv(pa.table({**made, "score": score, "said": (score > 0.5).astype(int), "came": label.astype(int)}), tmp_path / name)
    files = [str(tmp_path / name) for name in ("reference.csv", "later.csv")]
    asked = ["--label", "came", "--prediction", "said", "--score", "score"]
    assert estimates.main([*files, *asked, "--chunk", "500"]) == 0
    *chunks, last = capsys.readouterr().out.splitlines()
    assert len(chunks) == 3
    assert float(last.split()[3].rstrip(";")) < 0.03
    assert "3 of 3 intervals hold" in last
    with pytest.raises(SystemExit):
        estimates.main([*files, *asked, "--chunk", "2000"])
    assert "1,600 rows are no whole chunk of 2,000" in capsys.readouterr().err
