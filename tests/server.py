"""Real servers for tests, each in a process that ends with the test's own."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import requests

from streams.broker import free_port
from streams.child import dying_with_parent
from tests.waiting import PATIENCE, eventually


@dataclass
class Server(ABC):
    """One on a port of this machine, which can be stopped and started again on the same data."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    READY: ClassVar[str]
    """Path of what answers when it is ready."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(dying_with_parent(self.command()), stdout=log, stderr=subprocess.STDOUT)
        try:
            eventually(self._answers, f"an answer of {self.url}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends:\n{(self.folder / 'log').read_text()[-3_000:]}") from None

    def _answers(self) -> bool:
        try:
            return requests.get(self.url + self.READY, timeout=PATIENCE).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
