"""The closed loop on a stream whose concept changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace as replace_version

from detectors.rows.examples import Examples
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion
from retrainer.decision import Decision
from retrainer.loop import RetrainLoop
from retrainer.registry import Registry
from retrainer.registry.files import FilesRegistry
from retrainer.saved import SavedLoop
from retrainer.trainers import Candidate, Model, TrainingContext
from retrainer.trial import Shadow
from retrainer.versions import Request, Version
from tests.retrainer.closed_loop import CHANGE, TRAINER, feed, run, versions
from tests.retrainer.concepts import SECOND, alert, specification, stream, table


def test_a_concept_change_trains_and_promotes_and_accuracy_recovers(registry: FilesRegistry, first: list[Version], model: Model) -> None:
    spec = specification()
    loop = RetrainLoop(spec, TRAINER, registry, records=first)
    told = run(loop, stream([(CHANGE, "old"), (4_000, "new")], model))
    assert loop.champion is not None
    assert loop.champion.version != "1"
    assert registry.alias("loans", "champion") == loop.champion.version
    assert loop.champion.cause == "a1"
    assert loop.champion.gate["wealth"] >= loop.champion.gate["threshold"] == pytest.approx((len(spec.retrain.refresh) + 1) / spec.retrain.gate.alpha)
    features, label = table(2_000, "new", 7)
    before = float(np.mean(model.predict(features) == label))
    after = float(np.mean(registry.fetch(loop.champion.uri, loop.champion.digest).predict(features) == label))
    assert before < 0.7
    assert after > 0.85
    proved, refused = (next(one for one in told if isinstance(one, Version) and one.status == status) for status in ("promoted", "rejected"))
    anew = [one for one in told if isinstance(one, Decision) and one.instruction == "JudgeAnew"]
    assert [(one.version, one.at) for one in anew] == [("3", proved.at), ("4", proved.at)], "they learnt from more, and begin anew against it"
    assert refused.version == "4"
    assert refused.gate["labels"] == 500
    trained = next(one for one in told if isinstance(one, Version) and one.version == "2")
    assert trained.trained_on["rows"] == 200
    assert trained.parent == "1"
    assert set(trained.trained_on["offsets"]) == {"0", "1", "2", "3"}


def test_after_a_promotion_a_challenger_of_the_newest_rows_is_trained_without_an_alert(registry: FilesRegistry, first: list[Version], model: Model) -> None:
    loop = RetrainLoop(specification(refresh=[200], window=300, cooldown="0s", follow_up=True), TRAINER, registry, records=first)
    said = [one for one in run(loop, stream([(CHANGE, "old"), (2_300, "new")], model)) if isinstance(one, Version)]
    assert [(one.version, one.status) for one in said] == [("2", "registered"), ("2", "promoted"), ("3", "registered"), ("4", "registered")]
    promoted, soon, later = said[1:]
    assert (soon.cause.startswith("labels-"), soon.trained_on["rows"], soon.at - promoted.at) == (True, 300, 1_030 * SECOND)
    assert (later.cause, later.trained_on["rows"], later.at - promoted.at) == (soon.cause, 300, 1_330 * SECOND)


def test_a_request_is_trained_for_at_once_where_a_challenger_that_nobody_asked_for_is_judged(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (2_000, "new")], model)
    loop = RetrainLoop(specification(refresh=[200], window=1_000, cooldown="0s", follow_up=True), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    assert versions(run(loop, rows)) == [("2", "registered"), ("2", "promoted"), ("3", "registered")]
    assert loop.state.cause is not None
    assert loop.state.cause.kind == "labels"
    told = loop.on_request(Request(request_id="r1", model="loans", requested_at=1_800_000_000_000, cause="ci:main"), 1_800_000_000_000)
    assert versions(told) == [("3", "rejected"), ("4", "registered")]
    assert [(one.instruction, one.cause) for one in told if isinstance(one, Decision)][-3:] == [("Collect", "r1"), ("Train", "r1"), ("StartGate", "r1")]


def test_a_challenger_of_another_concept_is_refused_with_its_evidence(registry: FilesRegistry, first: list[Version], model: Model) -> None:
    class Stubborn:
        """Learns another concept, whatever it is shown."""

        def train(self, examples: Examples, spec: object, context: TrainingContext) -> Candidate:  # noqa: ARG002  the protocol's
            return TRAINER.train(stream([(60, "new")], model), specification(), context)

    loop = RetrainLoop(specification(refresh=[200]), Stubborn(), FilesRegistry(registry.root / "refused"), records=first)
    loop.announced.keep("1", model)
    rows = stream([(6_000, "old")], model)
    answers = np.where(np.arange(6_000) % 10, rows.prediction, None)
    told = run(loop, replace(rows, prediction=answers))
    assert versions(told) == [("2", "registered"), ("2", "rejected")]
    refused = [one for one in told if isinstance(one, Version)][-1]
    assert refused.gate["wealth_against"] >= 20
    assert refused.gate["difference"] < 0
    assert refused.gate["labels"] >= 500
    assert refused.gate["silent_champion"] == pytest.approx(refused.gate["labels"] / 9, abs=1)
    assert refused.gate["reason"].endswith(f"; {refused.gate['silent_champion']} more rows that the champion gave no answer to are left out")
    assert loop.champion == first[-1]


def test_nothing_is_promoted_when_nothing_changed(registry: FilesRegistry, first: list[Version], model: Model) -> None:
    loop = RetrainLoop(specification(), TRAINER, FilesRegistry(registry.root / "unchanged"), records=first)
    loop.announced.keep("1", model)
    told = run(loop, stream([(8_000, "old")], model))
    assert [status for _, status in versions(told)].count("registered") == len(loop.specification.retrain.refresh) + 1
    trained = [one.trained_on["rows"] for one in told if isinstance(one, Version) and one.status == "registered"]
    assert trained == [200, 600, CHANGE + 600, 1_800], "the third learnt from what came before the change, too"
    assert "promoted" not in [status for _, status in versions(told)]


@pytest.mark.parametrize("batch", [37, 1_000, 100_000])
def test_the_size_of_batches_changes_no_version_and_no_decision(tmp_path: Path, first: list[Version], model: Model, batch: int) -> None:
    rows = stream([(CHANGE, "old"), (2_500, "new")], model)
    said = []
    for size, name in ((250, "usual"), (batch, "other")):
        loop = RetrainLoop(specification(refresh=[200, 800]), TRAINER, FilesRegistry(tmp_path / name), records=first)
        loop.announced.keep("1", model)
        said.append(run(loop, rows, batch=size))
    assert said[0] == said[1]
    assert ("2", "promoted") in versions(said[0])


def test_rows_delivered_twice_change_nothing(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (2_000, "new")], model)
    said = []
    for name, given in (("once", rows), ("twice", rows)):
        loop = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(tmp_path / name), records=first)
        loop.announced.keep("1", model)
        told = run(loop, given)
        if name == "twice":
            assert feed(loop, rows) == []
        said.append(told)
    assert said[0] == said[1]


def test_the_floor_and_the_schedule_fall_at_the_same_rows_however_they_were_batched(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(2_600, "old")], model)
    said = []
    for batch in (90, 2_600):
        loop = RetrainLoop(
            specification(policy="never", new_labels=900, schedule="30m", refresh=[200], gate={"max_wait": 300, "min_evidence": 300}),
            TRAINER,
            FilesRegistry(tmp_path),
            records=first,
        )
        loop.announced.keep("1", model)
        said.append(feed(loop, rows, batch=batch))
    assert said[0] == said[1]
    causes = [one.cause for one in said[0] if isinstance(one, Version) and one.status == "registered"]
    assert causes == ["labels-1970-01-01T00:15:30.000Z", "schedule-1970-01-01T00:30:00.000Z"]


def test_a_finished_cause_is_not_trained_again_after_a_restart(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (2_000, "new")], model)
    registry = FilesRegistry(tmp_path)
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, registry, records=first)
    loop.announced.keep("1", model)
    told = run(loop, rows)
    assert versions(told)[-1] == ("2", "promoted")
    again = RetrainLoop(specification(refresh=[200]), TRAINER, registry, records=loop.records)
    retold = run(again, rows)
    assert versions(retold) == []
    assert any(isinstance(one, Decision) and one.instruction == "DoNothing" and "answered already" in one.reason for one in retold)


def test_a_challenger_without_a_verdict_is_judged_on_after_a_restart(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (2_500, "new")], model)
    registry: Registry = FilesRegistry(tmp_path)
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, registry, records=first)
    loop.announced.keep("1", model)
    told = run(loop, rows.take(slice(0, 1_400)))
    assert versions(told) == [("2", "registered")]
    again = RetrainLoop(specification(refresh=[200]), TRAINER, registry, records=loop.records)
    again.announced.keep("1", model)
    assert versions(feed(again, rows)) == [("2", "promoted")]


@pytest.mark.parametrize("cut", [1_050, 1_250, 1_900])
def test_a_loop_that_goes_on_from_its_saved_state_decides_as_if_it_had_never_ended(tmp_path: Path, first: list[Version], model: Model, cut: int) -> None:
    rows = stream([(CHANGE, "old"), (2_500, "new")], model)
    said = []
    for restarts in (False, True):
        loop = RetrainLoop(specification(refresh=[200, 400]), TRAINER, FilesRegistry(tmp_path), records=first)
        loop.announced.keep("1", model)
        told = loop.on_alert(alert("a1", int(rows.labelled_at[CHANGE])), int(rows.labelled_at[CHANGE]))
        told += feed(loop, rows.take(slice(0, cut)))
        if restarts:
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(loop.save()), type=SavedLoop)
            loop = RetrainLoop(specification(refresh=[200, 400]), TRAINER, FilesRegistry(tmp_path), records=loop.records)
            loop.announced.keep("1", model)
            assert loop.resume(saved, [rows.take(slice(0, cut))]) == []
            told += feed(loop, rows.take(slice(cut - 80, cut)))  # delivered again
            told += loop.on_alert(alert("a1", int(rows.labelled_at[CHANGE])), int(rows.labelled_at[cut]))
        said.append(told + feed(loop, rows.take(slice(cut, None))))
    assert said[0] == said[1]
    assert "promoted" in [status for _, status in versions(said[0])]


def test_a_champion_that_a_person_chose_while_nobody_looked_is_followed(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (400, "new")], model)
    loop = RetrainLoop(specification(refresh=[200, 4_000]), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    run(loop, rows)
    chosen = Version(model="loans", version="9", status="promoted", at=int(rows.labelled_at[-1]), by="ada")
    again = RetrainLoop(specification(refresh=[200, 4_000]), TRAINER, FilesRegistry(tmp_path), records=[*loop.records, chosen])
    assert versions(again.resume(loop.save(), [rows])) == [("2", "rejected")]
    assert again.state.champion == "9"


def test_a_training_that_crashes_is_announced_as_a_rejection_and_the_champion_stays(tmp_path: Path, first: list[Version], model: Model) -> None:
    class Broken:
        def train(self, examples: Examples, spec: object, context: TrainingContext) -> Candidate:  # noqa: ARG002  the protocol's
            raise MemoryError("the rows do not fit")

    loop = RetrainLoop(specification(refresh=[200]), Broken(), FilesRegistry(tmp_path), records=first)
    told = run(loop, stream([(CHANGE, "old"), (1_000, "new")], model))
    assert versions(told) == [("2", "rejected")]
    refused = next(one for one in told if isinstance(one, Version))
    assert refused.gate["reason"] == "training failed: MemoryError: the rows do not fit"
    assert (refused.uri, refused.gate["slot"]) == ("", 0)
    assert loop.champion == first[-1]
    again = RetrainLoop(specification(refresh=[200]), Broken(), FilesRegistry(tmp_path), records=loop.records)
    assert versions(run(again, stream([(CHANGE, "old"), (1_000, "new")], model))) == [], "what failed and was announced is not trained again"


def test_what_a_training_costs_is_told_and_counts(tmp_path: Path, first: list[Version], model: Model) -> None:
    seconds = iter(range(0, 1_000, 10))
    loop = RetrainLoop(specification(quotas={"cpu_seconds_per_day": 15}), TRAINER, FilesRegistry(tmp_path), records=first, meter=lambda: next(seconds))
    loop.announced.keep("1", model)
    told = run(loop, stream([(CHANGE, "old"), (2_500, "new")], model))
    costs = [one.metrics["cpu_seconds"] for one in told if isinstance(one, Version) and one.status == "registered"]
    assert costs == [10, 10]
    assert [one.reason for one in told if isinstance(one, Decision) and one.instruction == "Postpone"] == [
        "quota: 20 CPU seconds in a day of 15 allowed, until 1970-01-02T00:20:30.000Z"
    ]


def test_where_labels_are_late_a_challenger_is_judged_by_the_first_that_come_after_its_training(tmp_path: Path, first: list[Version], model: Model) -> None:
    """They are of events that were predicted before it was trained, and after those that it learnt from."""
    delay = 700 * SECOND
    rows = stream([(CHANGE, "old"), (2_500, "new")], model, delay=delay)
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    told = [one for one in run(loop, rows) if isinstance(one, Version)]
    assert [one.status for one in told] == ["registered", "promoted"]
    after = told[0].gate["judged_after"]
    assert told[0].gate["cut"] - after == delay
    first_judged = int(np.flatnonzero(rows.predicted_at > after)[0])
    assert rows.predicted_at[first_judged] < told[0].at < rows.labelled_at[first_judged]
    assert told[1].at == rows.labelled_at[first_judged + told[1].gate["labels"] - 1]


def test_a_promotion_rests_on_events_and_labels_that_both_came_some_time_after_those_of_the_training(model: Model) -> None:
    spec = specification(gate={"min_validation_time": "100s"})
    rows = stream([(400, "new")], model, delay=50 * SECOND)
    settled = Shadow(rows, np.ones(len(rows), np.bool_), spec.task).settled(cut=250 * SECOND, after=150 * SECOND, specification=spec)
    assert rows.predicted_at[settled][0] == 300 * SECOND, "event 250 is late enough, and its label is not"
    assert settled[299:].all()


def test_a_person_may_ask_for_a_training_on_a_window(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (2_500, "new")], model)
    loop = RetrainLoop(specification(policy="never"), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    told = feed(loop, rows.take(slice(0, 1_700)))
    window = (int(rows.labelled_at[CHANGE]), int(rows.labelled_at[CHANGE + 600]))
    told += loop.on_request(Request(request_id="r1", model="loans", requested_at=window[1], since=window[0], until=window[1]), window[1])
    told += feed(loop, rows.take(slice(1_700, None)))
    assert versions(told) == [("2", "registered"), ("2", "promoted")]
    assert next(one for one in told if isinstance(one, Version)).trained_on["rows"] == 600


def test_after_the_end_of_a_stream_labels_judge_but_start_no_training(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (1_500, "new")], model)
    loop = RetrainLoop(specification(refresh=[200, 600], earlier=False), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    assert versions(run(loop, rows.take(slice(0, 1_500)))) == [("2", "registered")]
    loop.end()
    late = feed(loop, rows.take(slice(1_500, None)))
    assert versions(late)[:1] == [("2", "promoted")], "600 labels were reached before that"
    refused = [one for one in late if isinstance(one, Decision) and "has ended" in one.reason]
    assert [(one.instruction, one.cause) for one in refused] == [("DoNothing", "a1")]
    assert "registered" not in dict(versions(late)).values()


def test_somebody_elses_promotion_ends_the_tests_against_the_old_champion(tmp_path: Path, first: list[Version], model: Model) -> None:
    rows = stream([(CHANGE, "old"), (1_000, "new")], model)
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    run(loop, rows.take(slice(0, 1_500)))
    told = loop.on_version(Version(model="loans", version="9", status="promoted", at=int(rows.labelled_at[1_500]), by="ada"))
    assert versions(told) == [("2", "rejected")]
    assert loop.champion is not None
    assert loop.champion.version == "9"


@pytest.mark.parametrize("saved", [False, True], ids=["as it runs", "while nobody looked"])
def test_a_challenger_that_a_person_promotes_during_its_trial_is_judged_no_further(tmp_path: Path, first: list[Version], model: Model, saved: bool) -> None:
    rows = stream([(CHANGE, "old"), (3_000, "new")], model)
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    half = 1_260  # it is on trial, and ahead
    run(loop, rows.take(slice(0, half)))
    assert loop.state.open == ("2",)
    promoted = replace_version(loop.announced.registered("2"), status="promoted", at=int(rows.labelled_at[half]), by="ada")
    if saved:
        state, records = loop.save(), [*loop.records, promoted]
        loop = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(tmp_path), records=records)
        loop.resume(state, [rows.take(slice(0, half))])
    else:
        loop.on_version(promoted)
    told = feed(loop, rows.take(slice(half, None)))
    assert [one.reason for one in told if isinstance(one, Decision)] == [], "it is compared with itself"
    assert loop.champion is not None
    assert (loop.champion.version, loop.state.champion) == ("2", "2")


def test_before_the_first_labelled_row_nothing_falls_due_and_no_decision_is_without_a_time(registry: FilesRegistry) -> None:
    loop = RetrainLoop(specification(policy="any", schedule="1d"), TRAINER, registry)
    told = loop.on_alert(alert("a0", 5, kind="quality"), 1_000)
    told += loop.on_alert(alert("a1", 5, kind="drift"), 2_000)
    told += loop.on_request(Request(request_id="r1", model="loans", requested_at=3_000), 3_000)
    told += loop.on_alert(alert("a1", 5, kind="drift", status="resolved", sequence=1), 4_000)
    assert [(one.at, one.instruction) for one in told if isinstance(one, Decision)] == [(1_000, "DoNothing"), (2_000, "Collect"), (3_000, "Postpone"), (4_000, "DoNothing")]


def test_a_request_that_waited_before_the_first_labelled_row_has_its_turn_with_it(registry: FilesRegistry, model: Model) -> None:
    loop = RetrainLoop(specification(policy="any"), TRAINER, registry)
    loop.on_alert(alert("a1", 5, kind="drift"), 2_000)
    loop.on_request(Request(request_id="r1", model="loans", requested_at=3_000), 3_000)
    loop.on_alert(alert("a1", 5, kind="drift", status="resolved", sequence=1), 4_000)
    rows = stream([(1, "old")], model)
    assert [(one.at, one.instruction, one.cause) for one in loop.on_examples(rows) if isinstance(one, Decision)] == [(int(rows.labelled_at[0]), "Collect", "r1")]


@pytest.mark.parametrize("restored", [False, True], ids=["as it runs", "taken up without its state"])
def test_the_cooldown_after_somebody_elses_promotion_goes_by_the_time_of_events(tmp_path: Path, first: list[Version], model: Model, restored: bool) -> None:
    rows = stream([(CHANGE, "old"), (1_000, "new")], model)
    loop = RetrainLoop(specification(refresh=[200], cooldown="10m"), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    run(loop, rows.take(slice(0, 1_500)))
    now = int(rows.labelled_at[1_500])
    if restored:
        loop = RetrainLoop(specification(refresh=[200], cooldown="10m"), TRAINER, FilesRegistry(tmp_path), records=loop.records)
        loop.on_alert(alert("a2", int(rows.labelled_at[CHANGE])), now)
    today = 1_800_000_000_000  # the clock by which a person promotes; the events are of 1970
    told = loop.on_version(Version(model="loans", version="9", status="promoted", at=today, by="ada"))
    assert versions(told) == [("2", "rejected")]
    assert {one.at < today for one in told} == {True}
    after = now + 11 * 60 * SECOND
    assert [one.instruction for one in loop.on_alert(alert("a3", after), after) if isinstance(one, Decision)] == ["Collect"]


def test_a_regression_recovers_from_a_changed_slope(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    spec = MonitorSpecification.model_validate(
        {"model": "loans", "task": "regression", "features": {"x": Feature()}, "retrain": {"refresh": [300], "follow_up": False, "gate": {"min_validation_time": "0s"}}}
    )
    registry, n = FilesRegistry(tmp_path), 3_500
    x = rng.normal(size=n)
    y = np.where(np.arange(n) < CHANGE, 2 * x, -2 * x) + rng.normal(scale=0.2, size=n)
    first = bootstrap_champion({"x": x[:CHANGE]}, y[:CHANGE], specification=spec, trainer=TRAINER, registry=registry, at=0)
    at = np.arange(1, n + 1, dtype=np.int64) * SECOND
    predictions = registry.fetch(first[-1].uri, first[-1].digest).predict({"x": x})
    text = np.full(n, "1", object)
    rows = Examples(
        model="loans",
        partition=np.zeros(n, np.int64),
        offset=np.arange(n),
        index=np.zeros(n, np.int64),
        event_id=np.arange(n, dtype=np.uint64),
        predicted_at=at,
        labelled_at=at,
        version=text,
        segment=text,
        prediction=predictions,
        label=y,
        score=np.full(n, np.nan),
        features={"x": x},
    )
    loop = RetrainLoop(spec, TRAINER, registry, records=first)
    assert versions(run(loop, rows)) == [("2", "registered"), ("2", "promoted")]
    assert loop.champion is not None
    better = registry.fetch(loop.champion.uri, loop.champion.digest).predict({"x": x[2_000:]})
    assert np.abs(better - y[2_000:]).mean() < np.abs(predictions - y)[2_000:].mean() / 4


def test_a_retrainer_that_died_before_it_announced_a_version_trains_it_again_from_rows_in_another_order(registry: FilesRegistry, first: list[Version], model: Model) -> None:
    rows = stream([(500, "old"), (1_500, "new")], model)
    as_they_came = [rows.take(slice(start, start + 50)) for start in range(0, len(rows), 50)]
    by_partition = [rows.take(np.flatnonzero(rows.partition == partition)) for partition in range(4)]
    trained = []
    for parts in (as_they_came, by_partition):
        loop = RetrainLoop(specification(), TRAINER, registry, records=first)
        told = loop.on_alert(alert("a1", int(rows.labelled_at[500])), int(rows.labelled_at[550]))
        for part in parts:
            told += loop.on_examples(part)
        trained.append(next(one for one in told if isinstance(one, Version)))
    assert trained[0].version == trained[1].version == "2"
    assert all(registry.fetch(one.uri, one.digest) for one in trained)


@pytest.mark.parametrize(("least", "promoted"), [("1h", False), ("0s", True)])
def test_labels_that_were_flipped_for_an_hour_promote_nothing(tmp_path: Path, first: list[Version], model: Model, least: str, promoted: bool) -> None:
    """Rows come every 5 s; the flip covers the training rows and the first 619 of the 720 rows that validate for an hour."""
    rows = stream([(1_800, "old")], model)
    flipped = (np.arange(1_800) >= 100) & (np.arange(1_800) < 820)
    other = np.where(rows.label == "yes", "no", "yes").astype(object)
    rows = replace(rows, predicted_at=rows.predicted_at * 5, labelled_at=rows.labelled_at * 5, label=np.where(flipped, other, rows.label))
    loop = RetrainLoop(specification(refresh=[100], gate={"min_validation_time": least}), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    told = run(loop, rows, change=100, detected=120)
    assert (("2", "promoted") in versions(told)) is promoted
    if not promoted:
        refused = next(one for one in told if isinstance(one, Version) and one.status == "rejected")
        assert refused.gate["worse_lately"] > refused.gate["threshold_against"]
        assert refused.at > int(rows.labelled_at[819])


def test_what_is_better_and_still_fails_a_check_is_refused_with_the_check(tmp_path: Path, first: list[Version], model: Model) -> None:
    loop = RetrainLoop(specification(refresh=[200], gate={"min_validation_time": "0s", "max_loss": 0.001}), TRAINER, FilesRegistry(tmp_path), records=first)
    loop.announced.keep("1", model)
    rows = stream([(CHANGE, "old"), (2_000, "new")], model)
    rows = replace(rows, segment=np.where(rows.features["city"] == "Ulm", "city=Ulm", "city=other").astype(object))
    refused = [one for one in run(loop, rows) if isinstance(one, Version)][-1]
    assert (refused.version, refused.status) == ("2", "rejected")
    assert refused.gate["wealth"] >= refused.gate["threshold"]
    found = {check["name"]: check["state"] for check in refused.gate["checks"] if not check["name"].startswith(("training ", "schema "))}
    assert found == {"loss": "failed", "segment city=Ulm": "passed", "segment city=other": "passed"}
    assert refused.gate["reason"].startswith("loss: 0.")
