"""The live page in a real browser: it tells the truth as it changes, opens to keyboard and small screens, and loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from streams.topics import Topics, create_topics
from streams.ui import server
from tests.ui.conftest import DRAWN, RED, Served, serving, tab
from tests.ui.samples import DECISION, FIRST, HOSTILE, MODEL, SECOND, alert, pane, specification, story

KEYS = "Left and right arrow keys read single values."
PAGES = ("/", f"/model?name={MODEL}", f"/alert?model={MODEL}&id=a1b2c3d4", f"/versions?name={MODEL}")
VENDORED = {
    "uPlot.LICENSE.txt": "j5iSKWmbT+LxoEMtDp7cM4qKkR4lDi0bAezXcKX1sb0=",
    "uPlot.iife.min.js": "GcjUxq2Ikpp59K5J1vcWFWbf0Lo9FcxJXpdPeH63jx8=",
    "uPlot.min.css": "32MMao1vjur/JktQ9zzlsRT2Rv/ZoLt08EmwoAE1+gQ=",
}
"""SHA-256 of the files of uPlot 1.6.32 in the npm registry, dist/ and LICENSE."""


UPDATES = "performance.getEntriesByName('driftwarden:update').length"
"""How often the page has drawn what came."""


def processor_time(page: Page) -> Callable[[str], float]:
    """Seconds of the processor that the page's own thread has spent so far, by the name of what for; what else the machine does is not in them."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent(what: str) -> float:
        return next(float(metric["value"]) for metric in session.send("Performance.getMetrics")["metrics"] if metric["name"] == what)

    return spent


@pytest.fixture(scope="module")
def lived(broker: str) -> Iterator[Served]:
    """A page of a model that was unwell and is trained again, and of one that never was; tests only look."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    create_topics(broker, partitions=4, prefix=prefix)
    with serving(Topics(prefix=prefix), broker) as one:
        one.teller.monitors(specification(), specification("a-healthy-one", ["age"]))
        one.teller.nonsense()
        one.teller.points(story())
        one.teller.points([point for place in range(90) for point in pane(place, model="a-healthy-one", features=["age"])])
        one.teller.alerts(alert())
        one.teller.versions(*FIRST, *SECOND)
        one.teller.decisions(DECISION)
        one.until_all_is_read()
        yield one


def test_the_fleet_says_worst_first_what_is_wrong_since_when_why_and_what_was_done(lived: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        watched.page.goto(lived.address)
        rows = watched.page.locator(".fleet li")
        expect(rows).to_have_count(2)
        expect(watched.page.locator("h1")).to_have_text("1 of 2 models needs a look")
        first = rows.first.inner_text()
        why = f"feature:{HOSTILE} by +0.4 (shift in sigma)"
        for said in ("unhealthy", MODEL, "version 2", "since about 2023-11-14 22:20:00 UTC", why, "Done: version 2 was trained because of it"):
            assert said in first
        assert "healthy" in rows.last.inner_text()
        assert watched.page.locator(".notes").inner_text() == "8 records of the topics hold what could not be read, which is left out."
        assert watched.page.locator(".spark .line").first.get_attribute("d").count("L") == 59  # type: ignore[union-attr]  # a path has one
        assert watched.page.locator("[src=x], [onerror]").count() == 0


def test_the_model_shows_its_drift_its_accuracy_and_what_happened(lived: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        page = watched.page
        page.goto(lived.address + PAGES[1])
        expect(page.locator(".verdict")).to_contain_text("loans has not been healthy since about 2023-11-14 22:20:00 UTC")
        told = f"accuracy and estimated accuracy: accuracy 91.6 %, 95 % 89.6 % to 93.6 %; estimated accuracy 90 %, 95 % 87 % to 93 %. {KEYS}"
        expect(page.locator(".plot").first).to_have_attribute("aria-label", told)
        lived.until("the drift of a third of the time is painted", lambda: page.locator(".heat canvas").evaluate(RED) > 0.1)
        assert page.locator(".heat .names").inner_text().split("\n") == ["salary", HOSTILE]
        lived.until("the plots are drawn", lambda: page.locator(".plot canvas").evaluate_all(DRAWN) >= 7)


def test_versions_can_be_chosen(lived: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        watched.page.goto(lived.address + PAGES[1])
        traffic = watched.page.get_by_role("img", name="Traffic")
        expect(traffic).to_have_attribute("aria-label", f"Traffic: predictions 1,410; labels 1,000. {KEYS}")
        watched.page.get_by_label("Version").select_option("2")
        expect(traffic).to_have_attribute("aria-label", f"Traffic: predictions 705; labels 500. {KEYS}")


def test_an_alert_opens_with_its_explanation_and_evidence(lived: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        page = watched.page
        page.goto(lived.address + PAGES[1])
        page.get_by_role("link", name="performance, critical").click()
        expect(page.locator("h1")).to_have_text("performance alert, critical, open")
        expect(page.locator(".monitor h3")).to_have_text(f"feature:{HOSTILE}")
        expect(page.locator(".bars tbody tr")).to_have_count(3)
        expect(page.locator(".bars")).to_contain_text("42.9 %")
        expect(page.locator(".proof")).to_contain_text("could not be reproduced")  # it was made up, and the page says so
        assert page.locator("[src=x], [onerror]").count() == 0


def test_versions_have_their_lineage_and_the_decisions_that_led_to_them(lived: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        page = watched.page
        page.goto(lived.address + PAGES[3])
        expect(page.locator(".lineage svg")).to_contain_text("training of 2")
        expect(page.get_by_role("cell", name="better on labels").first).to_be_visible()
        expect(page.get_by_role("cell", name="performance fell: 1 vote of 1 needed")).to_be_visible()
        page.get_by_role("link", name="alert a1b2c3d4").click()
        expect(page.locator("h1")).to_have_text("performance alert, critical, open")


def test_a_drift_an_alert_and_a_promotion_appear_while_the_page_is_open(served: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        page, teller = watched.page, served.teller
        page.goto(served.address + PAGES[1])
        expect(page.locator(".missing")).to_contain_text("No record of a model called “loans”")
        teller.monitors(specification())
        teller.points(story(40))
        teller.versions(*FIRST)
        teller.flush()
        expect(page.locator(".verdict")).to_contain_text("loans is healthy")
        expect(page.locator(".facts")).to_contain_text("version 1")
        teller.points(story(60)[len(story(40)) :])
        teller.alerts(alert())
        teller.flush()
        expect(page.locator(".alerts")).to_contain_text("accuracy fell from 90 % to 70 %")
        expect(page.locator(".heat canvas")).to_have_attribute("aria-label", "drift of 2 columns over event time; in alarm now: salary. Arrow keys read single cells.")
        expect(page.locator(".verdict")).to_contain_text("has not been healthy")
        teller.versions(*SECOND)
        teller.flush()
        expect(page.locator(".facts")).to_contain_text("version 2")
        expect(page.locator("#status")).to_contain_text("live · 2023-11-14")


def test_all_can_be_reached_by_keyboard_and_the_focus_is_seen(lived: Served, browser: Browser) -> None:
    with tab(browser) as watched:
        page = watched.page
        page.goto(lived.address)
        expect(page.locator(".fleet li")).to_have_count(2)
        reached = []
        for _ in range(4):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("[document.activeElement.textContent || document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]"))
        assert reached == [["Skip to content", "solid"], ["Driftwarden", "solid"], ["filter", "solid"], [MODEL, "solid"]]
        page.keyboard.press("Enter")
        expect(page.locator(".verdict .sentence")).to_be_visible()
        page.locator(".plot").first.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".legend").first).to_contain_text("accuracy 90 %")
        expect(page.locator(".legend").first).to_contain_text("2023-11-14 22:13:30")
        page.locator(".heat canvas").focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator(".heat .legend")).to_contain_text(HOSTILE)


def test_nothing_is_wider_than_a_small_screen_and_colours_follow_the_readers_wish(lived: Served, browser: Browser) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        with tab(browser, viewport={"width": 400, "height": 800}, color_scheme=scheme, reduced_motion="reduce") as watched:
            for path in PAGES if scheme == "dark" else PAGES[:1]:
                watched.page.goto(lived.address + path)
                expect(watched.page.locator("h1")).to_be_visible()
                expect(watched.page.locator("#status")).to_have_attribute("data-state", "live")
                assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            grounds.add(watched.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(255, 255, 255)", "rgb(20, 23, 27)"}


def test_two_hundred_models_of_fifty_features_are_painted_at_once_and_updated_in_no_time(served: Served, browser: Browser) -> None:
    features = [f"feature_{number}" for number in range(50)]
    models = [f"model-{number:03}" for number in range(200)]
    for place in range(2):
        for model in models:
            served.teller.points(pane(place, model=model, features=features))
    served.until_all_is_read()
    for path in ("/", "/model?name=model-007"):
        with tab(browser) as watched:
            page = watched.page
            spent = processor_time(page)
            page.goto(served.address + path)
            expect(page.locator(".fleet li, .verdict .sentence")).to_have_count(200 if path == "/" else 1)
            painted = spent("TaskDuration")
            updates, before = page.evaluate(UPDATES), spent("TaskDuration")
            for model in models:
                served.teller.points(pane(2 if path == "/" else 3, model=model, features=features, accuracy=0.8))
            served.teller.flush()
            page.wait_for_function(f"{UPDATES} > {updates}")
            page.wait_for_timeout(2_000)  # the records are several updates
            each = (spent("TaskDuration") - before) / (page.evaluate(UPDATES) - updates)
            print(f"{path}: painted after {1_000 * painted:.0f} ms, {1_000 * each:.0f} ms an update, with its layout and painting")
            assert painted < 1
            assert each < 0.1


def test_the_chart_library_is_what_its_authors_published() -> None:
    vendor = Path(server.__file__).parent / "static/vendor"
    digests = {path.name: base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode() for path in sorted(vendor.iterdir())}
    assert digests == VENDORED
