"""``make demo`` in a fresh clone tells the whole story, and each query of each Grafana board returns what it left in a real InfluxDB.

One file, as what lives through the demonstration once has to be in one process.
"""

from __future__ import annotations

import csv
import json
import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from influxdb_client import InfluxDBClient

from detectors.point import Point
from streams.influx.lines import LineWriter
from streams.influx.settings import InfluxSettings
from streams.influx.writer import InfluxWriter
from streams.telemetry.figures import Figures
from streams.wire import decode_points
from tests.demo.conftest import LivedDemo
from tests.streams.command_line import run
from tools.dashboards.__main__ import FOLDER

pytestmark = pytest.mark.timeout(1_200)  # whichever test comes first waits for the demonstration

BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
QUERIES = [
    pytest.param(name, target["query"], panel["title"], id=f"{name}: {panel['title']} {target['refId']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel["targets"]
]
OTHERS = [
    pytest.param(query, id=f"{name}: {kind} {one['name']}")
    for name, board in BOARDS.items()
    for kind, one, query in (
        *(("variable", one, one["query"]) for one in board["templating"].get("list", [])),
        *(("marks", one, one["target"]["query"]) for one in board["annotations"].get("list", [])),
    )
]
FILLED_AT: list[str] = []
NEW_YEAR = 1_767_225_600_000  # of 2026, where the demonstration's story lies
CHOSEN = {"model": "loans", "window": "30m", "metric": "accuracy", "version": ".*", "segment": ".*", "worker": ".*"}
# The demonstration declares no segment: a replay of another model does.
OF_THE_REPLAY = {"Performance by segment", "variable segment"}


def substituted(query: str, chosen: dict[str, str]) -> str:
    """As Grafana does it: a variable in its format, `.*` for all of several, and the range and the bucket."""

    def value(match: re.Match[str]) -> str:
        name, form = match.group(1), match.group(2)
        if form == "json":
            return json.dumps(chosen[name])
        return re.escape(chosen[name]) if form == "regex" and chosen[name] != ".*" else chosen[name]

    query = re.sub(r"\$\{(\w+)(?::(\w+))?\}", value, query)
    for variable, text in (
        ("timeRangeStart", "2025-01-01T00:00:00Z"),
        ("timeRangeStop", chosen.get("stop", "2100-01-01T00:00:00Z")),
        ("windowPeriod", chosen.get("step", "300s")),
        ("defaultBucket", '"demo"'),
    ):
        query = query.replace(f"v.{variable}", text)
    return query


def answer(settings: InfluxSettings, query: str, **chosen: str) -> list[dict[str, Any]]:
    """Rows that InfluxDB returns."""
    with InfluxDBClient(url=settings.url, token=settings.secret, org=settings.org, timeout=60_000) as client:
        return [record.values for table in client.query_api().query(substituted(query, CHOSEN | chosen)) for record in table.records]


@pytest.fixture(scope="module")
def replayed(demo: LivedDemo, tmp_path_factory: pytest.TempPathFactory) -> LivedDemo:
    """The demonstration, and what it has nothing of: a replayed model with segments and estimates, and dead letters."""
    folder = tmp_path_factory.mktemp("renewals")
    for name, rows in (("reference", 2_000), ("later", 1_500)):
        write_renewals(folder / f"{name}.csv", rows, seed=rows)
    columns = ["--label", "renewed", "--prediction", "predicted", "--score", "score", "--segment", "country"]
    for arguments in (
        ["monitor", "infer", str(folder / "reference.csv"), "--model", "renewals", "-o", str(folder / "monitor.yaml"), *columns],
        ["replay", str(folder / "later.csv"), "--monitor", str(folder / "monitor.yaml"), "--pane", "100s", "--metrics", str(folder / "metrics.jsonl"), *columns],
    ):
        done = run(*arguments)
        assert done.exit_code == 0, done.output or repr(done.exception)
    points = [point for line in (folder / "metrics.jsonl").read_text().splitlines() for point in decode_points(line)]
    told = [msgspec.structs.replace(point, time=point.time + NEW_YEAR) for point in points] + dead_letters()
    writer = InfluxWriter(demo.settings, threading.Event())
    assert writer.write([point.line for point in LineWriter(max_series=10_000).of(told)])
    writer.close()
    FILLED_AT.append(datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"))
    return demo


def dead_letters() -> list[Point]:
    """What a worker tells of itself whose events are wrong: the demonstration publishes none that is."""
    figures, now, points = Figures("worker", "of-a-careless-publisher"), int(time.time() * 1_000), []
    for at in (now - 60_000, now - 30_000, now):
        figures.count("dead_letters", "not JSON")
        points += figures.points(at)
    return points


def now_of(board: str) -> dict[str, str]:
    """The range's end and the chart's step where time is the clock's: a demonstration is over in two minutes, and lasts nine hours in event time."""
    return {"step": "20s", "stop": FILLED_AT[0]} if board == "driftwarden-itself" else {}


def write_renewals(path: Path, rows: int, *, seed: int) -> None:
    """Customers of two countries, and a model that is right about most of them."""
    random = np.random.default_rng(seed)
    age = random.normal(40, 12, rows)
    score = 1 / (1 + np.exp(-(age - 40) / 6))
    renewed = random.random(rows) < score
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "country", "score", "predicted", "renewed"])
        for row in range(rows):
            writer.writerow([f"{age[row]:.3f}", ("de", "fr")[row % 2], f"{score[row]:.4f}", "yes" if score[row] > 0.5 else "no", "yes" if renewed[row] else "no"])


def test_make_demo_in_a_fresh_clone_tells_the_whole_story(demo: LivedDemo) -> None:
    assert demo.done.returncode == 0, demo.done.stdout[-6_000:] + demo.done.stderr[-3_000:]
    assert "scoreboard" in demo.done.stdout
    assert (demo.clone / ".driftwarden/demo/report.html").stat().st_size > 100_000


@pytest.mark.parametrize(("board", "query", "title"), QUERIES)
def test_each_query_of_each_panel_returns_data(replayed: LivedDemo, board: str, query: str, title: str) -> None:
    chosen = {"model": "renewals", "window": "10m"} if title in OF_THE_REPLAY else now_of(board)
    rows = answer(replayed.settings, query, **chosen)
    values = [value for row in rows for name, value in row.items() if name not in {"result", "table", "_time"}]
    assert any(value is not None for value in values), substituted(query, CHOSEN | chosen)


@pytest.mark.parametrize("query", OTHERS)
def test_each_variable_and_each_mark_returns_data(replayed: LivedDemo, query: str, request: pytest.FixtureRequest) -> None:
    chosen = {"model": "renewals"} if any(name in request.node.name for name in OF_THE_REPLAY) else {}
    assert answer(replayed.settings, query, **chosen)


def query_of(board: str, title: str, number: int = 0) -> str:
    (panel,) = [panel for panel in BOARDS[board]["panels"] if panel["title"] == title]
    return str(panel["targets"][number]["query"])


def test_the_worst_model_comes_first_with_why_and_what_was_done(replayed: LivedDemo) -> None:
    told = answer(replayed.settings, query_of("fleet", "Models, the worst first"))
    assert [row["model"] for row in told] == ["loans", "renewals"]
    assert (told[0]["warning"], told[0]["critical"]) == (1.0, 0.0), "the drift that does no harm is open, the error that retraining ended is not"
    (why,) = answer(replayed.settings, query_of("fleet", "Models, the worst first", 1))
    assert "feature:loan changed" in why["why"]
    (done,) = answer(replayed.settings, query_of("fleet", "Models, the worst first", 2))
    assert done["model"] == "loans"


def test_realised_and_estimated_performance_are_told_side_by_side(replayed: LivedDemo) -> None:
    rows = answer(replayed.settings, query_of("model", "Performance, realised and estimated"), model="renewals", window="10m")
    assert {"realised", "realised_low", "realised_high", "estimated", "estimated_low", "estimated_high"} <= set(rows[-1])


def test_the_feature_that_moved_lights_up(replayed: LivedDemo) -> None:
    before_the_concept = datetime(2026, 1, 1, 8, tzinfo=UTC)
    (row,) = [row for row in answer(replayed.settings, query_of("model", "Drift by feature")) if row["_time"] == before_the_concept]
    times = {name: value for name, value in row.items() if isinstance(value, float)}
    assert max(times, key=times.__getitem__) == "loan"
    assert times["loan"] > 3


def test_the_gate_s_evidence_is_full_for_the_promoted_and_empty_for_the_worse(replayed: LivedDemo) -> None:
    rows = answer(replayed.settings, query_of("retraining", "Gate: evidence for each challenger"))
    promoted = [row["_value"] for row in rows if row["status"] == "promoted"]
    assert promoted, "which of the challengers of a cause it is depends on how many labels each was trained on"
    assert set(promoted) == {1.0}
    of_ada_s_request = {(row["status"], row["_value"]) for row in rows if row["version"] == "2"}
    assert of_ada_s_request == {("rejected", 0.0)}
