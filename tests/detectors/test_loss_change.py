"""A mean absolute error against references that are small, perfect or not there yet."""

import numpy as np
import pytest

from detectors.detector import Detector
from detectors.monitors.bank import detectors_of
from detectors.panes.layout import Layout
from detectors.profile import PerformanceProfile
from detectors.verdict import Status
from tests.detectors.reference_samples import PANE, first_drift, pane_vectors, replay, specification_of

PANES = 200


def bank_of(reference: PerformanceProfile | None) -> tuple[Detector, Layout]:
    specification = specification_of({}, performance=reference, task="regression", false_alarms="1 per 100000 events", events_per_pane=50.0)
    (bank,) = detectors_of(specification)
    return bank, Layout(specification)


def absolute_errors(scale: float = 1.0) -> np.ndarray:
    return scale * np.abs(np.random.default_rng(1).normal(size=50 * PANES))


@pytest.mark.parametrize(("rows", "judged"), [(1, False), (99, False), (100, True)])
def test_a_declared_reference_of_too_few_rows_is_never_judged_by(rows: int, judged: bool) -> None:
    bank, layout = bank_of(PerformanceProfile(rows=rows, loss=0.8, deviation=0.6))
    _, verdicts = replay(bank, pane_vectors(layout, PANES, {}, absolute_errors=absolute_errors(3.0)))
    assert (first_drift(verdicts) is not None) == judged
    assert (verdicts[-1].status[0] == Status.LEARNING) != judged


def test_a_reference_without_errors_has_no_relative_change_and_its_evidence_says_so() -> None:
    bank, layout = bank_of(PerformanceProfile(rows=1_000, loss=0.0, deviation=0.0))
    state, verdicts = replay(bank, pane_vectors(layout, PANES, {}, absolute_errors=absolute_errors(1e-6)))
    assert verdicts[-1].status[0] == Status.INSUFFICIENT_DATA
    assert np.isnan([verdicts[-1].statistic[0], verdicts[-1].effect[0], verdicts[-1].recent_effect[0]]).all()
    evidence = bank.evidence(state, 0)
    assert np.isnan(evidence.effect.value)
    assert evidence.reference["mean_absolute_error"] == 0.0


def test_a_learnt_reference_without_errors_has_no_relative_change_either() -> None:
    bank, layout = bank_of(None)
    errors = absolute_errors()
    errors[: len(errors) // 2] = 0.0
    _, verdicts = replay(bank, pane_vectors(layout, PANES, {}, absolute_errors=errors))
    assert verdicts[-1].status[0] == Status.INSUFFICIENT_DATA


def test_a_pane_without_labels_after_a_restart_is_no_division_by_zero() -> None:
    bank, layout = bank_of(None)
    state, _ = replay(bank, pane_vectors(layout, PANES, {}, absolute_errors=absolute_errors()))
    state = bank.restart(state, 0, PANES * PANE)
    _, verdicts = replay(bank, np.zeros((1, layout.size)), state=state, start=PANES * PANE)
    assert verdicts[0].status[0] != Status.DRIFT
