"""`ModelWatcher`: the champion of a model, loaded and verified, a new one as soon as it is promoted, and a canary beside it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from detectors.errors import DriftwardenError, EventError
from retrainer.canary import answers, canary
from retrainer.registry import DigestError, Registry, registry_at
from retrainer.versions import Version, champion
from streams.connection import KafkaConnection, connect
from streams.unreachable import what_to_do
from streams.wire import decode_version

if TYPE_CHECKING:
    from retrainer.trainers import Model

_log = logging.getLogger("driftwarden.models")

REGISTRY_VARIABLE = "DRIFTWARDEN_REGISTRY"

_POLL_MILLISECONDS = 200
_PAUSE_SECONDS = 1.0  # between attempts to reach a broker or a registry


class NoChampionError(DriftwardenError):
    """No version of the model is in service."""


@dataclass(frozen=True)
class Served:
    """A version, and its model: what answers an event, and the name that its prediction is published under."""

    version: Version
    model: Model


class ModelWatcher:
    """Follows ``models.versions`` in the background, from its beginning and without a group.

    A champion whose digest does not match is not loaded: the one before it goes on serving, and `last_error` says why.

    Parameters
    ----------
    model : name of the model.
    bootstrap : host:port of Kafka; default ``$DRIFTWARDEN_BOOTSTRAP``.
    registry : where artifacts lie: a registry, the folder of one, or ``mlflow:`` before the address of an MLflow server; default ``$DRIFTWARDEN_REGISTRY``.
    on_promotion : called with the version's record, in the background thread, after its model was loaded; for a rollback, too, and not for a canary.
    connection, topic_prefix : instead of those from the environment.
    """

    def __init__(
        self,
        model: str,
        bootstrap: str | None = None,
        *,
        registry: Registry | Path | str | None = None,
        on_promotion: Callable[[Version], object] | None = None,
        connection: KafkaConnection | None = None,
        topic_prefix: str | None = None,
    ) -> None:
        self.model = model
        self._connection = connection or connect(bootstrap, topic_prefix=topic_prefix)
        self._registry = _registry(registry)
        self._on_promotion = on_promotion
        self._refused: list[Version] = []
        self._serving: tuple[Served | None, Served | None] = (None, None)  # champion and canary, swapped together
        self._read_whole = False
        self.last_error: str | None = None
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"driftwarden-watcher-{model}", daemon=True)
        self._thread.start()

    def current(self, timeout: float = 30.0) -> Model:
        """The champion, ready to predict; see `for_event` where a canary is to have its share.

        Parameters
        ----------
        timeout : seconds to wait for a first one.

        Raises
        ------
        NoChampionError
            If there is none by then; with the reason.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._serving[0] is not None, timeout)
            if self._serving[0] is None:
                reason = self.last_error or ("no version was promoted yet" if self._read_whole else f"{self._connection.topics.versions} could not be read to its end")
                raise NoChampionError(f"model '{self.model}' has no champion after {timeout:g} s: {reason}")
            return self._serving[0].model

    def for_event(self, event_id: str, timeout: float = 30.0) -> Served:
        """What is to answer an event: the canary for its share of the ids, the champion for the others.

        The same id has the same version, in every replica that has read as far. Publish the prediction under that version: it is what a canary is judged by.

        Parameters
        ----------
        event_id : as it is published.
        timeout : seconds to wait for a first champion; `NoChampionError` if there is none by then.
        """
        serving, beside = self._serving
        if serving is None:
            self.current(timeout)
            serving, beside = self._serving
        assert serving is not None  # noqa: S101  current() waits for it, and a champion gives way to another one only
        return beside if beside is not None and answers(beside.version, event_id) else serving

    @property
    def version(self) -> Version | None:
        """Record of the version that `current` gives; None before the first."""
        serving, _ = self._serving
        return serving.version if serving else None

    @property
    def canary(self) -> Version | None:
        """Record of the version that serves a share beside it; None while there is none."""
        _, beside = self._serving
        return beside.version if beside else None

    def close(self) -> None:
        """Stop following; `current` goes on giving the last champion."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(10.0)

    def __enter__(self) -> ModelWatcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except KafkaError as error:
                self._tell(f"Kafka on {self._connection.bootstrap} cannot be reached ({type(error).__name__}); {what_to_do(self._connection, error)}")
            except Exception as error:  # the thread must outlive whatever a client raises, or a promotion would never be noticed
                _log.exception("following %s failed; trying again", self._connection.topics.versions)
                self._tell(f"{type(error).__name__}: {error}")
            self._stopping.wait(_PAUSE_SECONDS)

    def _follow(self) -> None:
        topic = self._connection.topics.versions
        consumer = KafkaConsumer(
            **self._connection.client_arguments(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=5_000,
        )
        try:
            partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
            if not partitions:
                self._tell(f"topic {topic} does not exist; make it with: driftwarden topics apply")
                return
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            records: list[Version] = []
            seen: set[bytes] = set()
            whole = False
            while not self._stopping.is_set():
                for found in consumer.poll(_POLL_MILLISECONDS).values():
                    records.extend(self._versions(found, seen))
                # Before the end that was seen at the start, a promotion may be one that was rolled back long ago.
                whole = whole or all(consumer.position(partition) >= end for partition, end in ends.items())
                if whole:
                    self._serve(champion(records), canary(records))
        finally:
            consumer.close()

    def _versions(self, found: list[Any], seen: set[bytes]) -> list[Version]:
        versions = []
        for record in found:
            try:
                version = decode_version(record.value or b"")
            except EventError as error:
                _log.warning("skipped an unreadable record of %s, offset %d: %s", record.topic, record.offset, error)
                continue
            if version.model == self.model and record.value not in seen:  # the same bytes twice are one record, delivered twice
                seen.add(record.value)
                versions.append(version)
        return versions

    def _serve(self, version: Version | None, beside: Version | None) -> None:
        """Serve these; where one cannot be loaded, the champion stays as it was, and there is no canary."""
        held = self._serving
        serving = held[0] if version is None else self._loaded(version, held) or held[0]
        side = None if beside is None else self._loaded(beside, held)
        if not self._read_whole or serving is not held[0] or side is not held[1]:
            with self._changed:
                self._serving = (serving, side)
                self._read_whole = True
                if serving is not None and serving.version == version and (beside is None or side is not None):
                    self.last_error = None
                self._changed.notify_all()
        if self._on_promotion is not None and serving is not None and serving is not held[0]:
            try:
                self._on_promotion(serving.version)
            except Exception:  # the application's own fault must not end the watching
                _log.exception("on_promotion failed for version %s of '%s'", serving.version.version, self.model)

    def _loaded(self, version: Version, held: tuple[Served | None, Served | None]) -> Served | None:
        """A version with its model; None where that cannot be fetched now, or must not be loaded."""
        for one in held:
            if one is not None and one.version == version:
                return one
            if one is not None and (one.version.uri, one.version.digest) == (version.uri, version.digest):
                return Served(version, one.model)
        if version in self._refused:
            return None
        try:
            return Served(version, self._registry.fetch(version.uri, version.digest))
        except DigestError as error:
            self._refused.append(version)  # it stays wrong: wait for another record
            self._tell(str(error))
        except Exception as error:  # a registry that is away comes back
            self._tell(f"version {version.version} cannot be fetched ({type(error).__name__}: {error})")
            self._stopping.wait(_PAUSE_SECONDS)
        return None

    def _tell(self, story: str) -> None:
        if story != self.last_error:
            _log.warning("model '%s': %s", self.model, story)
        self.last_error = story


def _registry(given: Registry | Path | str | None) -> Registry:
    if given is None:
        given = os.environ.get(REGISTRY_VARIABLE)
        if given is None:
            raise DriftwardenError(f"ModelWatcher needs a registry to fetch models from; pass registry='/path/to/models', or set {REGISTRY_VARIABLE}")
    return registry_at(given) if isinstance(given, str | Path) else given
