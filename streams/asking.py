"""Ask for a training, as a person or a pipeline does, and follow what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from detectors.errors import DriftwardenError, EventError
from retrainer.decision import Decision
from retrainer.versions import Request, Version
from streams.connection import KafkaConnection
from streams.unreachable import explained
from streams.whole_topic import records_of
from streams.wire import decode_decision, decode_version, encode_request

_ACKNOWLEDGED_SECONDS = 30.0
_POLL_MILLISECONDS = 200
_VERDICTS = {"promoted", "rejected", "rolled_back"}  # the last is that of a canary


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a request ended: "promoted", "rejected", or "open" where nothing is proved, a person has the last word, or the time was up."""

    request_id: str
    verdict: Literal["promoted", "rejected", "open"]
    version: str
    reason: str


def read_decisions(connection: KafkaConnection, model: str | None = None) -> list[Decision]:
    """Every decision of the retrainer, each once, in the order of their topic; what cannot be read is left out."""
    decisions: dict[str, Decision] = {}
    for record in records_of(connection, connection.topics.decisions):
        try:
            decision = decode_decision(record.value or b"")
        except EventError:
            continue
        if model is None or decision.model == model:
            decisions.setdefault(decision.decision_id, decision)
    return list(decisions.values())


class Asking:
    """One request: what is answered to it is read from where the topics end before it is sent, so that no answer is missed."""

    def __init__(self, request: Request, connection: KafkaConnection) -> None:
        self.request = request
        self._connection = connection
        names = connection.topics
        self._decoders: dict[str, Callable[[bytes], Any]] = {names.decisions: decode_decision, names.versions: decode_version}
        with explained(connection):
            self._consumer = KafkaConsumer(
                **connection.client_arguments(), enable_auto_commit=False, isolation_level="read_committed", allow_auto_create_topics=False, bootstrap_timeout_ms=10_000
            )
            partitions = [TopicPartition(topic, number) for topic in self._decoders for number in self._consumer.partitions_for_topic(topic) or ()]
            if {partition.topic for partition in partitions} != set(self._decoders):
                self._consumer.close()
                raise DriftwardenError(f"topics of retraining are missing on {connection.bootstrap}; make them with: driftwarden topics apply")
            self._consumer.assign(partitions)
            self._consumer.seek_to_end(*partitions)
            for partition in partitions:
                self._consumer.position(partition)  # settle "the end" now, not at the first poll

    def send(self) -> None:
        """Send the request; it is acknowledged when this returns."""
        with explained(self._connection):
            producer = KafkaProducer(**self._connection.client_arguments(), acks="all", bootstrap_timeout_ms=10_000)
            try:
                producer.send(self._connection.topics.requests, key=self.request.model.encode(), value=encode_request(self.request)).get(_ACKNOWLEDGED_SECONDS)
            finally:
                producer.close()

    def outcome(self, timeout: float, told: Callable[[Decision | Version], object] = lambda _: None) -> Outcome:
        """Wait for the end of the request.

        Parameters
        ----------
        timeout : seconds.
        told : called with each decision and version that answers the request.
        """
        deadline = time.monotonic() + timeout
        winner, reason = "", f"no retrainer answered within {timeout:g} s; is one running? The request stays, and is answered by the next one"
        inconclusive = False
        while time.monotonic() < deadline:
            for records in self._consumer.poll(_POLL_MILLISECONDS).values():
                for record in records:
                    answer = self._answer(record)
                    if answer is None:
                        continue
                    told(answer)
                    if isinstance(answer, Decision) and not winner:
                        reason = f"no verdict within {timeout:g} s; the last answer: {answer.instruction}: {answer.reason}"
                    if isinstance(answer, Version):
                        if answer.status in _VERDICTS:
                            winner, reason = answer.version, str(answer.gate.get("reason", ""))
                            inconclusive = answer.gate.get("outcome") == "inconclusive"
                            if answer.status == "promoted":
                                return self._end("promoted", winner, reason)
                    elif answer.instruction == "AskApproval":
                        return self._end("open", answer.version, answer.reason)
                    elif answer.instruction == "DoNothing" and winner:
                        return self._end("open" if inconclusive else "rejected", winner, reason)
                    elif answer.instruction == "DoNothing":
                        return self._earlier() or self._end("open", "", answer.reason)
        return self._end("open", winner, reason)

    def _earlier(self) -> Outcome | None:
        """What came of the request when it was sent before."""
        verdicts = [
            version
            for record in records_of(self._connection, self._connection.topics.versions)
            if (version := self._answer(record)) is not None and isinstance(version, Version) and version.status in _VERDICTS
        ]
        last = next((version for version in verdicts if version.status == "promoted"), verdicts[-1] if verdicts else None)
        if last is None:
            return None
        verdict: Literal["promoted", "rejected", "open"] = "promoted" if last.status == "promoted" else "open" if last.gate.get("outcome") == "inconclusive" else "rejected"
        return self._end(verdict, last.version, str(last.gate.get("reason", "")))

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def _answer(self, record: Any) -> Decision | Version | None:
        try:
            answer: Decision | Version = self._decoders[record.topic](record.value or b"")
        except EventError:
            return None
        return answer if answer.model == self.request.model and answer.cause == self.request.request_id else None

    def _end(self, verdict: Literal["promoted", "rejected", "open"], version: str, reason: str) -> Outcome:
        return Outcome(request_id=self.request.request_id, verdict=verdict, version=version, reason=reason)
