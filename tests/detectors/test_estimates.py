"""What is told of windows without labels, and when it is not to be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from detectors.bundle import Bundle, Summary
from detectors.detect import Detect
from detectors.detection.estimates import Estimates
from detectors.event_batch import Float64
from detectors.monitor import Monitor, Monitors
from detectors.monitors.bank import detectors_of
from detectors.panes.layout import Layout
from detectors.profile import OutcomeProfile
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from detectors.unlabelled.support import Support
from tests.detectors.reference_samples import PANE, categorical_profile, numeric_profile, pane_vectors, specification_of

UNKNOWN = 2
COUNTS = (4_900, 900, 100, 4_100)


def estimating(*, missing: float = 0.0, counts: tuple[int, ...] = COUNTS) -> MonitorSpecification:
    specification = specification_of(
        {"age": numeric_profile(ages(10_000, missing)), "city": categorical_profile({"a": 0.6, "b": 0.4})}, prediction=categorical_profile({"no": 0.5, "yes": 0.5})
    )
    profile = specification.reference.profile
    outcomes = OutcomeProfile(labels=(0, 0, 1, 1), cells=(0, 1, 0, 1), counts=counts, means={"age": (0.0, 0.0)}, deviations={"age": (1.0, 1.0)})
    reference = Reference(profile=profile.model_copy(update={"outcomes": outcomes}))
    return MonitorSpecification.model_validate(dict(specification) | {"estimate_performance": True, "reference": reference})


def ages(n: int, missing: float) -> Float64:
    random = np.random.default_rng(1)
    return np.where(random.random(n) < missing, np.nan, random.normal(size=n))


def told(specification: MonitorSpecification, *, missing: float = 0.0, cities: bool = True, unknown: bool = False) -> dict[str, object]:
    n, layout = 2_000, Layout(specification)
    assert layout.outcomes is not None
    random = np.random.default_rng(2)
    columns = {"feature:age": ages(n, missing), "feature:city": np.where(random.random(n) < 0.4, 1.0, 0.0) if cities else np.full(n, np.nan)}
    said = np.full(n, UNKNOWN) if unknown else (random.random(n) < 0.5)
    (window,) = pane_vectors(layout, 1, columns | {"prediction": said.astype(float)})
    estimates = Estimates(layout, layout.outcomes)
    return estimates.point(0, "10m", window, estimates.supporting(window), measured=True).fields


def test_predictions_of_unknown_classes_alone_are_no_label_shift_and_not_trustworthy() -> None:
    fields = told(estimating(), unknown=True)
    assert fields["state"] == "not trustworthy"
    assert np.isnan([fields["prior.no"], fields["prior.yes"]]).all()


@pytest.mark.parametrize("gone", [{"missing": 1.0}, {"cities": False}], ids=["numeric", "categorical"])
def test_a_column_that_is_wholly_missing_is_not_like_the_reference(gone: dict[str, float]) -> None:
    as_ever, fields = told(estimating()), told(estimating(), **gone)
    assert (as_ever["state"], fields["state"]) == ("ok", "not trustworthy")
    assert fields["supporting_rows"] < 10
    assert as_ever["supporting_rows"] > 9_000


def test_values_that_miss_as_often_as_in_the_reference_are_like_it() -> None:
    assert told(estimating(missing=0.2), missing=0.2)["state"] == "ok"


def test_with_too_few_rows_of_every_class_there_are_monitors_and_no_label_shift() -> None:
    specification = estimating(counts=(20, 9, 9, 20))
    assert {"label_shift", "calibration"} <= {name for detector in detectors_of(specification) for name in detector.names}
    assert told(specification)["state"] == "learning"


@pytest.mark.parametrize(("shift", "alike"), [(0.0, False), (0.7, True), (1.2, True), (1.2, False)])
def test_the_interval_of_the_supporting_rows_holds_what_a_long_window_shows(shift: float, alike: bool) -> None:
    random, edges = np.random.default_rng(3), ndtri(np.arange(1, 20) / 20)
    shares = np.diff(ndtr(np.concatenate(([-np.inf], edges - shift, [np.inf]))))
    support = Support([np.full(20, 500.0)] * 3, [np.arange(20) + 20 * column for column in range(3)])
    true = support.rows(np.tile(shares * 1e9, 3)[None], 10_000.0)[0, 0]
    columns = [random.multinomial(1_000, shares, size=500) for _ in range(3)]
    _, low, high = support.rows(np.concatenate([columns[0]] * 3 if alike else columns, axis=1).astype(float), 10_000.0).T
    assert ((low <= true) & (true <= high)).mean() >= 0.93
    assert np.median(high / low) < 1.4


def test_near_the_limit_the_state_stays_what_it_was_until_chance_is_ruled_out_also_after_a_restart() -> None:
    specification = estimating().model_copy(update={"windows": (PANE,), "estimate_performance": True})
    layout, random = Layout(specification), np.random.default_rng(4)
    monitors = Monitors([Monitor(specification=specification)])
    stage, told, saved = Detect(monitors), [], {}
    for number in range(80):
        columns = {"feature:age": random.normal(2.12, size=1_000), "feature:city": random.random(1_000) < 0.4, "prediction": random.random(1_000) < 0.5}
        (counts,) = pane_vectors(layout, 1, {name: values.astype(float) for name, values in columns.items()})
        counts[0] = 1_000
        summary = Summary(model="loans", revision=1, digest=specification.digest, version="1", segment="", start=number * PANE, counts=counts)
        stage.absorb(
            Bundle(partition=0, partitions=1, generation=1, epoch=number, high=(number + 1) * PANE + specification.lateness, covered=number + 1, summaries=(summary,)), number
        )
        flushed = stage.flush()
        told += [point.fields for point in flushed.points if point.measurement == "estimate"]
        saved |= {piece.key: piece for piece in flushed.pieces}
        if number == 41:
            manifest, stage = stage.manifest(), Detect(monitors)
            stage.restore(manifest, [piece for piece in saved.values() if piece.value is not None])
    by_itself = [fields["supporting_rows"] >= fields["needed_rows"] for fields in told]
    states = [fields["state"] == "ok" for fields in told]
    assert np.count_nonzero(np.diff(by_itself)) > 20
    assert np.count_nonzero(np.diff(states)) <= 3
    assert by_itself[41] != by_itself[42]  # before and after the restart
    assert states[41] == states[42]


def test_estimates_need_what_the_reference_predicted() -> None:
    specification = estimating()
    profile = specification.reference.profile.model_copy(update={"prediction": None})
    with pytest.raises(ValueError, match=r"outcomes and \.prediction"):
        MonitorSpecification.model_validate(dict(specification) | {"reference": Reference(profile=profile)})
