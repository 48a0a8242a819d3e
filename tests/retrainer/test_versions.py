"""The champion is a fold over what was announced."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import msgspec

from retrainer.announced import Announced
from retrainer.registry.files import FilesRegistry
from retrainer.versions import Version, VersionStatus, champion


def record(version: str, status: VersionStatus, revision: int = 0) -> Version:
    return Version(model="churn", version=version, status=status, revision=revision, at=0)


def test_a_registered_or_rejected_version_never_serves() -> None:
    assert champion([record("1", "promoted"), record("2", "registered"), record("2", "rejected")]) == record("1", "promoted")


def test_a_rollback_brings_back_the_one_before_and_a_second_rollback_the_one_before_that() -> None:
    told = [record(name, "promoted") for name in "123"]
    told.append(record("3", "rolled_back"))
    assert champion(told) == record("2", "promoted")
    told.append(record("2", "rolled_back"))
    assert champion(told) == record("1", "promoted")


def test_a_rollback_of_a_version_that_does_not_serve_changes_nothing() -> None:
    assert champion([record("1", "promoted"), record("2", "promoted"), record("1", "rolled_back")]) == record("2", "promoted")


def test_an_updated_champion_serves_in_its_latest_revision() -> None:
    assert champion([record("1", "promoted"), record("1", "updated", 4)]) == record("1", "updated", 4)


def test_an_update_of_a_version_that_was_never_promoted_does_not_serve() -> None:
    assert champion([record("1", "promoted"), record("2", "updated", 1)]) == record("1", "promoted")


def test_a_record_survives_the_wire() -> None:
    sent = Version(model="churn", version="7", status="promoted", at=5, gate={"wealth": 81.5}, trained_on={"offsets": {"0": [3, 9]}})
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Version) == sent


def test_a_history_of_years_is_taken_in_seconds_and_each_record_once(tmp_path: Path) -> None:
    announced, revisions = Announced("churn", FilesRegistry(tmp_path)), 30_000  # as of an adaptive champion after 6 million labels
    began = process_time()
    for _ in range(2):
        taken = [announced.take(Version(model="churn", version="1", status="updated", revision=revision, at=revision)) for revision in range(revisions)]
    assert process_time() - began < 20, "a record that is compared with each before it takes minutes"
    assert (len(announced.records), any(taken)) == (revisions, False)
