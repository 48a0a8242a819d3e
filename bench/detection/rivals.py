"""What stands beside our monitors: detectors of others, as their documents say that they are used, and how strict each can be made; and our own with a guarantee."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, HDDMA, HDDMW

from bench.detection.of_frouros import Frouros
from bench.detection.row import BUDGET, Column
from detectors.evaluation import RateMonitor, Watcher
from detectors.evaluation.one_by_one import Every, river
from detectors.monitors.e_detector import RateEDetector

PANE = 10
"""ADWIN looks as often as our monitors where it is tuned; by default it looks every 32 events."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A detector.

    Attributes
    ----------
    name : with what is set.
    columns : that it is made for.
    make : the detector by its strictness; one at its defaults has none.
    lenient, strict : strictness between which the false-alarm rate is looked for; the same where the detector is taken as it is.
    part : of the streams that it is run on; less than 1 for a detector that needs much longer than the others.
    """

    name: str
    columns: tuple[Column, ...]
    make: Callable[[float], Watcher]
    lenient: float = 1.0
    strict: float = 1.0
    part: float = 1.0

    @property
    def is_tuned(self) -> bool:
        """Whether it is brought to a false-alarm rate."""
        return self.lenient != self.strict


# Page-Hinkley forgets by default, which on long streams leaves a sum that wanders by hundreds; without that it is the test of Page (1954).
_BOTH: tuple[Column, ...] = ("rate", "numeric")
RIVALS = (
    Rival(name="river ADWIN, tuned", columns=_BOTH, make=lambda strictness: river(lambda: ADWIN(delta=math.exp(-strictness), clock=PANE)), lenient=0.5, strict=60),  # type: ignore[no-untyped-call]  # river
    Rival(name="river ADWIN, default", columns=_BOTH, make=lambda _: river(ADWIN)),
    Rival(
        name="river Page-Hinkley for rises of .1, tuned",
        columns=("rate",),
        make=lambda height: river(lambda: PageHinkley(delta=0.05, threshold=height, alpha=1.0, mode="up")),
        lenient=0.5,
        strict=500,
    ),
    Rival(
        name="river Page-Hinkley for shifts of .5, tuned",
        columns=("numeric",),
        make=lambda height: river(lambda: PageHinkley(delta=0.25, threshold=height, alpha=1.0)),
        lenient=1,
        strict=10_000,
    ),
    Rival(name="river Page-Hinkley, default", columns=_BOTH, make=lambda _: river(PageHinkley)),
    Rival(name="river KSWIN, default", columns=("numeric",), make=lambda _: river(lambda: KSWIN(seed=1), reference=False), part=0.02),
    Rival(name="river DDM, tuned", columns=("rate",), make=lambda height: river(lambda: DDM(warning_threshold=height, drift_threshold=height)), lenient=1, strict=30),
    Rival(name="river DDM, default", columns=("rate",), make=lambda _: river(DDM)),
    Rival(name="river HDDM_A, tuned", columns=("rate",), make=lambda strictness: river(lambda: HDDMA(*_confidences(strictness))), lenient=0.7, strict=60, part=0.5),  # type: ignore[no-untyped-call]  # river
    Rival(name="river HDDM_A, default", columns=("rate",), make=lambda _: river(HDDMA), part=0.5),
    Rival(name="river HDDM_W, tuned", columns=("rate",), make=lambda strictness: river(lambda: HDDMW(*_confidences(strictness))), lenient=0.7, strict=60, part=0.5),  # type: ignore[no-untyped-call]  # river
    Rival(name="river HDDM_W, default", columns=("rate",), make=lambda _: river(HDDMW), part=0.5),
    Rival(
        name="frouros CUSUM for rises of .1, tuned", columns=("rate",), make=lambda height: Frouros("CUSUM", {"delta": 0.05, "lambda_": height}), lenient=0.5, strict=500, part=0.5
    ),
    Rival(
        name="frouros CUSUM for rises of .5, tuned",
        columns=("numeric",),
        make=lambda height: Frouros("CUSUM", {"delta": 0.25, "lambda_": height}),
        lenient=1,
        strict=10_000,
        part=0.5,
    ),
    Rival(name="frouros CUSUM, default", columns=_BOTH, make=lambda _: Frouros("CUSUM", {}), part=0.5),
    Rival(name="frouros ECDD-WT, default", columns=("rate",), make=lambda _: Frouros("ECDDWT", {}), part=0.1),
    Rival(name="Driftwarden, e-detector", columns=("rate",), make=lambda _: RateMonitor(budget=BUDGET, detector=RateEDetector)),
    Rival(name="alarm every 100 events", columns=_BOTH, make=lambda _: Every(100)),
    Rival(name="alarm every so many events, tuned", columns=_BOTH, make=lambda events: Every(round(events)), lenient=1_000, strict=1_000_000),
)


def _confidences(strictness: float) -> tuple[float, float]:
    """Of a drift, and of a warning, which has to come first."""
    confidence = math.exp(-strictness)
    return confidence, min(2 * confidence, 1.0)
