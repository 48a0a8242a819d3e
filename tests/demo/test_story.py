"""The story's stream is what its scenes say."""

import numpy as np
import pytest

from detectors.errors import SettingsError
from streams.demo.story import NOISE, Story, loans, own_file


@pytest.fixture(scope="module")
def story() -> Story:
    return loans(1)


def test_the_same_seed_tells_the_same_story_and_another_seed_another(story):
    again, other = loans(1), loans(2)
    assert (again.label == story.label).all()
    assert (again.features["salary"] == story.features["salary"]).all()
    assert not (other.features["salary"] == story.features["salary"]).all()


def test_the_season_is_learnt_from_the_reference(story):
    profile = story.specification.reference.profile
    assert profile is not None
    swing = profile.features["hvalue"]
    assert swing.kind == "numeric"
    assert [cycle.period for cycle in swing.cycles] == [5_000_000]
    assert np.abs(swing.cycles[0].location).max() > 0.2


def test_larger_loans_come_with_the_covariate_scene_and_stay(story):
    start, loan = story.start_of("covariate"), story.features["loan"]
    shift = (loan[start:].mean() - loan[:start].mean()) / loan[:start].std()
    assert 0.5 < shift < 0.7


def test_the_salary_shift_of_the_quiet_scene_is_below_the_floor(story):
    salary = story.features["salary"]
    shift = (salary[6_000:12_000].mean() - salary[:6_000].mean()) / salary[:6_000].std()
    assert abs(shift) < story.specification.alerts.floors.shift


def test_labels_depend_on_age_and_education_first_and_on_age_alone_later(story):
    change, label, age = story.start_of("concept"), story.label, story.features["age"]
    granted = (age < 40) | (age >= 60)
    agreement = (label == np.where(granted, "yes", "no")).astype(float)
    assert agreement[change:].mean() == pytest.approx(1 - NOISE, abs=0.01)
    assert agreement[:change].mean() < 0.8


def test_a_file_that_is_too_short_is_refused_with_what_it_needs(tmp_path):
    short = tmp_path / "short.csv"
    short.write_text("x,y\n" + "1,0\n" * 100)
    with pytest.raises(SettingsError, match="at least 2500"):
        own_file(short, "y")
