"""A service that asks for each event which version answers it, and the loop that sees its labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detectors.rows.examples import Examples
from retrainer.canary import answers, canary
from retrainer.decision import Decision
from retrainer.loop import RetrainLoop, Told
from retrainer.registry import Registry
from retrainer.versions import Version
from tests.retrainer.concepts import alert

CHANGE = 600
BATCH = 50
Answer = Callable[[Examples, np.ndarray], np.ndarray]
"""What a service answers with the canary's model, to these rows."""


class Service:
    """Predicts each batch with what was announced before it, and lets the loop see the labelled rows."""

    def __init__(self, loop: RetrainLoop, registry: Registry, rows: Examples, *, watches: bool = True, answer: Answer | None = None) -> None:
        self.loop, self.registry, self.rows, self.watches, self.answer = loop, registry, rows, watches, answer
        self.told: list[Told] = []
        self.served: list[Examples] = []

    def run(self, start: int, stop: int) -> Service:
        for place in range(start, stop, BATCH):
            if place == CHANGE + BATCH:
                self.told += self.loop.on_alert(alert("a1", int(self.rows.labelled_at[CHANGE])), int(self.rows.labelled_at[CHANGE]))
            batch = self.answered(place, self.rows.take(slice(place, min(place + BATCH, stop))))
            self.served.append(batch)
            self.told += self.loop.on_examples(batch)
        return self

    def run_until_it_shares(self) -> Service:
        """As far as the first canary."""
        while canary(self.loop.records) is None:
            assert len(self.served) * BATCH < len(self.rows), "no challenger passed the gate"
            self.run(len(self.served) * BATCH, (len(self.served) + 1) * BATCH)
        return self

    def answered(self, place: int, batch: Examples) -> Examples:
        beside = canary(self.loop.records)
        if beside is None or not self.watches:
            return batch
        mine = np.array([answers(beside, f"order-{number}") for number in range(place, place + len(batch))])
        said = self.registry.fetch(beside.uri, beside.digest).predict(batch.features)
        if self.answer is not None:
            said = self.answer(batch, said)
        return replace(batch, prediction=np.where(mine, said, batch.prediction), version=np.where(mine, beside.version, batch.version).astype(object))


def versions(told: list[Told]) -> list[tuple[str, str]]:
    return [(one.version, one.status) for one in told if isinstance(one, Version)]


def instructions(told: list[Told]) -> list[str]:
    return [one.instruction for one in told if isinstance(one, Decision)]
