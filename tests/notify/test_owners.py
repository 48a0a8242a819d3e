"""Whose models are notified about, by records that may be anybody's."""

from __future__ import annotations

import pytest

from detectors.errors import EventError
from streams.notify.owners import Owners


@pytest.mark.parametrize("value", [b"no JSON", b'{"specification":{"owner":"\xff"}}', pytest.param(b'{"specification":' * 100_000, id="deep")])
def test_what_is_no_record_of_a_monitor_is_refused_and_changes_no_owner(value: bytes) -> None:
    owners = Owners()
    owners.take(b'["churn",1]', b'{"revision":1,"specification":{"owner":"sales"}}')
    with pytest.raises(EventError, match="no record of a monitor"):
        owners.take(b'["churn",2]', value)
    assert owners.owner("churn") == "sales"
