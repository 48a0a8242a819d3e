"""Tails of the statistics in windows of few events, where columns are least like a normal one."""

import numpy as np
import pytest
from scipy import stats

from detectors.monitors import categorical_drift, numeric_drift
from detectors.monitors.bank import detectors_of
from detectors.monitors.rate_change import excess
from detectors.profile import PerformanceProfile
from detectors.references.reference import numeric_profile
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.scored_windows import Windows
from detectors.settings.watching import Alerts, Floors
from detectors.statistics.large_deviation import DeviationTable, normal_of_root
from detectors.statistics.lattice import allowance
from tests.detectors.reference_samples import categorical_profile, specification_of

NOMINAL = (1e-2, 1e-3, 1e-4)
SIZES = (MIN_EVENTS, 30, 100, 300)
WITHOUT_FLOORS = Alerts(floors=Floors(shift=0, deviation_ratio=1, categories=0, rate=0, relative_loss=0))
ONLY_FEATURES = {"shares": {"performance": 0, "quality": 0}}
NUMERIC = {
    "normal": lambda g, n: g.normal(size=n),
    "lognormal": lambda g, n: g.lognormal(size=n),
    "58 % zeros": lambda g, n: np.where(g.random(n) < 0.58, 0, g.uniform(10_000, 75_000, n)),
    "95 % zeros": lambda g, n: np.where(g.random(n) < 0.95, 0, g.uniform(1, 2, n)),
    "five integers": lambda g, n: g.choice(5, n, p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(float),
    "binary .002": lambda g, n: (g.random(n) < 0.002).astype(float),
    "binary .01": lambda g, n: (g.random(n) < 0.01).astype(float),
    "binary .1": lambda g, n: (g.random(n) < 0.1).astype(float),
    "a constant with rare spikes": lambda g, n: np.where(g.random(n) < 0.001, g.normal(100, 1, n), 0.0),
    "a narrow bulk with rare spikes": lambda g, n: g.normal(size=n) + 100 * (g.random(n) < 0.003),
    "student 2.5": lambda g, n: g.standard_t(2.5, n),
    "uniform": lambda g, n: g.random(n),
}
HARMONIC = 1 / np.arange(1, 61) / (1 / np.arange(1, 61)).sum()
CATEGORICAL = {
    "three levels": np.array([0.5, 0.3, 0.2]),
    "three levels, one of a thousandth": np.array([0.989, 0.01, 0.001]),
    "twenty even levels": np.full(20, 0.05),
    "twenty levels, rarer and rarer": 0.75 ** np.arange(20) / (0.75 ** np.arange(20)).sum(),
    "sixty levels": HARMONIC,
}


def not_too_often(passed: np.ndarray, chances: np.ndarray, nominal: float) -> bool:
    """Whether windows pass a height at most 1.3 times as often as they should, within three standard errors of the simulation."""
    often, error = float(chances @ passed), float(np.sqrt(chances**2 @ passed))
    return often <= 1.3 * nominal + 3 * error


def independent(sums: np.ndarray, channels: int) -> Windows:
    return Windows(sums, np.zeros(len(sums), np.int64), np.ones((1, channels)), np.full((1, channels), 1e9))


@pytest.fixture
def tails(monkeypatch) -> None:
    """Without what skewness adds in a scan, which is no matter of a single window."""
    for bank in (numeric_drift, categorical_drift):
        monkeypatch.setattr(bank, "of_skewed", lambda statistic, _: statistic)


@pytest.mark.usefixtures("tails")
@pytest.mark.parametrize("law", NUMERIC)
def test_no_small_window_of_an_unchanged_column_passes_a_height_more_often_than_a_normal_value(law) -> None:
    generator = np.random.default_rng(1)
    profile = numeric_profile(NUMERIC[law](generator, 100_000))
    (bank,) = detectors_of(specification_of({"x": profile}, detectors=ONLY_FEATURES, alerts=WITHOUT_FLOORS))
    scores, shares = np.array(profile.scores), np.array(profile.counts) / sum(profile.counts)
    for n in SIZES:
        counts = generator.multinomial(n, shares, size=30_000)
        sums = np.stack((np.full(len(counts), n), counts @ scores, counts @ scores**2, counts @ scores**4), axis=1)
        with np.errstate(all="ignore"):
            detail = bank.score(independent(sums, 2), bank.initial()).detail  # type: ignore[attr-defined]
        sides = [(detail["location"], np.sign(detail["shift"])), (detail["scale"], np.sign(detail["log_ratio"]))]
        even = np.full(len(counts), 1 / len(counts))
        for nominal in NOMINAL:
            for values, sign in sides:
                for side in (-1, 1):
                    passed = ((values > stats.norm.isf(nominal)) & (sign == side))[:, 0]
                    assert not_too_often(passed, even, nominal), (n, nominal, side)


@pytest.mark.usefixtures("tails")
@pytest.mark.parametrize("law", CATEGORICAL)
def test_no_small_window_of_unchanged_levels_passes_a_height_more_often_than_a_normal_value(law) -> None:
    generator = np.random.default_rng(2)
    shares = CATEGORICAL[law]
    profile = categorical_profile({str(level): share for level, share in enumerate(shares)}, rows=10**9)
    (bank,) = detectors_of(specification_of({"x": profile}, detectors=ONLY_FEATURES, alerts=WITHOUT_FLOORS))
    for n in SIZES:
        counts = generator.multinomial(n, shares / shares.sum(), size=30_000)
        sums = np.hstack((np.full((len(counts), 1), n), counts, np.zeros((len(counts), 1)))).astype(float)
        with np.errstate(all="ignore"):
            statistic = bank.score(independent(sums, len(shares) + 1), bank.initial()).statistic[:, 0]  # type: ignore[attr-defined]
        for nominal in NOMINAL:
            height, alone = stats.norm.isf(nominal), np.exp(bank._handicap[0])  # type: ignore[attr-defined]
            of_one = alone * stats.norm.sf(np.sqrt(height**2 + 2 * np.log(alone)))  # each level is judged alone, too, which its threshold allows for
            assert not_too_often(statistic > height, np.full(len(counts), 1 / len(counts)), nominal + of_one), (n, nominal)


@pytest.mark.parametrize("law", ["normal", "lognormal", "student 2.5", "95 % zeros"])
def test_no_small_window_of_an_unchanged_loss_passes_a_height_more_often_than_a_normal_value(law) -> None:
    generator = np.random.default_rng(3)
    losses = np.abs(NUMERIC[law](generator, 1_000_000))
    reference = PerformanceProfile(rows=10**9, loss=losses.mean(), deviation=losses.std())
    (bank,) = detectors_of(specification_of({}, performance=reference, task="regression", alerts=WITHOUT_FLOORS))
    for n in SIZES:
        windows = generator.choice(losses, (max(1_000_000 // n, 10_000), n))
        sums = np.stack((np.full(len(windows), float(n)), windows.sum(axis=1), (windows**2).sum(axis=1)), axis=1)
        statistic = bank.score(independent(sums, 1), bank.initial()).statistic[:, 0]  # type: ignore[attr-defined]
        for nominal in NOMINAL:
            assert not_too_often(statistic > stats.norm.isf(nominal), np.full(len(windows), 1 / len(windows)), nominal), (n, nominal)


@pytest.mark.parametrize("rate", [0.002, 0.01, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("events", [MIN_EVENTS, 30, 100, 300, 1_000, 10_000])
def test_a_rate_passes_heights_up_to_six_sigma_about_as_often_as_a_normal_value_by_the_exact_binomial(rate, events) -> None:
    hits = np.arange(events + 1.0)
    value = excess(hits, np.full(len(hits), float(events)), np.array([rate * 1e12]), np.array([1e12]), 0.0)
    chances = stats.binom.pmf(hits, events, rate)
    nominal = np.geomspace(1e-9, 1e-3, 600)
    often = np.array([chances[value > height].sum() for height in stats.norm.isf(nominal)]) / nominal
    assert often.max() <= 2.6  # half of the chance of exactly so many hits may be too much ...
    assert often.mean() <= 1.1  # ... at one height, but over all of them it is not
    assert often.mean() > 0.5 or events < 100


def windows_of_lattice(chances: np.ndarray, events: int) -> np.ndarray:
    """(events max + 1, squares max + 1) exact chances of the sum and of the sum of squares of so many values 0, 1, 2 ... with these chances."""
    top = len(chances) - 1
    law = np.zeros((top * events + 1, top**2 * events + 1))
    law[0, 0] = 1
    for _ in range(events):
        after = np.zeros_like(law)
        for value, chance in enumerate(chances):
            after[value:, value**2 :] += chance * law[: len(law) - value, : law.shape[1] - value**2]
        law = after
    return law


@pytest.mark.parametrize("events", [MIN_EVENTS, 100])
@pytest.mark.parametrize("chances", [(0.58, 0.3, 0.12), (0.95, 0.03, 0.02), (0.3, 0.4, 0.3), (0.1, 0.2, 0.7), (0.5, 0.0, 0.5)])
def test_mean_and_variance_pass_heights_down_to_a_billionth_no_more_often_than_a_normal_value_by_the_exact_law(chances, events) -> None:
    law = windows_of_lattice(np.array(chances), events)
    values, weights = np.arange(3.0), 1e9 * np.array(chances)
    expected = float(values @ weights) / 1e9
    mean = np.arange(len(law))[:, None] / events
    variance = np.maximum(np.arange(law.shape[1])[None] / events - mean**2, 0)
    deviations = np.stack(np.broadcast_arrays(mean - expected, variance - (values**2 @ weights / 1e9 - expected**2)), axis=-1)
    tables = DeviationTable.of_means([(values, weights)]).beside(DeviationTable.of_variances([(values, weights)]))
    slope, ease = tables.at(deviations, np.arange(2))
    value = normal_of_root(np.abs(deviations) * slope * np.sqrt(events), ease)
    for channel in range(2):
        for side in (-1, 1):
            beside = np.sign(deviations[..., channel]) == side
            for nominal in (1e-3, 1e-5, 1e-7, 1e-9):
                often = law[(value[..., channel] > stats.norm.isf(nominal)) & beside].sum()
                assert often <= 1.3 * nominal, (channel, side, nominal)


def sums_of(values: np.ndarray, chances: np.ndarray, events: int, tilt: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums of so many values, to a two-thousandth of their range, and the chances of at least as much; exact where a tilt puts the middle of the law."""
    step = np.ptp(values) / 2_000
    law = np.bincount(np.round((values - values.min()) / step).astype(int), chances * np.exp(tilt * (values - values.max())))
    size = events * (len(law) - 1) + 1
    tilted = np.fft.irfft(np.fft.rfft(law, 2 * size) ** events, 2 * size)[:size]
    sums = np.arange(size) * step + events * values.min()
    return sums, np.cumsum((np.maximum(tilted, 0) * np.exp(-tilt * (sums - events * values.max())))[::-1])[::-1]


def test_the_mean_of_a_column_in_bins_passes_heights_as_often_as_a_normal_value_by_the_exact_law() -> None:
    profile = numeric_profile(np.random.default_rng(6).normal(size=10_000))
    values, weights = np.array(profile.scores), 1e6 * np.array(profile.counts)
    tables = DeviationTable.of_means([(values, weights)])
    values = values - values @ weights / weights.sum()
    for side in (-1, 1):
        sums, chances = sums_of(np.sort(side * values), weights[::side] / weights.sum(), MIN_EVENTS, tilt=1.0)
        sums, chances = sums[sums > 0], chances[sums > 0]
        slope, ease = tables.at(side * sums / MIN_EVENTS, np.zeros(len(sums), np.int64))
        value = normal_of_root(sums * slope / np.sqrt(MIN_EVENTS), ease)
        for height in (3.0, 4.5, 5.5):
            assert chances[value > height].max() == pytest.approx(stats.norm.sf(height), rel=0.05)


@pytest.mark.parametrize("values", [(0, 1, 2, 3), (0, 2, 3), (0, 3, 5), (-4, -1, 3)])
def test_a_sum_of_values_on_a_lattice_has_the_allowance_of_its_span_or_more(values) -> None:
    tilts = np.geomspace(0.1, 2, 30)
    found = allowance(tilts, np.full((len(tilts), len(values)), 1 / len(values)), np.array(values, np.float64))
    span = float(np.gcd.reduce(np.diff(values)))
    assert (found >= 0.999 * tilts * span / -np.expm1(-tilts * span)).all()


def test_a_correction_for_small_windows_costs_a_large_window_nothing() -> None:
    generator = np.random.default_rng(4)
    for law in ("normal", "lognormal", "58 % zeros", "five integers"):
        profile = numeric_profile(NUMERIC[law](generator, 100_000))
        tables = DeviationTable.of_means([(np.array(profile.scores), np.array(profile.counts, float))])
        for n, cost in ((100, 0.35), (10_000, 0.05)):
            deviations = np.array([[6.0 / np.sqrt(n)], [-6.0 / np.sqrt(n)]])
            slope, ease = tables.at(deviations, np.array([0]))
            root = np.abs(deviations) * slope * np.sqrt(n)
            assert (normal_of_root(root, ease) > root - cost).all()


def test_thirty_zeros_of_a_column_with_58_percent_of_them_are_as_unlikely_as_they_are() -> None:
    generator = np.random.default_rng(5)
    profile = numeric_profile(NUMERIC["58 % zeros"](generator, 100_000))
    (bank,) = detectors_of(specification_of({"x": profile}, detectors=ONLY_FEATURES, alerts=WITHOUT_FLOORS))
    zero = profile.scores[0]
    with np.errstate(all="ignore"):
        scored = bank.score(independent(30 * np.array([[1, zero, zero**2, zero**4]]), 2), bank.initial())  # type: ignore[attr-defined]
    assert scored.detail["scale"][0, 0] == pytest.approx(stats.norm.isf((profile.counts[0] / 100_000) ** 30), abs=0.1)
