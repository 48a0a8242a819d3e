"""The rows of the gate's bench: challengers that are not better on the whole, and those that are."""

from __future__ import annotations

from dataclasses import dataclass

from bench.gate.advantages import Advantage, Later, cyclic, steady, steady_on, switching, wandering, wandering_on
from detectors.settings.retraining import Gate

DISAGREEMENT = 0.1
"""Share of the events on which exactly one of the two models is wrong."""

SHARE = 0.1
"""Of the events that a canary answers."""

ONE_BY_ONE = Gate(block=1, min_evidence=0)
"""Looks at every label, asks for no steadiness and no least number of labels: the bets alone."""


@dataclass(frozen=True)
class NullRow:
    """Causes whose challengers are not better: how often one of them is promoted all the same.

    Attributes
    ----------
    challengers : of a cause; all of them are run, and share alpha.
    allowed : largest share of causes with a promotion, nan where none is stated.
    canary : how the advantage goes on for a challenger that passed the gate and is judged anew by a share of the events; None where it is promoted at once.
    """

    name: str
    what: str
    advantage: Advantage
    allowed: float
    challengers: int = 1
    disagreement: float = DISAGREEMENT
    canary: Later | None = None


@dataclass(frozen=True)
class GainRow:
    """A challenger that is better: median labels until its promotion.

    Attributes
    ----------
    allowed : largest median by bets alone.
    """

    name: str
    gain: float
    allowed: float
    disagreement: float = DISAGREEMENT

    def allowed_by_default(self, gate: Gate) -> float:
        """Largest median with the default settings: half as much again, and never under ``min_evidence``."""
        return max(1.5 * self.allowed, gate.min_evidence)


NULLS = (
    NullRow("null", "one challenger that is as good", steady(0.0), 0.055),
    NullRow("causes", "six challengers, refreshed four times each: 24 that are as good", steady(0.0), 0.055, challengers=24),
    NullRow("wander-3", "advantage wanders by 3 points (standard deviation), time constant 300", wandering(0.03), 0.065),
    NullRow("wander-5", "advantage wanders by 5 points", wandering(0.05), 0.065),
    NullRow("wander-5-noisy", "advantage wanders by 5 points, models disagree on 30 %", wandering(0.05), 0.065, disagreement=0.3),
    NullRow("cycle", "advantage of 10 points swings with a period of 1,000, from a random place", cyclic(0.10, 1_000), 0.065),
    NullRow("cycle-up", "the same, beginning with half a period of gain", cyclic(0.10, 1_000, phase=0.0), 0.065),
    NullRow("switch-3", "advantage of 3 points changes sign every 300 labels on average", switching(0.03, 300), float("nan")),
    NullRow("switch-5", "advantage of 5 points changes sign every 300 labels on average", switching(0.05, 300), float("nan")),
    NullRow("switch-5-slow", "advantage of 5 points changes sign every 600 labels on average", switching(0.05, 600), float("nan")),
)

GAINS = (
    GainRow("gain-1", 0.01, 8_500),
    GainRow("gain-2", 0.02, 1_700),
    GainRow("gain-5", 0.05, 320),
    GainRow("gain-10", 0.10, float("nan")),
    GainRow("gain-20", 0.20, float("nan"), disagreement=0.3),
)

CANARIES = (
    NullRow("canary", "one that is as good, and serves a tenth of the events before it is promoted", steady(0.0), 0.055, canary=steady_on()),
    NullRow("canary-wander-3", "advantage wanders by 3 points, and a tenth of the events is served first", wandering(0.03), 0.065, canary=wandering_on(0.03, SHARE)),
)
"""Challengers that are not better, judged by both gates; behind the others, whose seeds are their places."""
