"""Whom a challenger waits for no longer: what is kept of the versions says the same as all of their records."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from retrainer.approval import awaiting
from retrainer.versions import Version, VersionStatus, champion
from streams.notify.approvals import Approvals
from tests.notify.samples import asked

STATUSES: tuple[VersionStatus, ...] = ("registered", "promoted", "rejected", "rolled_back", "updated")


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """Of one model: a version learns from what served when it was registered, and the one that serves may be updated."""
    records: list[Version] = []
    for at in range(draw(st.integers(0, 12))):
        serving = champion(records)
        status, name = draw(st.sampled_from(STATUSES)), draw(st.sampled_from("123"))
        if status == "updated":
            if serving is None:
                continue
            name = serving.version
        records.append(Version(model="churn", version=name, status=status, at=at, parent="" if serving is None else serving.version))
    return records


@given(histories(), st.data())
def test_a_version_is_waited_for_as_all_records_say_however_often_they_are_read(records: list[Version], data: st.DataObject) -> None:
    approvals = Approvals()
    again = data.draw(st.integers(0, len(records)))
    for record in (*records, *records[:again]):
        approvals.take(record)
    asks = [msgspec.structs.replace(asked(), version=version) for version in "123"]
    known = {record.version for record in records}
    assert {version for version in "123" if not approvals.is_over("churn", version)} == {*awaiting(records, asks), *("123" if not known else set("123") - known)}


def test_a_version_that_was_not_read_of_yet_is_waited_for_as_its_record_may_be_on_its_way() -> None:
    approvals = Approvals()
    approvals.take(Version(model="churn", version="3", status="promoted", at=0))
    assert not approvals.is_over("churn", "4")
    assert not approvals.is_over("fraud", "3")
