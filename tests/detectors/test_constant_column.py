"""A numeric column that never varied in its reference: leaving the constant is a change, staying there is none."""

import numpy as np

from detectors.monitors.bank import detectors_of
from detectors.panes.layout import Layout
from detectors.profile import Profile
from detectors.references.reference import numeric_profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from detectors.verdict import Status


def watched(values: list[float], panes: int) -> list[Status]:
    profile = Profile(rows=1_000, features={"x": numeric_profile(np.full(1_000, 5.0))})
    specification = MonitorSpecification(model="m", features={"x": Feature()}, reference=Reference(profile=profile))
    layout = Layout(specification)
    (drift,) = [detector for detector in detectors_of(specification) if detector.names == ("feature:x",)]
    state, statuses = drift.initial(), []
    for pane in range(panes):
        counts = np.zeros(layout.size)
        cells = layout.bins["x"].cells(np.array(values if pane >= panes // 2 else [5.0] * len(values)))
        np.add.at(counts, layout.blocks["feature:x"].start + cells, 1)
        state, verdicts = drift.step(state, counts, pane * 10_000)
        statuses.append(Status(int(verdicts.status[0])))
    return statuses


def test_a_constant_that_stays_never_alarms():
    assert Status.DRIFT not in watched([5.0] * 50, 200)


def test_leaving_the_constant_upwards_or_downwards_alarms():
    assert watched([5.0] * 25 + [6.0] * 25, 200)[-1] is Status.DRIFT
    assert watched([5.0] * 25 + [4.0] * 25, 200)[-1] is Status.DRIFT
