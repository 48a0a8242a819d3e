"""All receivers of a file, a courier each, until one of them has a fault of ours: then the process ends, for its supervisor to start it again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from streams.connection import KafkaConnection
from streams.notify.common_reader import CommonReader
from streams.notify.courier import Courier
from streams.notify.settings import NotifySettings, in_words
from streams.telemetry.figures import Figures

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5  # seconds between two looks whether all is ready


class Notifier:
    """Tells all receivers.

    Parameters
    ----------
    stopping : ends it.
    figures : take what it tells of itself; default: nobody looks at them.

    Attributes
    ----------
    couriers : by the receiver's name.
    """

    def __init__(self, connection: KafkaConnection, settings: NotifySettings, stopping: threading.Event, figures: Figures | None = None) -> None:
        self._stopping = stopping
        self._figures = figures or Figures("notify", settings.group)
        self._settings = settings
        self._reader = CommonReader(connection, stopping)
        known = self._reader.owners, self._reader.approvals
        self.couriers = {name: Courier(name, settings, connection, *known, stopping, self._figures) for name in settings.receivers}

    def run(self) -> None:
        """Run until told to stop; an error of any of its parts ends all of them, and is raised."""
        for line in in_words(self._settings):
            logger.info("receiver %s", line)
        parts: list[Callable[[], None]] = [self._reader.run, *(self._when_caught_up(courier) for courier in self.couriers.values())]
        with ThreadPoolExecutor(len(parts), thread_name_prefix="notify") as threads:
            running = [threads.submit(part) for part in parts]
            while not wait(running, LOOK_EVERY, return_when=FIRST_COMPLETED).done:  # none ends before it is told to, unless by an error
                self._figures.waits_for = self._waits_for()
            self._stopping.set()
        for ended in running:
            ended.result()

    def _waits_for(self) -> str:
        if not self._reader.caught_up.is_set():
            return "the monitors are being read, which name the owners, and the versions"
        begin = [name for name, courier in self.couriers.items() if not courier.is_ready]
        return f"what is open is being read for: {', '.join(begin)}" if begin else ""

    def _when_caught_up(self, courier: Courier) -> Callable[[], None]:
        """Routes ask for owners, and nobody is asked for what is decided already, so nobody is told anything before these are known."""

        def run() -> None:
            while not self._reader.caught_up.wait(0.1):
                if self._stopping.is_set():
                    return
            courier.run()

        return run
