"""``make demo STAY=1`` keeps a page open that shows what the broker holds."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from rich.console import Console

from detectors.errors import DriftwardenError
from streams.demo.open_page import OpenPage, open_page
from streams.demo.processes import Processes
from streams.topics import create_topics
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka


def test_the_page_answers_at_the_address_that_was_told_until_somebody_presses_ctrl_c(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topics(broker)
    ended, stays = Processes.ended, threading.Event()

    def looked_at(processes: Processes) -> dict[str, int]:
        stays.set()
        return ended(processes)

    def press() -> None:
        assert stays.wait(PATIENCE)
        signal.raise_signal(signal.SIGINT)  # a moment too early it would end all tests

    monkeypatch.setattr(Processes, "ended", looked_at)
    with open_page(tmp_path, broker, Console()) as page:
        assert page.address in capsys.readouterr().out
        assert "Driftwarden" in _answer(page.address)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # processes that pytest-xdist starts ignore it
        threading.Thread(target=press).start()
        try:
            page.stay()
        finally:
            signal.signal(signal.SIGINT, before)
    with pytest.raises(requests.ConnectionError):
        requests.get(page.address, timeout=PATIENCE)


def test_a_page_that_ends_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path, {"DRIFTWARDEN_BOOTSTRAP": "127.0.0.1:1"})
    processes.start("ui", "streams.cli", "ui", "--port", "0")
    with pytest.raises(DriftwardenError, match="the page ended with exit code 2; its log ends:"):
        OpenPage(processes, 0).stay()


def _answer(address: str) -> str:
    told: list[str] = []

    def answers() -> bool:
        with suppress(requests.ConnectionError):
            told.append(requests.get(address, timeout=PATIENCE).text)
        return bool(told)

    eventually(answers, f"an answer of {address}")
    return told[0]
