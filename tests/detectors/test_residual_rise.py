"""More errors than estimated: chance, however few the labels and however unlike the predictions, alarms as seldom as a normal law would."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.monitors.mean_rise import MeanRise
from detectors.monitors.residual_rise import ResidualRise, root_of_bound
from detectors.scans.scored_windows import Bank
from tests.detectors.reference_samples import PANE, first_drift, replay

HEIGHT = 4.0


def law_of_errors(chances: np.ndarray) -> np.ndarray:
    """(n + 1,) chance of each number of errors of predictions that are wrong with such chances (Poisson binomial)."""
    law = np.ones(1)
    for chance in chances:
        law = np.convolve(law, (1 - chance, chance))
    return law


@pytest.mark.parametrize("events", [20, 60, 400])
@pytest.mark.parametrize("chances", [(0.01,), (0.1,), (0.4,), (0.001, 0.001, 0.3), (0.02, 0.6)])
@pytest.mark.parametrize("floor", [0.0, 0.02])
def test_chance_passes_a_height_at_most_as_often_as_a_normal_law(events: int, chances: tuple[float, ...], floor: float) -> None:
    estimated = np.resize(chances, events)
    variance = float(np.mean(estimated * (1 - estimated)))
    allowed = variance + floor * (np.sqrt(1 - 4 * variance) - floor)
    errors = np.arange(events + 1)
    told = root_of_bound(errors / events - estimated.mean() - floor, np.full(events + 1, float(events)), np.full(events + 1, allowed), 1 - floor)
    law = law_of_errors(estimated + floor)[told > HEIGHT]
    assert len(law) > 0  # all wrong is told
    assert law.sum() - law[0] / 2 <= 1.1 * stats.norm.sf(HEIGHT)  # half the chance of exactly so many counts as "more", as for every rate


@pytest.mark.parametrize(("kind", "alarms"), [(MeanRise, True), (ResidualRise, False)])
def test_four_errors_of_the_first_twenty_predictions_that_are_wrong_once_in_fifty_are_no_alarm(kind: type[MeanRise], alarms: bool) -> None:
    bank = Bank(names=("calibration",), group="performance", kind="performance", looks=1_000, pane=PANE, resolve_after=60 * PANE)
    detector = kind(bank, weights=np.eye(3), reference=(10_000.0, 0.0, 0.14), floor=0.0)
    random = np.random.default_rng(6)
    panes = [(20.0, errors - 0.4, 0.392) for errors in random.binomial(20, 0.02, 60)]
    state, _ = replay(detector, np.array(panes))
    _, verdicts = replay(detector, np.array([(20.0, 4 - 0.4, 0.392)]), state=state, start=60 * PANE)
    assert (first_drift(verdicts) is not None) == alarms


def test_of_many_events_it_is_the_normal_law() -> None:
    n, deviation = 1e6, 0.3
    assert root_of_bound(np.array([5 * deviation / np.sqrt(n)]), np.array([n]), np.array([deviation**2]), 1.0) == pytest.approx([5.0], rel=0.01)
