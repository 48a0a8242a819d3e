"""The rows: what changes, and how soon it has to be told."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bench.detection.row import DetectionRow
from detectors.evaluation import Autoregressive, Common, Correlated, Cycle, Levels, ManyZeros, Moved, Noise, Normal, Rate, Student
from detectors.monitors.bank import detectors_of
from detectors.references.reference import performance_profile, profile_of
from detectors.scans.window_bank import WindowBank
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification

FEATURES = 200
PERIOD = 500
_NORMAL, _DEPENDENT, _HEAVY, _CYCLIC = Normal(), Autoregressive(0.7), Student(2.5), Cycle(PERIOD)
_SKEWED, _SKEWED_AFTER = (0.5, 0.25, 0.15, 0.07, 0.03), (0.4, 0.25, 0.15, 0.07, 0.13)
_FIVE, _FIVE_AFTER = (0.1, 0.2, 0.4, 0.2, 0.1), (0.05, 0.15, 0.3, 0.3, 0.2)


@cache
def share_of_errors() -> float:
    """Share of a model's budget that its error monitor has when `FEATURES` features are watched, too, over its share when none is."""
    return _error_looks({}) / _error_looks({f"x{place}": np.arange(100.0) for place in range(FEATURES)})


def _error_looks(columns: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> float:
    """Panes between two false alarms of the error monitor, in a model with such columns."""
    classes = np.array(["no", "yes"] * 50, object)
    features = {name: Feature(type="numeric") for name in columns}
    profile = profile_of(columns, features=features, task="classification", label=classes, performance=performance_profile(classes, classes, "classification"))
    specification = MonitorSpecification(model="bench", features=features)
    specification = specification.model_copy(update={"reference": specification.reference.model_copy(update={"profile": profile})})
    return next(detector.bank.looks for detector in detectors_of(specification) if isinstance(detector, WindowBank) and "error_rate" in detector.names)


def _shift(name: str, what: str, shift: float, target: float | None, *, noise: Noise = _NORMAL, **more: Any) -> DetectionRow:
    return DetectionRow(name=name, what=what, column="numeric", law=Moved(shift, noise=noise), target=target, **more)


ROWS = (
    DetectionRow(name="rate-10-20", what="error rate .1 -> .2", column="rate", law=Rate(0.1, 0.2), target=160, rivals=True),
    DetectionRow(name="rate-20-35", what="error rate .2 -> .35", column="rate", law=Rate(0.2, 0.35), target=125, rivals=True),
    DetectionRow(name="ramp-10-20", what="error rate .1 -> .2, a ramp of 1,000", column="rate", law=Rate(0.1, 0.2), target=850, ramp=1_000, limit=5_000, rivals=True),
    DetectionRow(name="ramp-20-35", what="error rate .2 -> .35, a ramp of 1,000", column="rate", law=Rate(0.2, 0.35), target=705, ramp=1_000, limit=5_000, rivals=True),
    _shift("mean-quarter", "mean + .25 sigma", 0.25, 270, rivals=True),
    _shift("mean-half", "mean + .5 sigma", 0.5, 85, rivals=True),
    _shift("mean-one", "mean + 1 sigma", 1.0, 29, rivals=True),
    DetectionRow(name="sigma", what="sigma x 1.5", column="numeric", law=Moved(scale=1.5), target=65, rivals=True),
    DetectionRow(name="categories", what="5 categories, .1 of mass moves from the largest to the smallest", column="categorical", law=Levels(_SKEWED, _SKEWED_AFTER), target=125),
    DetectionRow(name="categories-even", what="5 even categories, .1 of mass moves from one to another", column="categorical", law=Levels((0.2,) * 5, (0.1, 0.2, 0.2, 0.2, 0.3))),
    DetectionRow(name="correlation-three", what="20 columns, correlation 0 -> .3 between any two", column="correlation", law=Correlated(0.0, 0.3), target=60),
    DetectionRow(name="correlation-tenth", what="20 columns, correlation 0 -> .1 between any two", column="correlation", law=Correlated(0.0, 0.1), target=120),
    _shift("one-of-200-quarter", "one of 200 features, mean + .25 sigma", 0.25, 550, share=1 / FEATURES, sets=3),
    _shift("one-of-200-half", "one of 200 features, mean + .5 sigma", 0.5, 130, share=1 / FEATURES, sets=3),
    _shift("one-of-200-one", "one of 200 features, mean + 1 sigma", 1.0, 45, share=1 / FEATURES, sets=3),
    DetectionRow(
        name="errors-of-200", what="error rate .1 -> .2 of that model", column="rate", law=Rate(0.1, 0.2), target=1.15, of_row="rate-10-20", share=share_of_errors(), rivals=False
    ),
    _shift("ar-half", "AR(1) .7, mean + .5 sigma", 0.5, 400, noise=_DEPENDENT, allowed=1.0, rivals=True),
    _shift("ar-one", "AR(1) .7, mean + 1 sigma", 1.0, 120, noise=_DEPENDENT, allowed=1.0, rivals=True),
    _shift("cycle-half", "cycle of 1 sigma every 500 events, mean + .5 sigma", 0.5, 500, noise=_CYCLIC, cycles=(PERIOD,), allowed=1.0, rivals=True),
    _shift("cycle-one", "cycle of 1 sigma every 500 events, mean + 1 sigma", 1.0, 150, noise=_CYCLIC, cycles=(PERIOD,), allowed=1.0, rivals=True),
    _shift("heavy-tails", "t(2.5), half an interquartile range", _HEAVY.interquartile_range / 2, 150, noise=_HEAVY, allowed=1.0, rivals=True),
    _shift("small-reference", "mean + .5 sigma, reference of 500 rows", 0.5, None, reference=500, allowed=1.0),
    DetectionRow(name="zeros", what="60 % zeros become 40 %", column="numeric", law=ManyZeros(0.6, 0.4), allowed=1.0, rivals=True),
    DetectionRow(name="integers", what="integers with 5 values, mean + .4", column="numeric", law=Levels(_FIVE, _FIVE_AFTER), allowed=1.0, rivals=True),
    DetectionRow(name="rare", what="rate .002 -> .01", column="rate", law=Rate(0.002, 0.01), limit=5_000, allowed=1.0, rivals=True),
    DetectionRow(name="learnt", what="error rate .1 -> .2, no declared reference", column="rate", law=Rate(0.1, 0.2), reference=0),
    DetectionRow(name="features-200", what="200 independent features with the whole budget", column="numeric", law=Moved(noise=Common(FEATURES, 0.0)), group=FEATURES, allowed=1.5),
    DetectionRow(name="features-200-alike", what="200 features with correlation .9", column="numeric", law=Moved(noise=Common(FEATURES, 0.9)), group=FEATURES, allowed=1.5),
    DetectionRow(name="floor-rate", what="error rate .1 that stays .8 of the floor above it", column="rate", law=Rate(0.1, 0.116), constant=1.0, floors=True, allowed=1.0),
    DetectionRow(name="floor-mean", what="mean that stays .8 of the floor off", column="numeric", law=Moved(shift=0.08), constant=1.0, floors=True, allowed=1.0),
    DetectionRow(
        name="floor-categories",
        what="categories .8 of the floor apart",
        column="categorical",
        law=Levels((0.2,) * 5, (0.16, 0.2, 0.2, 0.2, 0.24)),
        constant=1.0,
        floors=True,
        allowed=1.0,
    ),
    DetectionRow(
        name="floor-correlation", what="correlations that stay .8 of the floor off", column="correlation", law=Correlated(0.0, 0.04), constant=1.0, floors=True, allowed=1.0
    ),
)
