"""Anomalies of single events: how well they are told from others, and their share as a monitor."""

import numpy as np
import pytest
from river import anomaly
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.recomputation import figures
from detectors.coded_text import CodedText
from detectors.columns.anomaly_scores import AnomalyScores
from detectors.columns.binning import encode
from detectors.errors import SettingsError
from detectors.panes.contributions import Contributions, Members
from detectors.panes.layout import Layout
from detectors.references.anomaly_reference import anomaly_profile
from detectors.references.reference import categorical_profile, numeric_profile
from detectors.rows.row_groups import RowGroups
from detectors.settings.watching import Quality
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames, EventOrder, rows_of
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification
from streams.replay import replay
from streams.tables import Table
from tests.streams.test_quality_monitors import BASE

MIXING = np.linalg.cholesky(0.7 * np.ones((8, 8)) + 0.3 * np.eye(8))


def usual(n: int, random: np.random.Generator) -> np.ndarray:
    """(n, 8) columns with a correlation of .7 between any two."""
    return random.normal(size=(n, 8)) @ MIXING.T


def torn(n: int, random: np.random.Generator) -> np.ndarray:
    """Columns each of which is as ever, of rows that do not belong together."""
    return random.normal(size=(n, 8))


def spiked(n: int, random: np.random.Generator) -> np.ndarray:
    """One column of each row is six deviations off."""
    found = usual(n, random)
    found[np.arange(n), random.integers(0, 8, n)] += 6
    return found


def profiled(values: np.ndarray):
    columns = {f"x{place}": column for place, column in enumerate(values.T)}
    return anomaly_profile(columns, {name: numeric_profile(column) for name, column in columns.items()})


def half_space_trees(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    low, high = reference.min(axis=0), reference.max(axis=0)
    trees = anomaly.HalfSpaceTrees(seed=1, n_trees=25, height=8)

    def scaled(rows: np.ndarray) -> np.ndarray:
        return np.clip((rows - low) / (high - low), 0, 1)

    for row in scaled(reference):
        trees.learn_one(dict(enumerate(row)))
    return np.array([trees.score_one(dict(enumerate(row))) for row in scaled(values)])


@pytest.mark.parametrize("strange", [torn, spiked])
def test_strange_events_are_told_from_usual_ones_at_least_as_well_as_by_trees(strange) -> None:
    random = np.random.default_rng(1)
    reference = usual(1_000, random)
    values, is_strange = np.concatenate((usual(150, random), strange(150, random))), np.repeat([False, True], 150)
    ours = roc_auc_score(is_strange, AnomalyScores(profiled(reference)).scores(values, []))
    assert ours > 0.85
    assert ours > roc_auc_score(is_strange, -IsolationForest(random_state=1).fit(reference).score_samples(values))
    assert ours > roc_auc_score(is_strange, half_space_trees(reference, values))


def test_a_hundredth_of_new_events_is_above_the_threshold() -> None:
    random = np.random.default_rng(2)
    profile = profiled(usual(20_000, random))
    above = (AnomalyScores(profile).scores(usual(40_000, random), []) > profile.threshold).mean()
    assert above == pytest.approx(0.01, abs=4 * np.sqrt(0.01 / 10_000))


def test_missing_values_rare_levels_and_infinities_have_a_score_too() -> None:
    random = np.random.default_rng(3)
    columns = {"x": random.normal(size=2_000), "plan": np.where(random.random(2_000) < 0.5, "a", "b").astype(object)}
    profiles = {"x": numeric_profile(columns["x"]), "plan": categorical_profile(columns["plan"])}
    scores = AnomalyScores(anomaly_profile(columns, profiles))
    cells = encode(CodedText.of(["a", "a", "a", "new", None]), profiles["plan"])
    common, missing, infinite, unseen, unknown = scores.scores(np.array([[0.0], [np.nan], [np.inf], [0.0], [0.0]]), [cells]).tolist()
    assert common < scores.threshold < min(missing, infinite, unseen, unknown)


def table(n: int, seed: int, share: float = 0.0) -> Table:
    random = np.random.default_rng(seed)
    values = usual(n, random)
    odd = (random.random(n) < share) & (np.arange(n) >= n // 2)
    values[odd] = torn(int(odd.sum()), random) * 2
    return Table(source="t", columns={f"x{place}": column for place, column in enumerate(values.T)} | {"plan": np.where(random.random(n) < 0.3, "a", "b").astype(object)})


def inferred(seed: int = 1) -> MonitorSpecification:
    return infer(table(4_000, seed), model="m", base=BASE.model_copy(update={"quality": Quality()}), anomalies=True)


def test_a_share_of_strange_events_that_rises_is_told_and_one_that_stays_is_not() -> None:
    asked = inferred()
    alerts = replay([table(6_000, 4, share=0.2)], asked, ColumnNames(), metrics=False).alerts
    (evidence,) = next(alert for alert in alerts if alert.status == "opened").monitors
    assert evidence.name == "anomaly_rate"
    assert what_changed(evidence).startswith("the share of events that are stranger than 99 % of the reference went from 1 %")
    assert 3_000 <= alerts[0].updated_at / 1_000 <= 3_200
    assert all(figure.agrees for figure in figures(alerts))
    quiet = replay([table(6_000, 5)], asked, ColumnNames())
    assert quiet.alerts == []
    (latest,) = [point for point in quiet.points if point.measurement == "quality" and point.tags["kind"] == "anomalous"][-1:]
    assert latest.fields["rate"] == pytest.approx(0.01, abs=0.01)


def test_a_file_gives_the_profile_back_and_what_is_not_asked_for_is_not_there() -> None:
    asked = inferred()
    assert parse_specification(format_specification(asked)) == asked
    assert "anomalies" not in Layout(asked.model_copy(update={"quality": Quality()})).blocks
    without = asked.reference.profile.model_copy(update={"anomalies": None})
    with pytest.raises(SettingsError, match="infer FILE --anomalies"):
        parse_specification(format_specification(asked.model_copy(update={"reference": asked.reference.model_copy(update={"profile": without})})))


def test_models_that_are_counted_together_are_judged_each_by_its_own_reference() -> None:
    layouts = [Layout(inferred(seed)) for seed in (1, 2)]
    counted = [Contributions(layout) for layout in layouts]
    assert counted[0].alike == counted[1].alike
    rows = rows_of(table(300, 6, share=0.5), layouts[0].specification, ColumnNames())
    (batch,) = EventOrder(layouts[0].specification, ColumnNames()).fetch(rows).batches
    owner = np.repeat([0, 1], [100, 200])
    sums = np.zeros((2, layouts[0].size))
    counted[0].inputs(sums, RowGroups([(0, "", "")] * 2, owner, 300), batch, Members(counted, owner, [0, 100, 300]))
    alone = np.zeros((2, layouts[0].size))
    counted[0].inputs(alone[:1], RowGroups([(0, "", "")], None, 100), batch.take(slice(0, 100)))
    counted[1].inputs(alone[1:], RowGroups([(0, "", "")], None, 200), batch.take(slice(100, 300)))
    assert np.array_equal(sums, alone)
    assert sums[1, layouts[0].blocks["anomalies"]].tolist()[0] == 200
