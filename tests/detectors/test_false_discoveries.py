import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.alerts.false_discoveries import e_bh, e_values_of

RATE = 0.05
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)


def false_share(named: np.ndarray, nothing: np.ndarray) -> float:
    """Of what is named."""
    return float(named[nothing].sum() / max(named.sum(), 1))


@pytest.mark.parametrize("drifted", [0, 20])
def test_of_200_columns_with_correlation_nine_tenths_at_most_the_stated_share_is_named_falsely(drifted) -> None:
    generator, nothing, shares, found = np.random.default_rng(1), np.arange(200) >= drifted, [], []
    for _round in range(2_000):
        z = np.sqrt(0.9) * generator.normal() + np.sqrt(0.1) * generator.normal(size=200) + np.where(nothing, 0.0, 5.0)
        named = e_bh(e_values_of(stats.norm.sf(z), RATE), RATE)
        shares.append(false_share(named, nothing))
        found.append(named[~nothing].mean() if drifted else 1.0)
    assert np.mean(shares) + 3 * np.std(shares) / np.sqrt(len(shares)) < RATE
    assert np.mean(found) > 0.6


def test_the_worst_dependence_there_is_breaks_benjamini_hochberg_and_not_this() -> None:
    generator, n = np.random.default_rng(2), 20
    chances = RATE / np.arange(1, n + 1)  # that so many columns are in the bin of p-values in which that many are enough
    shares = np.zeros((4_000, 2))
    for place in range(len(shares)):
        p = RATE + (1 - RATE) * generator.random(n)
        many = int(np.searchsorted(np.cumsum(chances), generator.random())) + 1
        if many <= n:
            p[generator.choice(n, many, replace=False)] = RATE * (many - generator.random(many)) / n
        shares[place] = e_bh(e_values_of(p, RATE), RATE).any(), stats.false_discovery_control(p).min() <= RATE
    assert shares[:, 0].mean() < RATE
    assert shares[:, 1].mean() > 2.5 * RATE


@given(p_values)
def test_of_calibrated_p_values_it_names_what_benjamini_and_yekutieli_name(p) -> None:
    adjusted = stats.false_discovery_control(p, method="by")
    surely = np.abs(adjusted - RATE) > 1e-9
    assert np.array_equal(e_bh(e_values_of(p, RATE), RATE)[surely], (adjusted <= RATE)[surely])


@pytest.mark.parametrize("n", [1, 20, 200])
def test_a_calibrated_p_value_is_an_e_value(n) -> None:
    even = ((np.arange(n * 2_000) + 0.5) / (n * 2_000)).reshape(n, -1)  # e-values of each are by the number of hypotheses alone
    assert e_values_of(even, RATE).mean() == pytest.approx(1, abs=0.05)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).map(np.array))
def test_more_evidence_for_one_takes_no_other_name_away(e_values) -> None:
    named = e_bh(e_values, RATE)
    more = e_values.copy()
    more[0] = more[0] * 2 + 1
    assert (e_bh(more, RATE) >= named).all()
