"""An alert that nobody raised: for trying a receiver, and for trying templates at the start."""

from __future__ import annotations

from typing import Literal

import msgspec

from detectors.alerts.alert import Alert
from detectors.verdict import Effect, Evidence
from streams.notify.desk import Batch
from streams.notify.notice import Notice, alert_notice

_OPENED = 1_767_268_800_000
MODEL = "driftwarden-test"
EVIDENCE = Evidence(
    name="error_rate",
    statistic="z",
    value=6.1,
    threshold=5.2,
    effect=Effect(name="difference of rates", value=0.1, interval=(0.06, 0.14), floor=0.02),
    n_reference=1_000,
    n_current=400,
    reference={"count": 100.0, "of": 1_000.0},
    current={"count": 80.0, "of": 400.0},
    basis={"detector": "rate"},
)


def sample_notice(status: Literal["opened", "resolved"] = "opened", *, at: int = _OPENED, page_address: str | None = None) -> Notice:
    """A notice that says of itself that it is a test.

    Parameters
    ----------
    at : time at which it was opened, epoch milliseconds; it names the alert.
    """
    alert = Alert(
        alert_id=f"test-{at:x}",
        sequence=0 if status == "opened" else 1,
        status=status,
        kind="performance",
        severity="warning",
        model=MODEL,
        model_version="1",
        segment="",
        opened_at=at,
        updated_at=at,
        change_at=at - 600_000,
        summary=f"{MODEL}: a test of this receiver, nothing has happened: error_rate changed by +0.1 (difference of rates; 95 % +0.06 to +0.14, floor 0.02, n 400 against 1,000)",
        monitors=(EVIDENCE,),
        budget="1 per 30d",
        causes=("somebody asked for a test: driftwarden notify test",),
    )
    return alert_notice(alert, owner="", page_address=page_address)


def sample_batch(page_address: str | None = None) -> Batch:
    """What templates are tried on: an alert, one that is resolved and acknowledged, and one that was held back."""
    opened, resolved = sample_notice(page_address=page_address), sample_notice("resolved", page_address=page_address)
    return Batch(notices=(opened, msgspec.structs.replace(resolved, alert_id="other")), held_back=(msgspec.structs.replace(resolved, alert_id="third"),))
