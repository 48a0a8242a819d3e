"""``alerts acknowledge``: somebody's word that a change is meant to stay, beside the monitors.

It takes effect like a revision: at the start of the first pane that no event of the source topic has reached, so that whoever reads the log again does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.errors import SettingsError
from detectors.pane import pane_after
from detectors.rfc3339 import format_time
from streams.apply import source_of, write_record
from streams.connection import KafkaConnection
from streams.monitor_codec import acknowledgement_key, encode_acknowledgement
from streams.whole_topic import read_monitors


@dataclass(frozen=True, kw_only=True)
class Acknowledging:
    """What was written; ``new`` is False where somebody had said so before."""

    acknowledgement: Acknowledgement
    new: bool


def acknowledge(records: Sequence[Alert], *, by: str, note: str, connection: KafkaConnection) -> Acknowledging:
    """Write that the change of an alert is meant to stay; running workers take it up.

    Parameters
    ----------
    records : of the alert, at least one.
    by, note : whose word it is, and why.

    Raises
    ------
    SettingsError
        If nobody says so, the alert is over, or its model is not monitored any more.
    DriftwardenError
        If Kafka does not answer, or the topics do not exist.
    """
    last = max(records, key=lambda record: record.sequence)
    if not by.strip():
        raise SettingsError("--by is empty; say whose word it is that the change is meant to stay")
    if last.status == "resolved":
        how = f"was acknowledged by {last.acknowledged.by}" if last.acknowledged is not None else "is resolved"
        raise SettingsError(f"alert {last.alert_id} {how} since {format_time(last.updated_at)}; there is nothing left to acknowledge")
    monitors = read_monitors(connection)
    before = [one for one in monitors.acknowledgements.get(last.model, {}).values() if (one.alert_id, one.sequence) == (last.alert_id, last.sequence)]
    if before:
        return Acknowledging(acknowledgement=before[0], new=False)
    latest = monitors.latest(last.model)
    if latest is None:
        raise SettingsError(f"no monitor of '{last.model}' is applied any more, so nothing judges by its reference; there is nothing to acknowledge")
    pane = latest.specification.pane
    at = max(pane_after(source_of(connection)[1], pane), -(-last.updated_at // pane) * pane)
    word = Acknowledgement(model=last.model, alert_id=last.alert_id, sequence=last.sequence, by=by.strip(), note=note.strip(), effective_from=at)
    write_record(acknowledgement_key(word), encode_acknowledgement(word), connection)
    return Acknowledging(acknowledgement=word, new=True)
