"""`driftwarden replay` of a Parquet file, the whole command: reading, both stages, every pane closed and judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.figure import CheckFailedError, Found, Row, Size, expect
from bench.workload import CLASSES, PANE, START, Workload
from streams.monitor_file import save_specification

ROWS_OF_FILE = 1_000_000


def replayed(rows_per_pane: int, size: Size) -> Found:
    """CPU seconds of the command over a million rows; the time by the clock is beside it."""
    rows = size.of(ROWS_OF_FILE, multiple=1_000)
    workload = Workload()
    figures, walls = [], []
    with tempfile.TemporaryDirectory(prefix="driftwarden-bench-") as folder:
        file, monitor = Path(folder) / "history.parquet", Path(folder) / "monitor.yaml"
        truth = _write(file, workload, rows, rows_per_pane)
        save_specification(workload.specifications(lateness=300_000)[0], monitor)
        for _ in range(size.repeats):
            cpu, wall, told = _command(file, monitor)
            figures.append(cpu)
            walls.append(wall)
            expect("rows, labelled rows", (told["rows"], told["labelled"]), (rows, rows))
            if abs(told["accuracy"]["observed"] - truth) > 1e-12:
                raise CheckFailedError(f"accuracy over {rows} rows: got {told['accuracy']}, numpy says {truth}")
    return Found(figures=tuple(figures), details={"rows": rows, "panes": rows // rows_per_pane, "seconds_by_the_clock": sorted(walls)[len(walls) // 2]})


def _write(file: Path, workload: Workload, rows: int, rows_per_pane: int) -> float:
    """Write the history; returns its accuracy."""
    events = workload.events(0, rows)
    names = np.array(CLASSES, object)
    moments = START + np.arange(rows) * PANE // rows_per_pane
    columns = {name: events.matrix[:, place] for place, name in enumerate(workload.names)}
    table = pa.table(columns | {"time": pa.array(moments, pa.timestamp("ms")), "prediction": names[events.predicted], "label": names[events.label]})
    pq.write_table(table, file, row_group_size=100_000)
    return float((events.predicted == events.label).mean())


def _command(file: Path, monitor: Path) -> tuple[float, float, dict[str, dict[str, float]]]:
    arguments = ["replay", str(file), "--monitor", str(monitor), "--time", "time", "--prediction", "prediction", "--label", "label", "--json"]
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "streams.cli", *arguments], stdout=subprocess.PIPE) as process:  # noqa: S603  our own program
        assert process.stdout is not None  # noqa: S101  it is a pipe
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
    expect("exit code", status, 0)
    return used.ru_utime + used.ru_stime, time.monotonic() - began, json.loads(printed)


ROWS = (
    Row(
        name="replay-1000",
        what="`driftwarden replay`, a million rows x 20 features from Parquet, 1,000 rows a pane",
        sense="at most",
        target=5,
        unit="CPU s",
        run=partial(replayed, 1_000),
    ),
    Row(name="replay-10", what="the same, 10 rows a pane", sense="at most", target=60, unit="CPU s", run=partial(replayed, 10)),
)
