"""The detection bench: every row runs, what is missed is said, and the page and its picture show what was found."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.detection import of_frouros
from bench.detection.__main__ import main
from bench.detection.measure import Bench, changed
from bench.detection.of_frouros import PROGRAM, REQUIREMENTS
from bench.detection.page import PAGE, beside, floors, misses, only_false_alarms, slow_drift, table, tables, wanted
from bench.detection.picture import picture
from bench.detection.rivals import RIVALS, Rival
from bench.detection.row import DetectionRow, Size
from bench.detection.rows import ROWS, share_of_errors
from bench.detection.slow_drift import Course, measured
from bench.installation import BenchError
from bench.markdown import standing, written
from detectors.evaluation import Every, Moved, Rate, changed_streams, null_streams

TINY = Size(seeds=2, null_events=10_000)
OF = {row.name: row for row in ROWS}


def test_rows_and_rivals_have_names_of_their_own() -> None:
    assert len(OF) == len(ROWS)
    assert len({rival.name for rival in RIVALS}) == len(RIVALS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.group == 1], ids=lambda row: row.name)
def test_every_row_runs(row: DetectionRow) -> None:
    found = Bench(TINY).measured(row, ("ours",))["ours"]
    assert found["events"] > 0
    assert found["rate"] >= 0
    if not row.only_false_alarms:
        assert found["streams"] + found["left_out"] == TINY.seeds * row.sets
        assert not np.isinf(found["median"])  # each of these changes is found within twice its limit


@pytest.mark.parametrize("name", ["features-200", "features-200-alike"])
def test_monitors_on_one_budget_are_counted_by_the_model(name: str) -> None:
    found = replace(OF[name], reference=500).false_alarms(1_000, seed=1)  # 200 small references are soon learnt
    assert 0 < found.events <= 1_000
    assert found.alarms <= 1


def test_what_rows_have_in_common_is_measured_once() -> None:
    bench = Bench(TINY)
    first, second = (bench.ours(OF[name]) for name in ("rate-10-20", "ramp-10-20"))
    assert len(bench._ours) == 1
    assert first["events"] == second["events"]
    assert first["median"] < second["median"]
    bench.ours(OF["rate-20-35"])
    bench.ours(OF["learnt"])
    assert len(bench._ours) == 3


def test_an_oracle_that_must_not_alarm_within_the_floor_is_later_than_one_that_may() -> None:
    within = {name: OF[name].within_floor() for name in ("rate-10-20", "rare", "mean-half", "sigma", "categories", "integers", "correlation-tenth")}
    assert within == pytest.approx(
        {"rate-10-20": 0.2, "rare": 2.5, "mean-half": 0.2, "sigma": 0.3, "categories": 0.5, "integers": 0.1 * np.sqrt(1.2) / 0.4, "correlation-tenth": 0.5}, rel=0.15
    )
    bench = Bench(Size(seeds=40, null_events=100_000))
    found = bench.measured(OF["mean-half"], ("oracle", "floors-oracle"))
    assert found["floors-oracle"]["median"] > 1.2 * found["oracle"]["median"]
    assert bench.measured(OF["rare"], ("floors-oracle",)) == {}


def test_a_ramp_and_a_reference_are_those_of_the_row() -> None:
    assert changed(OF["small-reference"], 3).reference.shape == (500, 3)
    streams = changed(OF["ramp-20-35"], 50)
    assert len(streams.values) >= 10_000 + 2 * 5_000
    ramp = [values[change : change + 1_000].mean() for values, change in zip(streams.values.T, streams.change, strict=True)]
    assert np.mean(ramp) == pytest.approx(0.275, abs=0.01)


def test_the_error_monitor_beside_200_features_has_a_part_of_the_budget() -> None:
    assert 0.1 < share_of_errors() < 1


@pytest.mark.parametrize("rival", [rival for rival in RIVALS if "frouros" not in rival.name], ids=lambda rival: rival.name)
def test_every_rival_finds_a_change_that_is_plain_to_see_or_is_a_dummy(rival: Rival) -> None:
    law = Rate(0.1, 0.9) if "rate" in rival.columns else Moved(shift=4.0)
    streams = changed_streams(law, streams=2, before=300, after=500, seed=1, phases=10, reference=200)
    found = rival.make(4.0 if rival.is_tuned else rival.strict).watch(streams).first_after(streams.change)
    assert np.isfinite(found).all()


def test_a_slow_drift_is_one_alert_that_ends_when_the_data_are_back_or_by_a_word() -> None:
    found = measured(2, Course(before=5_000, drift=60_000, stay=10_000, after=40_000, size=2.0))
    assert found["alerts"] == [1, 1]
    assert all(0.1 < moved < 0.6 for moved in found["moved"])
    assert (found["resolved_while_it_lasted"], found["resolved_without_word"]) == (0, 0)
    assert (found["back"], len(found["resolved_when_back"])) == (1, 1)
    assert (found["acknowledged"], found["resolved_by_word"]) == (1, 1)


def test_a_rival_at_a_rate_is_shown_with_its_setting_and_one_at_its_defaults_without() -> None:
    tuned = Rival(name="tuned", columns=("rate",), make=lambda apart: Every(round(apart)), lenient=10, strict=1_000_000)
    default = Rival(name="default", columns=("rate",), make=lambda _: Every(100), part=0.5)
    bench = Bench(Size(seeds=4, null_events=8_000_000), (tuned, default))
    found = bench.measured(OF["rate-10-20"], ("rivals",))["rivals"]
    assert [one["name"] for one in found] == ["tuned", "default"]
    assert found[0]["setting"] == pytest.approx(100_000, rel=0.3)
    assert found[0]["rate"] == pytest.approx(1, rel=0.3)
    assert (found[1]["setting"], found[1]["streams"]) == (None, 2)
    assert found[1]["rate"] == pytest.approx(1_000, rel=0.01)


def test_a_rival_that_is_never_strict_enough_is_shown_at_its_strictest() -> None:
    never = Rival(name="never", columns=("rate",), make=lambda apart: Every(round(apart)), lenient=10, strict=100)
    (found,) = Bench(Size(seeds=2, null_events=800_000), (never,)).measured(OF["rate-10-20"], ("rivals",))["rivals"]
    assert (found["setting"], found["rate"]) == (100, pytest.approx(1_000, rel=0.01))


def test_frouros_has_a_program_and_exact_requirements_and_says_why_it_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PROGRAM.exists()
    lines = REQUIREMENTS.read_text().splitlines()
    assert lines[0].startswith("frouros==")
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no frouros' >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(of_frouros, "environment_of", lambda _: python)
    with pytest.raises(BenchError, match=r"frouros==.* ended with exit code 3: ModuleNotFoundError: no frouros"):
        of_frouros.Frouros("CUSUM", {}).watch(null_streams(Moved(), streams=1, events=10, seed=1, reference=5))


def test_a_rival_that_cannot_be_installed_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: float) -> Any:
        raise BenchError("frouros==0 could not be installed: no wheel")

    rivals = (Rival(name="broken", columns=("rate",), make=broken), Rival(name="fine", columns=("rate",), make=lambda _: Every(100)))
    found = Bench(TINY, rivals).measured(OF["rate-10-20"], ("rivals",))["rivals"]
    assert [one["name"] for one in found] == ["fine"]


# --- the page ---

FOUND: dict[str, Any] = {
    "median": 150.0,
    "median_interval": [140.0, 160.0],
    "found": 1.0,
    "found_interval": [0.99, 1.0],
    "streams": 400,
    "left_out": 20,
    "learning": 600,
    "delays": [float(delay) for delay in range(10, 51)],
    "false_alarms": 300,
    "events": 40_000_000,
    "rate": 0.75,
    "rate_interval": [0.67, 0.84],
}
RIVAL = FOUND | {"name": "river ADWIN, tuned", "setting": 7.1, "median": 180.0}
RESULTS = {
    "rate-10-20": {
        "ours": FOUND,
        "floors": FOUND | {"median": 190.0},
        "oracle": FOUND | {"median": 131.0},
        "floors-oracle": FOUND | {"median": 170.0},
        "rivals": [RIVAL, RIVAL | {"name": "river ADWIN, default", "setting": None}],
    },
    "errors-of-200": {"ours": FOUND | {"median": 173.0, "rate": 1.3}},
    "features-200": {"ours": {name: FOUND[name] for name in ("rate", "rate_interval", "events", "false_alarms")}},
}


def test_a_row_is_missed_by_its_delay_by_what_it_does_not_find_by_its_learning_or_by_false_alarms() -> None:
    def missed(**changes: Any) -> list[str]:
        return misses(OF["rate-10-20"], {"rate-10-20": {"ours": FOUND | changes}})

    assert missed() == []
    assert missed(median=161.0, found=0.98) == ["late", "not all found"]
    assert missed(median=float("nan")) == ["late"]
    assert missed(learning=6_010, rate=1.21) == ["learns too long", "too many false alarms"]
    assert misses(OF["features-200"], {"features-200": {"ours": {"rate": 1.6}}}) == ["too many false alarms"]


def test_the_target_of_a_row_may_be_a_multiple_of_what_another_found() -> None:
    assert wanted(OF["errors-of-200"], RESULTS) == pytest.approx(1.15 * 150)
    assert misses(OF["errors-of-200"], RESULTS) == ["late", "too many false alarms"]
    assert misses(OF["errors-of-200"], {"errors-of-200": RESULTS["errors-of-200"]})[0] == "late"


def test_the_tables_show_what_was_found_and_leave_out_what_was_not_run() -> None:
    assert "| `rate-10-20` | error rate .1 -> .2 | 160 | 150 (140 to 160) | 100 % | 131 | .75 (.67 to .84) | 600 | |" in table(RESULTS).splitlines()
    assert table(RESULTS).count("\n") == 2 + 2
    assert "**late, too many false alarms** |" in table(RESULTS)
    assert only_false_alarms(RESULTS).splitlines()[2:] == ["| `features-200` | 200 independent features with the whole budget | 1.5 | .75 (.67 to .84) | 40,000,000 | |"]
    assert floors(RESULTS).splitlines()[2:] == ["| `rate-10-20` | 150 | 190 | 100 % | 170 | 100 % | .75 (.67 to .84) |"]
    assert {told({}) for told in (table, only_false_alarms, floors, slow_drift, beside)} == {"Not run yet.\n"}
    names = [line.split("|")[1].strip() for line in beside(RESULTS).splitlines() if line.startswith("| ")]
    assert names == ["detector", "*oracle*", "**Driftwarden**", "river ADWIN, tuned, 7.1", "river ADWIN, default"]


def test_rows_that_were_not_run_stay_as_they_are_on_the_page() -> None:
    page = PAGE.read_text()
    assert all(written(page, name, found, by="bench.detection.page") == page for name, found in tables(page, {}).items())
    results = {name: {"ours": found["ours"]} for name, found in RESULTS.items()}
    told = tables(page, results)
    reached, before = (text.splitlines() for text in (told["reached"], standing(page, "reached", by="bench.detection.page")))
    oracle = next(one for one in before if one.startswith("| `rate-10-20`")).split("|")[6].strip()
    assert f"| `rate-10-20` | error rate .1 -> .2 | 160 | 150 (140 to 160) | 100 % | {oracle} | .75 (.67 to .84) | 600 | |" in reached
    assert [one for one in reached if "`mean-half`" in one] == [one for one in before if "`mean-half`" in one]
    assert len(reached) == len(before)
    assert "| 40,000,000 | |" in told["nothing changes"]
    assert all(told[name] == standing(page, name, by="bench.detection.page") for name in ("sizes", "floors", "slow drift", "beside others"))
    beside_others = tables(page, RESULTS)["beside others"]
    assert "river ADWIN, tuned, 7.1" in beside_others
    assert beside_others.count("**Sigma x 1.5**") == 1


@pytest.mark.parametrize("name", ["sizes", "reached", "nothing changes", "floors", "slow drift", "beside others"])
def test_the_page_has_a_place_for_its_tables(name: str) -> None:
    assert written(PAGE.read_text(), name, "| told here |\n", by="bench.detection.page").count("| told here |") == 1


class Cumulative:
    """What the page calls ``MyDetector``."""

    def __init__(self, height: float) -> None:
        self._height, self._sum = height, 0.0

    def __call__(self, value: float) -> bool:
        self._sum = max(0.0, self._sum + value - 0.25)
        return self._sum > self._height


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(example, {"MyDetector": Cumulative})  # noqa: S102  our own page
    median, *_, found = capsys.readouterr().out.split()
    assert 10 < float(median) < 60
    assert float(found) == 1


def test_the_picture_has_a_row_for_each_change_and_a_curve_for_each_detector() -> None:
    drawn = ElementTree.fromstring(picture(RESULTS))  # noqa: S314  our own
    svg = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f"{svg}polyline")) == 3
    assert len(drawn.findall(f"{svg}circle")) == 4 + 3 + 1  # the legend; oracle, ours and a rival; ours alone
    assert any(text.text == "error rate .1 -> .2" for text in drawn.findall(f"{svg}text"))


def test_a_run_adds_to_what_another_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    out.write_text(json.dumps({"rare": {"oracle": {"median": 1.0}}}))
    assert main(["--row", "rare", "--part", "ours", "--seeds", "2", "--null-events", "2000", "--out", str(out)]) == 0
    assert set(json.loads(out.read_text())["rare"]) == {"oracle", "ours"}
    assert "| `rare` |" in capsys.readouterr().out
    assert main(["--list"]) == 0
    with pytest.raises(SystemExit):
        main(["--row", "none"])


def test_false_alarms_of_a_constant_difference_are_those_of_streams_that_have_it() -> None:
    row = OF["floor-mean"]
    loud = DetectionRow(name="loud", what="", column="numeric", law=Moved(shift=2.0), constant=1.0, floors=True)
    assert row.false_alarms(20_000, 1).alarms == 0
    assert loud.false_alarms(20_000, 1).alarms > 0
