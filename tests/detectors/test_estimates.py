"""What is told of windows without labels, and when it is not to be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detection.estimates import Estimates
from detectors.event_batch import Float64
from detectors.monitors.bank import detectors_of
from detectors.panes.layout import Layout
from detectors.profile import OutcomeProfile
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from tests.detectors.reference_samples import categorical_profile, numeric_profile, pane_vectors, specification_of

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
    return Estimates(layout, layout.outcomes).point(0, "10m", window, measured=True).fields


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


def test_estimates_need_what_the_reference_predicted() -> None:
    specification = estimating()
    profile = specification.reference.profile.model_copy(update={"prediction": None})
    with pytest.raises(ValueError, match=r"outcomes and \.prediction"):
        MonitorSpecification.model_validate(dict(specification) | {"reference": Reference(profile=profile)})
