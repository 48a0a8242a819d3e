"""A report in a real browser, from the disk: the same charts as on the live page, on a screen and on paper, and not one request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.infer import infer
from streams.replay import replay
from streams.report import view_of, write_report
from streams.tables import Table
from tests.ui.conftest import DRAWN, RED
from tests.ui.samples import FIRST, HOSTILE, SECOND, alert, specification, story, version

LOOK_AT_PRINT = """() => addEventListener("beforeprint", () => queueMicrotask(() => {
  const { left } = document.getElementById("report").getBoundingClientRect();
  const edges = [...document.querySelectorAll(".plot canvas, .heat canvas")].filter(one => one.clientWidth).map(one => one.getBoundingClientRect().right - left);
  window.printed = { edges, ground: getComputedStyle(document.body).backgroundColor, open: document.querySelectorAll("details[open]").length };
}))"""


def _table(rows: int, seed: int, *, change: int | None = None) -> Table:
    """Two numbers and a class by their sum; from a row on, the first number is shifted and the class is the other one."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.normal(size=rows)
    truth = (a + b > 0).astype(np.int64)
    said = np.where(rng.random(rows) < 0.1, 1 - truth, truth)
    if change is not None:
        a[change:] += 1.0
        truth[change:] = 1 - truth[change:]
    return Table(source="table.csv", columns={"a": a, "b": b, "said": said, "truth": truth})


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a replay in which a column shifts and the answers turn wrong at row 1,500."""
    base = MonitorSpecification(model="m", pane=20_000, lateness=0, false_alarms="1 per 100000 events", events_per_pane=20.0)  # type: ignore[arg-type]  # as in a file
    monitor = infer(_table(3_000, 1), model="m", label="truth", prediction="said", base=base)
    found = replay([_table(2_500, 2, change=1_500)], monitor, ColumnNames(prediction="said", label="truth"))
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, view_of(specification=found.specification, points=found.points, alerts=found.alerts, title="m: replay", event_times=False))
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a model with versions, a scoreboard, an alert that no monitor gives, and names that are no names."""
    evidence = replace(alert().monitors[0], reference={"edges": [0.0], "counts": [1, 2]}, current={})
    ugly = msgspec.structs.replace(alert(alert_id="b1", place=60), monitors=(evidence,))
    path = tmp_path_factory.mktemp("report") / "report.html"
    versions = [*FIRST, SECOND[0], version("2", "canary", 62, cause="a1b2c3d4"), SECOND[1]]
    board = [{"method": HOSTILE, "false alarms": "12"}]
    write_report(path, view_of(specification=specification(), points=story(), alerts=[alert(), ugly], versions=versions, title=HOSTILE, notes=[HOSTILE], scoreboard=board))
    return path


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[Page]:
    context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == []
    assert asked == [path.as_uri()]


def test_the_report_of_a_replay_shows_the_drift(replayed: Path, browser: Browser) -> None:
    with opened(browser, replayed) as page:
        expect(page.locator(".verdict")).to_contain_text("m has not been healthy since about row 1,")
        assert page.locator(".plot canvas").evaluate_all(DRAWN) >= 4
        assert page.locator(".heat .names li").all_inner_texts()[0] == "a"
        assert page.locator(".heat canvas").evaluate(RED) > 0.2
        drift = page.locator(".alert", has_text="drift, warning")
        expect(drift.locator(".monitor")).to_have_count(0)
        drift.locator("summary").first.click()
        expect(drift.locator(".proof")).to_contain_text(re.compile(r"All \d+ figures were computed again"))
        expect(drift.locator(".bars tbody tr").first).to_be_visible()
        page.locator(".plot").first.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".legend").first).to_contain_text("row 2,500")


def test_a_report_is_printed_in_light_colours_and_no_chart_is_wider_than_the_paper(replayed: Path, browser: Browser) -> None:
    with opened(browser, replayed, color_scheme="dark") as page:
        dark = "rgb(20, 23, 27)"
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == dark
        page.evaluate(LOOK_AT_PRINT)
        printed = page.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        seen = page.evaluate("window.printed")
        assert seen["ground"] == "rgb(255, 255, 255)"
        assert len(seen["edges"]) >= 5
        assert max(seen["edges"]) <= 794 - 2 * 49  # A4 less its margins, in the pixels of CSS
        assert seen["open"] == 2  # on paper nobody can open the evidence
        assert page.evaluate(ground) == dark
        assert page.locator("details[open]").count() == 0


def test_hostile_names_are_text_and_an_alert_that_cannot_be_drawn_is_told(hostile: Path, browser: Browser) -> None:
    with opened(browser, hostile) as page:
        assert page.locator("h1").inner_text() == HOSTILE
        expect(page.locator(".alert")).to_have_count(2)
        page.get_by_role("link", name="alert a1b2c3d4").first.click()
        expect(page.locator("#alert-a1b2c3d4 .bars tbody tr")).to_have_count(3)
        page.locator("#alert-b1 summary").click()
        expect(page.locator("#alert-b1 .fault")).to_have_text("Its evidence cannot be drawn: its current counts are no list of numbers.")
        expect(page.locator(".lineage svg")).to_contain_text("training of 2")
        marks = json.loads(page.locator("#sections").inner_text())["marks"]["versions"]
        assert [(mark["version"], mark["status"]) for mark in marks] == [("1", "promoted"), ("2", "canary"), ("2", "promoted")]
        assert page.locator("[src=x], [onerror]").count() == 0


def test_a_report_fits_a_small_screen(hostile: Path, browser: Browser) -> None:
    with opened(browser, hostile, viewport={"width": 400, "height": 800}) as page:
        expect(page.locator(".verdict")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_report_is_text(hostile: Path, browser: Browser) -> None:
    with opened(browser, hostile, java_script_enabled=False) as page:
        text = page.locator("#report").inner_text()
        for told in (
            HOSTILE,
            "unhealthy",
            "91.6 %",
            "a1b2c3d4",
            "42.9 %",
            "figures could not be reproduced from what the alert carries:",
            "recomputed",
            "better on labels that it was not trained on",
            "charts are drawn by the script inside this file, which is switched off",
        ):
            assert told in text


def test_a_report_is_small(replayed: Path) -> None:
    assert replayed.stat().st_size < 500_000
