"""A challenger that passed the gate serves a share of the events, and is judged by what it answered there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.rows.examples import Examples
from detectors.settings.retraining import Retrain
from retrainer.canary import answers, canary
from retrainer.loop import RetrainLoop
from retrainer.registry.files import FilesRegistry
from retrainer.saved import SavedLoop
from retrainer.versions import Version
from tests.retrainer.closed_loop import TRAINER
from tests.retrainer.concepts import SECOND, specification, stream
from tests.retrainer.service import BATCH, CHANGE, Service, instructions, versions

GATE = {"min_validation_time": "0s", "min_evidence": 100, "wander": 0}


def settings(**canary: object) -> object:
    return specification(refresh=[200], gate=GATE, canary={"share": 0.4, **canary})


@pytest.fixture(scope="module")
def rows(registry: FilesRegistry, first: list[Version]) -> Examples:
    """Of a world that changes; answered by version 1 so far."""
    return stream([(CHANGE, "old"), (2_400, "new")], registry.fetch(first[-1].uri, first[-1].digest))


def service(registry: FilesRegistry, first: list[Version], rows: Examples, spec: object = None, **options: object) -> Service:
    return Service(RetrainLoop(spec or settings(), TRAINER, registry, records=first), registry, rows, **options)  # type: ignore[arg-type]


def test_a_better_challenger_serves_its_share_first_and_then_all(registry: FilesRegistry, first: list[Version], rows: Examples) -> None:
    done = service(registry, first, rows).run(0, 3_000)
    assert versions(done.told) == [("2", "registered"), ("2", "canary"), ("2", "promoted")]
    assert instructions(done.told)[:6] == ["Collect", "Train", "StartGate", "StartCanary", "Publish", "DoNothing"]
    began, promoted = (one for one in done.told if isinstance(one, Version) and one.status in {"canary", "promoted"})
    assert (began.share, promoted.share) == (0.4, None)
    served = Examples.concatenate(done.served)
    judged = (served.version == "2") & (served.labelled_at <= promoted.at)
    assert promoted.gate["labels"] == judged.sum(), "each labelled event that it answered, and no other"
    assert done.loop.champion == promoted


def test_a_service_that_gives_the_canary_other_features_is_found_out_where_the_shadow_saw_nothing(registry: FilesRegistry, first: list[Version], rows: Examples) -> None:
    def reversed_answers(_: Examples, said: np.ndarray) -> np.ndarray:
        return np.where(said == "yes", "no", "yes").astype(object)

    done = service(registry, first, rows, answer=reversed_answers).run(0, 3_000)
    assert versions(done.told) == [("2", "registered"), ("2", "canary"), ("2", "rolled_back")]
    back = next(one for one in done.told if isinstance(one, Version) and one.status == "rolled_back")
    assert back.gate["reason"].startswith("on the events that it answered, not better")
    assert back.gate["difference"] < 0
    assert done.loop.champion == first[-1]
    assert canary(done.loop.records) is None


@pytest.mark.parametrize("by_state", [True, False], ids=["saved state", "announced versions alone"])
def test_a_restart_in_the_middle_of_a_canary_changes_no_announcement(registry: FilesRegistry, first: list[Version], rows: Examples, by_state: bool) -> None:
    whole = service(registry, first, rows).run(0, 3_000)
    part = service(registry, first, rows).run_until_it_shares()
    part.run(len(part.served) * BATCH, (len(part.served) + 2) * BATCH)
    again = RetrainLoop(settings(), TRAINER, registry, records=part.loop.records)  # type: ignore[arg-type]
    if by_state:
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(part.loop.save()), type=SavedLoop)
        assert again.resume(saved, part.served) == []
    else:
        for batch in part.served:
            assert again.on_examples(batch) == []
    part.loop = again
    part.run(len(part.served) * BATCH, 3_000)
    assert [one for one in part.told if isinstance(one, Version)] == [one for one in whole.told if isinstance(one, Version)]


def test_a_canary_that_nobody_asks_is_rolled_back_after_its_time(registry: FilesRegistry, first: list[Version], rows: Examples) -> None:
    done = service(registry, first, rows, settings(max_time="10m"), watches=False).run(0, 3_000)
    assert versions(done.told) == [("2", "registered"), ("2", "canary"), ("2", "rolled_back")]
    began, back = (one for one in done.told if isinstance(one, Version) and one.status in {"canary", "rolled_back"})
    assert back.at == began.at + 600 * SECOND
    assert "no verdict within 10m" in back.gate["reason"]
    assert back.gate["labels"] == 0


def test_a_canary_whose_labels_never_come_is_rolled_back_after_its_time_too(registry: FilesRegistry, first: list[Version], rows: Examples) -> None:
    loop = service(registry, first, rows, settings(max_time="10m")).run_until_it_shares().loop
    until = loop.records[-1].at + 600 * SECOND
    assert loop.on_time(until - 1) == []
    said = loop.on_time(until)
    assert versions(said) == [("2", "rolled_back")]
    assert {one.at for one in said} == {until}
    assert "no verdict within 10m" in loop.records[-1].gate["reason"]
    assert loop.on_time(until + SECOND) == []


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"version": "2", "status": "rolled_back"}, ["DoNothing", "DoNothing"]),
        ({"version": "2", "status": "promoted"}, ["DoNothing"]),
        ({"version": "9", "status": "promoted"}, ["Reject", "DoNothing"]),
    ],
)
def test_a_person_may_end_a_canary_in_any_way(registry: FilesRegistry, first: list[Version], rows: Examples, record: dict[str, str], said: list[str]) -> None:
    part = service(registry, first, rows).run_until_it_shares()
    told = part.loop.on_version(msgspec.convert({"model": "loans", "at": 1, "by": "ada", **record}, Version))
    assert instructions(told) == said
    assert canary(part.loop.records) is None
    part.told = []
    part.run(len(part.served) * BATCH, 3_000)
    assert "canary" not in [status for _, status in versions(part.told)]


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        ([("2", "rolled_back")], ["DoNothing", "DoNothing"]),
        ([("2", "promoted")], ["DoNothing"]),
        ([("9", "promoted")], ["Reject", "DoNothing"]),
        ([("2", "rolled_back"), ("9", "promoted")], ["DoNothing", "DoNothing", "DoNothing"]),
        ([("2", "promoted"), ("2", "rolled_back")], ["DoNothing", "DoNothing"]),
    ],
    ids=lambda one: " ".join(" ".join(part) if isinstance(part, tuple) else part for part in one),
)
def test_what_became_of_a_canary_while_no_retrainer_ran_is_followed(
    registry: FilesRegistry, first: list[Version], rows: Examples, meanwhile: list[tuple[str, str]], said: list[str]
) -> None:
    part = service(registry, first, rows).run_until_it_shares()
    saved = part.loop.save()
    others = [msgspec.convert({"model": "loans", "at": saved.clock + 1, "by": "ada", "version": version, "status": status}, Version) for version, status in meanwhile]
    again = RetrainLoop(settings(), TRAINER, registry, records=[*part.loop.records, *others])  # type: ignore[arg-type]
    told = again.resume(saved, part.served)
    assert instructions(told) == said
    assert versions(told) == ([("2", "rejected")] if "Reject" in said else []), "a canary that was taken back is not rejected as well"
    assert again.save().trials == (), "nothing is judged any more, a champion by itself least of all"


def test_a_canary_that_is_taken_back_before_a_row_has_told_the_time_ends_at_the_time_of_what_was_announced(registry: FilesRegistry, first: list[Version], rows: Examples) -> None:
    records = service(registry, first, rows).run_until_it_shares().loop.records
    again = RetrainLoop(settings(), TRAINER, registry, records=records)  # type: ignore[arg-type]
    assert again.on_time(records[-1].at) == []
    told = again.on_version(msgspec.structs.replace(records[-1], status="rolled_back", at=1_800_000_000_000, by="ada", share=None))
    assert instructions(told) == ["DoNothing", "DoNothing"]
    assert {one.at for one in told} == {records[-1].at}


def test_where_no_version_was_announced_there_is_nothing_to_serve_the_rest(registry: FilesRegistry, rows: Examples, tmp_path: Path) -> None:
    done = Service(RetrainLoop(settings(), TRAINER, FilesRegistry(tmp_path)), registry, rows).run(0, 3_000)  # type: ignore[arg-type]
    assert versions(done.told) == [("1", "registered"), ("1", "promoted")]


@given(st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_a_share_grows_by_the_ids_of_the_smaller_one(start: int, share: float) -> None:
    small, large = (Version(model="loans", version="2", status="canary", at=0, share=one) for one in (share / 2, share))
    ids = [f"order-{start + number}" for number in range(50)]
    assert all(answers(large, one) for one in ids if answers(small, one))
    assert not any(answers(Version(model="loans", version="2", status="promoted", at=0), one) for one in ids)


def test_a_share_is_as_large_as_it_says_and_another_canary_has_another_one() -> None:
    two, three = (Version(model="loans", version=version, status="canary", at=0, share=0.1) for version in "23")
    ids = [f"order-{number}" for number in range(20_000)]
    of_two, of_three = (np.array([answers(record, one) for one in ids]) for record in (two, three))
    assert abs(of_two.mean() - 0.1) < 5 * np.sqrt(0.1 * 0.9 / len(ids))
    assert abs((of_two & of_three).mean() - 0.01) < 5 * np.sqrt(0.01 * 0.99 / len(ids))


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"canary": {"share": 0.1}, "approval": "manual"}, "a canary serves without a person's word"),
        ({"canary": {"share": 1.0}}, "less than 1"),
        ({"quotas": {"trainings_at_once": 2}}, "trainings_at_once must be 1, got 2; .* trainings follow each other"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Retrain.model_validate(keys)
