"""`Publisher`: how an application tells Driftwarden what its model answered, and later what was true.

A call appends to a queue and returns; a thread in the background encodes, batches by partition, and sends. Whatever happens to the broker,
the request path neither waits nor fails: what does not fit into the bounded queue is dropped, and counted.
"""

from __future__ import annotations

import atexit
import importlib
import itertools
import logging
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Literal

from kafka import codec

from detectors.errors import DriftwardenError
from streams.connection import KafkaConnection, connect
from streams.delivery import Delivery, Packed
from streams.published_event import Advance, Event, Features, Label, Prediction, records_of

_log = logging.getLogger("driftwarden.publisher")

_PACKAGES = {"gzip": "", "snappy": "python-snappy", "lz4": "lz4", "zstd": "zstandard"}  # what kafka-python compresses with


class PublisherFullError(DriftwardenError):
    """A strict publisher's queue is full: events are made faster than Kafka takes them, or Kafka is away."""


@dataclass(frozen=True, kw_only=True)
class PublisherCounters:
    """What became of the events: ``sent`` were acknowledged by all replicas, ``dropped`` did not fit or came after `close`, ``failed`` were refused, ``waiting`` are under way."""

    sent: int
    dropped: int
    failed: int
    waiting: int


class Publisher:
    """Publishes predictions, features and labels.

    Parameters
    ----------
    bootstrap : host:port of Kafka; default ``$DRIFTWARDEN_BOOTSTRAP``.
    capacity : events that may wait; more are dropped, or refused where ``strict``.
    strict : raise `PublisherFullError` instead of dropping.
    linger : seconds that events are gathered before they are sent.
    span : milliseconds of event time that one record may cover; at most the monitor's pane plus lateness, and a multiple of the pane.
    form : how events are written. ``"arrow"`` sends columns, which cost a worker a third and the network half of JSON or less, where many events of a model are
        published within a ``linger``; few events, and those whose values have no common type, are sent as JSON all the same. See docs/adr/0010.
    compression_type : ``"gzip"``; or ``"snappy"``, ``"lz4"``, ``"zstd"`` where kafka-python's package for it is installed; None for none.
    connection, topic_prefix : instead of those from the environment.

    Examples
    --------
    A broker that is away costs the caller nothing:

    >>> with Publisher(bootstrap="127.0.0.1:1", capacity=2) as publisher:
    ...     for salary in (1_000, 2_000, 3_000):
    ...         _ = publisher.predict(model="loans", version="7", features={"salary": salary}, prediction="granted")
    ...     print(publisher.counters.waiting, "wait,", publisher.counters.dropped, "dropped")
    ...     publisher.close(timeout=0)
    2 wait, 1 dropped
    """

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        capacity: int = 100_000,
        strict: bool = False,
        linger: float = 0.05,
        span: int = 10_000,
        form: Literal["json", "arrow"] = "json",
        compression_type: Literal["gzip", "snappy", "lz4", "zstd"] | None = None,
        connection: KafkaConnection | None = None,
        topic_prefix: str | None = None,
    ) -> None:
        if capacity < 1 or span < 1 or linger < 0:
            raise ValueError(f"capacity and span must be >= 1 and linger >= 0, got {capacity}, {span} and {linger}; with less nothing could be sent")
        if form not in {"json", "arrow"}:
            raise ValueError(f"form must be 'json' or 'arrow', got {form!r}")
        _check_compression(compression_type)
        self._pack = arrow_packing() if form == "arrow" else records_of
        self._compression_type = compression_type
        self._connection = connection or connect(bootstrap, topic_prefix=topic_prefix)
        self._capacity = capacity
        self._strict = strict
        self._linger = linger
        self._span = span
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_restart, weakref.ref(self)))
        atexit.register(self.close)

    def _start(self) -> None:
        # Also in a child process after a fork: threads and sockets stay with the parent, and so do its events; ids must not repeat the parent's.
        self._queue: deque[Event | Advance] = deque()
        self._lock = threading.Lock()
        self._accepted = 0
        self._dropped = 0
        self._closed = False
        self._identity = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._delivery = Delivery(self._connection, self._queue, linger=self._linger, span=self._span, compression=self._compression_type, pack=self._pack)

    def predict(
        self,
        *,
        model: str,
        prediction: Any = None,
        features: Mapping[str, Any] | None = None,
        version: str | None = None,
        revision: int | None = None,
        score: float | None = None,
        probabilities: Mapping[str, float] | None = None,
        event_id: str | None = None,
        timestamp: int | None = None,
        label: Any = None,
        segments: Mapping[str, Any] | None = None,
        latency_ms: float | None = None,
        status: int | str = 200,
        sampling_fraction: float = 1.0,
    ) -> str:
        """Publish a prediction and return its event id, by which `label` is joined.

        Parameters
        ----------
        model, version, revision : what answered.
        prediction : a class or a number; None where the service failed (``status="error"``).
        features : value by name; None or nan is missing.
        score : binary classification: probability of the positive class.
        probabilities : probability by class, instead of ``score``.
        event_id : unique; default: a new one.
        timestamp : epoch milliseconds; default: now.
        label : where the truth is known at once.
        segments : value by the segment's name.
        latency_ms : time that the answer took.
        status : 200, or "error".
        sampling_fraction : share of such events that is published, above 0: one of .1 counts as ten where the monitor says ``sampling: weighted``.
        """
        if event_id is None:
            event_id = f"{self._identity}-{next(self._numbers)}"
        self._append(
            Prediction(
                event_id,
                model,
                time.time_ns() // 1_000_000 if timestamp is None else timestamp,
                version,
                revision,
                None if features is None else dict(features),  # the caller may change its own afterwards
                prediction,
                label,
                score,
                None if probabilities is None else dict(probabilities),
                None if segments is None else dict(segments),
                latency_ms,
                status,
                sampling_fraction,
            )
        )
        return event_id

    def features(self, *, event_id: str, model: str, features: Mapping[str, Any], timestamp: int | None = None) -> None:
        """Publish features before or without their prediction."""
        self._append(Features(event_id, model, time.time_ns() // 1_000_000 if timestamp is None else timestamp, dict(features)))

    def label(self, *, event_id: str, model: str, label: Any, timestamp: int | None = None, outcome_at: int | None = None) -> None:
        """Publish what turned out to be true of an event.

        Parameters
        ----------
        event_id, model : of the prediction.
        label : a class or a number.
        timestamp : when the label became known, epoch milliseconds; default: now.
        outcome_at : when it was true, epoch milliseconds.
        """
        self._append(Label(event_id, model, time.time_ns() // 1_000_000 if timestamp is None else timestamp, label, outcome_at))

    def publish(self, event: Event) -> None:
        """Publish an event that was made already, from a file for instance; it is not copied."""
        self._append(event)

    def advance(self, timestamp: int) -> None:
        """Move event time to ``timestamp`` (epoch milliseconds) in every partition, behind everything published before: the end of a history."""
        self._append(Advance(timestamp))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything published before this call was acknowledged or refused; False after ``timeout`` seconds."""
        with self._lock:
            accepted = self._accepted
        return self._delivery.wait_for(accepted, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Send what waits, for at most ``timeout`` seconds, and stop; what is left is counted as dropped. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        left = self._delivery.close(self._accepted, timeout)
        with self._lock:
            self._dropped += left
        if self._dropped or self._delivery.failed:
            _log.warning("publisher closed: %d events sent, %d dropped, %d refused", self._delivery.sent, self._dropped, self._delivery.failed)

    @property
    def counters(self) -> PublisherCounters:
        """What became of the events so far."""
        sent, failed = self._delivery.sent, self._delivery.failed
        with self._lock:
            waiting = 0 if self._closed else max(self._accepted - self._delivery.settled, 0)
            return PublisherCounters(sent=sent, dropped=self._dropped, failed=failed, waiting=waiting)

    @property
    def last_error(self) -> str | None:
        """What went wrong last; it may have been overcome since."""
        return self._delivery.last_error

    @property
    def last_refusal(self) -> str | None:
        """Why something was refused for good, the last time that happened; None if nothing was."""
        return self._delivery.last_refusal

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _append(self, event: Event | Advance) -> None:
        with self._lock:
            if not self._closed and self._accepted - self._delivery.settled < self._capacity:
                self._accepted += 1
                self._queue.append(event)
                return
            self._dropped += 1
        if self._strict:
            raise PublisherFullError(
                "the publisher is closed; publish before close()"
                if self._closed
                else f"{self._capacity} events wait for Kafka ({self.last_error or 'it is slower than they come'}); publish more slowly, or raise capacity"
            )


def arrow_packing() -> Callable[..., Packed]:
    """Imported when it is asked for: most applications publish JSON, and should not wait for Arrow."""
    packing: Callable[..., Packed] = importlib.import_module("streams.published_arrow").arrow_records_of
    return packing


def _check_compression(name: str | None) -> None:
    """kafka-python would find out in the background, again and again."""
    if name is None:
        return
    if name not in _PACKAGES:
        raise ValueError(f"compression_type must be one of {', '.join(_PACKAGES)} or None, got {name!r}")
    if not getattr(codec, f"has_{name}")():
        raise ValueError(f"compression_type {name!r} needs a package that is not installed: pip install {_PACKAGES[name]}; or use 'gzip', which needs none")


def _restart(publisher: weakref.ReferenceType[Publisher]) -> None:
    alive = publisher()
    if alive is not None:
        alive._start()
