"""`driftwarden worker`: Faust moves the data between Kafka and the stages.

Any number of these processes form a group; each owns some partitions of the source topics. Everything that decides what a number is lies in
the stages; here is only when things are read, written and declared.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import faust
from faust.types import TP
from mode import CrashingSupervisor
from threadpoolctl import threadpool_limits
from typing_extensions import override

from detectors.errors import DriftwardenError, SettingsError
from detectors.monitor import Monitors
from detectors.references.stream_reference import Learnt
from streams.absence import Absence
from streams.arrow_alone import without_pandas
from streams.connection import KafkaConnection
from streams.detect_driver import DetectDriver
from streams.epoch_pace import EpochPace
from streams.formats.plain_columns import COMPILED
from streams.heap import give_back
from streams.metric_functions import functions_that_work
from streams.monitors_reader import MonitorsReader
from streams.piece_store import PieceStore, StateLimits
from streams.stage_run import Output, StageDriver, StageRun
from streams.state_codec import FormatError, StateError
from streams.state_log import partition_counts, read_state, topic_identities
from streams.summarise_driver import SummariseDriver
from streams.telemetry.figures import Figures
from streams.telemetry.serve import serve
from streams.telemetry.settings import MetricsSettings
from streams.telemetry.worker_figures import WorkerFigures
from streams.transport import SCHEME, Consumer, FetchedRecords, install
from streams.wire import encode_points
from streams.worker_settings import WorkerSettings

logger = logging.getLogger(__name__)

MAX_SILENCE = 10.0
"""Seconds after which the broker's last word on where a log ends says nothing any more: this process was stopped, or the broker is away."""

FETCH_BYTES = 8 * 1024 * 1024
"""Of one partition, at most. With Kafka's default of 1 MB a fetch of a thousand models has two rows of each, and what is done once for a model costs more than its rows;
what is done once for a fetch takes as long as a megabyte of Arrow batches."""

SHORTEST_PAUSE = 0.25
"""Of an epoch's length, between two epochs whose acknowledgements take longer than that."""

SHORTEST = 0.5
"""Of an epoch's length: one that begins before its time, since a pane can be closed."""

GATHERING = 0.1
"""Of an epoch's length, between the first partition that presses for an epoch and that epoch: the others come then, too."""

EPOCHS_AT_ONCE = 2
"""Of a stage's partitions: each holds all that it writes until it is acknowledged. One alone would wait for the broker; more hold more, and are done no earlier."""

FIGURES_EVERY = 2.0
"""Seconds between two looks at what the stages have counted."""

GIVE_BACK_EVERY = 10.0
"""Seconds between two times that freed memory goes back to the kernel: it takes milliseconds, and the pages that are used again as long once more."""

LEARNT_AGAIN = 5.0
"""Seconds between two attempts to put a learnt reference in force, while the broker does not take it."""

LONGEST_STOP = 8.0
"""Seconds that the process may take to end: Docker kills after ten. Clients wait for a broker that is away for as long as their requests may take, 40 s and more."""


class _App(faust.App):
    """Without the directories that Faust makes for tables in the current one: there are no tables, and a file system may be read-only."""

    @override
    def _create_directories(self) -> None:
        pass


class Worker:
    """The stages of one process.

    Parameters
    ----------
    connection : how to reach Kafka.
    settings : of a worker.
    figures : take what it tells of itself.
    points_every : seconds between two points of them.
    """

    def __init__(self, connection: KafkaConnection, settings: WorkerSettings, figures: Figures, points_every: float) -> None:
        self._connection = connection
        self._settings = settings
        self._names = connection.topics
        self.topics = frozenset({self._names.inference_events, self._names.summaries})
        self._monitors = Monitors(functions_of=functions_that_work)
        self._reader = MonitorsReader(connection, self._monitors)
        self._partitions = 0
        self._has_joined = False
        self._identities: dict[str, str] = {}
        self._runs: dict[TP, StageRun] = {}
        self._paces: dict[TP, EpochPace] = {}
        self._absence = Absence(longest=settings.session_timeout / 2_000, clock=time.monotonic)  # the group counts from the last heartbeat, which was before it began
        self._at_end_since: dict[TP, float] = {}
        self._figures, self._points_every = WorkerFigures(figures, clock=time.monotonic), points_every
        install(self)
        self.app = self._faust_app()
        self._outputs = {name: self.app.topic(name, value_serializer="raw", key_serializer="raw", internal=False) for name in (*self._names.all, *self._names.state)}
        for name in sorted(self.topics):
            self.app.agent(self._outputs[name], name=name, supervisor_strategy=CrashingSupervisor)(self._absorb)
        self.app.on_before_shutdown.connect(self._stop)
        self.app.task(self._follow_monitors)
        self._pressing = {name: asyncio.Event() for name in self.topics}
        self._turns = {name: asyncio.Semaphore(EPOCHS_AT_ONCE) for name in self.topics}
        self.app.task(self._summarise_epochs)
        self.app.task(self._detect_epochs)
        self._learnt: asyncio.Queue[Learnt] = asyncio.Queue()
        self.app.task(self._apply_learnt)
        self.app.task(self._follow_figures)
        self.app.task(self._give_back)

    def _faust_app(self) -> faust.App:
        return _App(
            self._connection.group(self._settings.group),
            broker=[f"{SCHEME}://{address}" for address in self._connection.bootstrap.split(",")],
            broker_credentials=_credentials(self._connection),
            broker_max_poll_records=5_000,
            consumer_max_fetch_size=FETCH_BYTES,
            producer_max_batch_size=524_288,  # one batch of a partition is under way at a time; by default, 16 kB, an epoch's records take turns
            producer_max_request_size=1_048_576,  # Faust's million is below Kafka's own default limit: what came in must go out again as a dead letter
            broker_session_timeout=self._settings.session_timeout / 1_000,
            broker_heartbeat_interval=self._settings.session_timeout / 10_000,
            broker_commit_interval=1.0,
            consumer_group_instance_id=self._settings.name,
            consumer_auto_offset_reset="earliest",
            stream_buffer_maxsize=4,  # fetches; Faust's 4,096 would be gigabytes
            agent_supervisor=CrashingSupervisor,  # a fault of ours must not be stepped over
            topic_disable_leader=True,
            web_enabled=False,  # it would bind to every interface
            autodiscover=False,
        )

    async def restore(self, tp: TP, *, beginning: int, end: int) -> int:
        """Recover the stage of a partition that was assigned."""
        await self._reader.catch_up()
        state_topic = self._names.state_of(tp.topic)
        name = f"{tp.topic}[{tp.partition}]"
        limits = StateLimits(part_bytes=self._settings.part_bytes, piece_bytes=self._settings.piece_bytes)
        store = PieceStore(limits=limits, owner=secrets.randbits(48))
        bound = self._settings.max_unflushed_bytes
        run = StageRun(self._driver(tp), store, name=name, state_topic=state_topic, partition=tp.partition, send=self._send, max_unflushed=bound)
        try:
            saved = await read_state(self._connection, state_topic, tp.partition)
            with self._way_out():
                position = await run.restore(saved, beginning=beginning, end=end)
        except Exception as fault:
            await self.app.crash(fault)  # Faust would log it and read on
            raise
        self._runs[tp] = run
        self._paces[tp] = EpochPace(longest=self._settings.epoch_behind / 1_000, began=time.monotonic(), position=position)
        self._at_end_since.pop(tp, None)
        logger.info("%s: reading from offset %d of %d", name, position, end)
        return position

    @contextmanager
    def _way_out(self) -> Iterator[None]:
        """Say what to do where another release has worked on these topics; only here are all of their names known."""
        try:
            yield
        except FormatError as fault:
            topics = ", ".join((self._names.summaries, *self._names.state))
            raise StateError(
                f"{fault}. Stop all workers; then go on with the release that wrote it, or give this one another DRIFTWARDEN_TOPIC_PREFIX, or start over: "
                f"delete the topics {topics}, make them again with 'driftwarden topics apply', and what {self._names.inference_events} still holds is counted again"
            ) from fault

    def _driver(self, tp: TP) -> StageDriver:
        if tp.topic == self._names.inference_events:
            most = self._settings.max_unmonitored_models
            return SummariseDriver(partition=tp.partition, partitions=self._partitions, monitors=self._monitors, topics=self._names, max_unmonitored=most)
        return DetectDriver(partition=tp.partition, monitors=self._monitors, topics=self._names, take_learnt=self._learnt.put_nowait)

    async def assigned(self) -> None:
        """Stop where a topic is gone or was made anew: without it Kafka assigns the others, and nobody would notice."""
        self._has_joined = True
        found = await topic_identities(self._connection, sorted(self.topics))
        for name, identity in self._identities.items():
            if found.get(name) != identity:
                happened = "was deleted" if name not in found else "was made anew"
                fault = StateError(f"topic {name!r} {happened} while this worker read it; what it had read is not in it")
                await self.app.crash(fault)
                raise fault

    async def revoked(self, tps: set[TP]) -> None:
        """Drop the stages of partitions that may go to another worker; what they had absorbed since their last epoch is read again there."""
        runs = {tp: self._runs.pop(tp) for tp in tps if tp in self._runs}
        await asyncio.gather(*(run.settle() for run in runs.values()), return_exceptions=True)
        for tp, run in runs.items():
            self._figures.revoked(tp, run)

    @property
    def _consumer(self) -> Consumer:
        return cast(Consumer, self.app.consumer)

    async def _absorb(self, stream: Any) -> None:
        async for event in stream.events():
            fetched: FetchedRecords = event.value
            run = self._runs.get(event.message.tp)
            if run is not None:
                await run.room()
            await self._reader.catch_up(fetched.arrived)  # a monitor applied before these records were written is in force for them
            if run is not None and self._runs.get(event.message.tp) is run and fetched.assignment == self._consumer.current_assignment:
                with self._way_out():
                    run.absorb(fetched.position, fetched.records, beginning=fetched.beginning)
                self._figures.absorbed(event.message.tp, fetched.arrived)
                if run.pressing or run.full:
                    self._pressing[event.message.tp.topic].set()

    async def _summarise_epochs(self) -> None:
        length, pressing = self._settings.epoch / 1_000, self._pressing[self._names.inference_events]
        while not self.app.should_stop:
            began = time.monotonic()
            pressing.clear()
            await self._epochs(self._names.inference_events)
            await asyncio.sleep(max(began + length * SHORTEST - time.monotonic(), length * SHORTEST_PAUSE))
            if await _is_set(pressing, timeout=began + length * (1 - GATHERING) - time.monotonic()):
                await asyncio.sleep(length * GATHERING)
            else:
                await asyncio.sleep(began + length - time.monotonic())

    async def _detect_epochs(self) -> None:
        bundles = self._pressing[self._names.summaries]
        while not self.app.should_stop:
            await bundles.wait()
            await asyncio.sleep(self._settings.epoch / 1_000 * GATHERING)
            bundles.clear()
            if not await self._epochs(self._names.summaries):
                bundles.set()

    async def _epochs(self, topic: str) -> bool:
        """One turn of a stage's partitions; False where it may not be because the group has not confirmed this worker."""
        if self._absence.too_long and not await self._is_member():
            return False
        self._absence.end()
        await asyncio.gather(*(self._turn(tp, run) for tp, run in list(self._runs.items()) if tp.topic == topic))
        return True

    async def _turn(self, tp: TP, run: StageRun) -> None:
        async with self._turns[tp.topic]:
            if self._runs.get(tp) is run:  # others' epochs came first, and it may have been revoked meanwhile
                await self._epoch(tp, run)

    async def _is_member(self) -> bool:
        logger.warning("nothing was done for %.1f s; no epoch begins before the group says that its partitions are still this worker's", self._absence.seconds)
        return not self._runs or await self._consumer.is_member()

    async def _epoch(self, tp: TP, run: StageRun) -> None:
        log_end = self._consumer.log_end(tp)
        at_end = run.position >= log_end
        idle = self._idle(tp, at_end=at_end)
        if self._absence.too_long:  # stopped while another partition's epoch was made; the next turn asks
            self._pressing[tp.topic].set()
            return
        self._absence.end()  # to wait for another partition's acknowledgements is none
        if not self._paces[tp].is_due(now=time.monotonic(), position=run.position, log_end=log_end, full=run.full):
            return
        with self._figures.epoch(tp):
            covered = await run.epoch(at_end=at_end, idle=idle)
        if covered is not None and self._runs.get(tp) is run:
            self._consumer.declare(tp, covered)

    def _idle(self, tp: TP, *, at_end: bool) -> int:
        """Milliseconds by which the partition's event time is taken to have moved since its last record."""
        now = time.monotonic()
        if not at_end or time.time() - self._consumer.told_at(tp) > MAX_SILENCE:
            self._at_end_since[tp] = now
        waited = round(1_000 * (now - self._at_end_since.setdefault(tp, now)))
        return waited // self._settings.idle_after * self._settings.idle_after  # in steps: each is told, and saved

    async def _send(self, output: Output) -> Awaitable[Any]:
        topic = self._outputs[output.topic]
        return cast(
            "Awaitable[Any]",
            await topic.send(key=output.key, value=output.value, partition=output.partition, timestamp=output.timestamp, headers=list(output.headers) or None),
        )

    async def _follow_figures(self) -> None:
        told_at, telling = time.monotonic(), None
        while not self.app.should_stop:
            await asyncio.sleep(min(FIGURES_EVERY, self._points_every))
            self._figures.waits_for(self._waits_for)
            self._figures.tell(
                {tp: (run, self._consumer.log_end(tp)) for tp, run in self._runs.items()}, models=len(self._monitors.models()), unreadable=len(self._monitors.left_out)
            )
            if time.monotonic() - told_at >= self._points_every and (telling is None or telling.done()):  # while no broker acknowledges, they are left out
                told_at, telling = time.monotonic(), asyncio.create_task(self._send_figures())

    @property
    def _waits_for(self) -> str:
        """Why this worker does no work yet; "" where it does, or where there is none for it."""
        mine = {tp for tp in self._consumer.assignment() if tp.topic in self.topics}
        restored = len(mine & self._runs.keys())
        if not self._has_joined:
            return "its group has not given it partitions yet"
        return "" if restored == len(mine) else f"{restored} of {len(mine)} partitions are restored"

    async def _send_figures(self) -> None:
        points = self._figures.points(time.time_ns() // 1_000_000)
        with suppress(Exception):  # an epoch whose acknowledgement fails stops the worker; its figures are no reason
            await (await self._outputs[self._names.metrics].send(key=self._settings.name.encode(), value=encode_points(points)))

    async def _give_back(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(GIVE_BACK_EVERY)
            give_back()

    async def _apply_learnt(self) -> None:
        """Put references in force that were learnt from the stream: each is a revision, which all workers take up as one that somebody applied."""
        while not self.app.should_stop:
            learnt = await self._learnt.get()
            from streams.apply import apply_learnt  # noqa: PLC0415  with what reads tables, which few workers ever need

            try:
                applied = await asyncio.to_thread(apply_learnt, learnt, self._connection)
            except SettingsError:
                logger.exception("the reference of '%s' was learnt, but cannot be put in force", learnt.model)
            except DriftwardenError as fault:
                logger.warning("the reference of '%s' was learnt, but could not be put in force yet: %s", learnt.model, fault)
                await asyncio.sleep(LEARNT_AGAIN)
                self._learnt.put_nowait(learnt)
            else:
                if applied is not None:
                    logger.info("revision %d of '%s' is in force: its reference was %s", applied.revision, applied.model, applied.specification.reference.source)

    async def _follow_monitors(self) -> None:
        await self._reader.follow()

    async def start(self) -> None:
        """Connect what is not Faust's."""
        await self._reader.start()
        self._identities = await topic_identities(self._connection, sorted(self.topics))
        counts = await partition_counts(self._connection, list(self._names.by_partitions_of_source))
        self._partitions = counts[self._names.inference_events]
        for topic, count in counts.items():
            if count != self._partitions:  # Faust would assign them apart, and say nothing
                raise SettingsError(
                    f"topic {topic!r} has {count} partitions, {self._names.inference_events!r} has {self._partitions}; they must be equal: see 'driftwarden topics apply'"
                )

    async def _stop(self, *_: Any, **__: Any) -> None:
        await self._reader.stop()


async def _is_set(event: asyncio.Event, *, timeout: float) -> bool:
    """Wait for an event, but no longer than so many seconds; whether it came."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), timeout)
    return event.is_set()


def _credentials(connection: KafkaConnection) -> Any:
    """Faust's own form of the same settings."""
    if connection.security_protocol.startswith("SASL"):
        password = connection.sasl_password.get_secret_value() if connection.sasl_password else None
        return faust.SASLCredentials(mechanism=connection.sasl_mechanism, username=connection.sasl_username, password=password, ssl_context=connection.ssl_context())
    return faust.SSLCredentials(context=connection.ssl_context()) if connection.uses_tls else None


class Process(faust.Worker):
    """Faust's own; it would tell of a fault from five places, each time with the way that it came, and wait for a broker that is away."""

    async def stop(self) -> None:
        """End, if need be without what is still waited for: what was declared is durable, and the rest is read again."""
        patience = threading.Timer(LONGEST_STOP, _end_now)  # a thread, as the loop may be what does not end
        patience.daemon = True
        patience.start()
        await super().stop()

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Tell of saved state that cannot be used in one line, since its message says all; what fails behind it fails because everything stops."""
        super().on_setup_root_logger(logger, level)
        told = False

        def once(record: logging.LogRecord) -> bool:
            nonlocal told
            fault = record.exc_info[1] if record.exc_info else None
            if told or not isinstance(fault, StateError):
                return fault is None or not told
            told = True
            record.msg, record.args, record.exc_info = "%s", (fault,), None
            return True

        for handler in logger.handlers:
            handler.addFilter(once)


def _end_now() -> None:
    logger.error("did not end within %.0f s, most likely since no broker answers; waits no longer, and the next worker reads on from what was declared", LONGEST_STOP)
    os._exit(1)


def run_worker(connection: KafkaConnection, settings: WorkerSettings, metrics: MetricsSettings, *, log_level: str = "INFO") -> None:
    """Run until stopped; exits with 1 on a fault, so that a supervisor starts it again."""
    threadpool_limits(limits=1, user_api="blas")  # a product of two long columns wakes a thread for each core, and those that wait spin: more than half of the CPU that it took
    without_pandas()
    if log_level == "DEBUG":
        for client in ("kafka", "aiokafka"):
            logging.getLogger(client).setLevel(logging.INFO)  # at DEBUG they tell of each request what it holds, the password of the first one, too
    gc.set_threshold(50_000, 20, 100)  # by default every fetch of a thousand models looks through all that is held for them, a quarter of the time it takes
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    figures = Figures("worker", settings.name, models=metrics.models)
    serve(figures, metrics)
    worker = Worker(connection, settings, figures, metrics.points_every / 1_000)
    if not COMPILED:
        logger.warning("JSON is read at less than half the speed: there was no C compiler when Driftwarden was installed; install it again where there is one, or take a wheel")
    loop.run_until_complete(worker.start())
    Process(worker.app, loglevel=log_level, redirect_stdouts=False, loop=loop).execute_from_commandline()
