"""A real Apache Kafka on loopback (KRaft: one process is broker and controller), for the demo, for trying things, and for tests.

Not for production: one node, no replication, no authentication.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.child import dying_with_parent
from streams.java import KAFKA_VERSION, BrokerError, java_home, java_program, kafka_jars

__all__ = ["Broker", "BrokerError", "BrokerStatus", "running_broker"]

_HOST = "127.0.0.1"
_START_SECONDS = 90.0  # 2-4 s on an idle machine; a loaded one has taken 20
_STOP_SECONDS = 20.0
_LOG_TAIL_LINES = 25

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""


class _Running(msgspec.Struct, frozen=True, kw_only=True):
    """What ``broker.json`` in the data folder remembers of a started broker."""

    pid: int
    port: int


@dataclass(frozen=True, kw_only=True)
class BrokerStatus:
    """Whether the broker of a data folder runs."""

    running: bool
    answers: bool
    pid: int | None
    bootstrap: str | None
    data: str
    log: str
    version: str = KAFKA_VERSION


class Broker:
    """A single-node Kafka whose data, log and pid live in one folder.

    Parameters
    ----------
    port : the port on 127.0.0.1 that clients connect to; 0 takes a free one.
    data : folder for topics, ``broker.log`` and ``broker.json``; kept when the broker stops.
    properties : settings of Kafka's own, put over ours; ``{host}``, ``{port}`` and ``{controller_port}`` stand for what this broker has.
    die_with_parent : end the broker when the thread that started it ends (Linux only). ``driftwarden broker start`` leaves it running instead.
    """

    def __init__(self, port: int = 9092, data: Path = Path(".driftwarden/broker"), *, properties: Mapping[str, str] = MappingProxyType({}), die_with_parent: bool = False) -> None:
        self.port = port
        self.data = Path(data).absolute()
        self.log = self.data / "broker.log"
        self._properties = _PROPERTIES + "".join(f"{name}={value}\n" for name, value in properties.items())  # of two lines with one name the last one counts
        self._die_with_parent = die_with_parent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, ``host:port``."""
        return f"{_HOST}:{self.port}"

    def start(self) -> str:
        """Start the broker, wait until it answers, and return its bootstrap address; a broker that already runs on this folder and port is kept.

        Raises
        ------
        BrokerError
            If the port is taken, or the broker ends or stays silent; with the end of its log.
        """
        running = self._running()
        if running is not None:
            if self.port not in (0, running.port):
                raise BrokerError(f"a broker already runs on port {running.port} with the data in {self.data}; stop it first, or choose another --data for port {self.port}")
            self.port = running.port
            self._wait_until_it_answers(running.pid)
            return self.bootstrap
        jars = kafka_jars()
        self.data.mkdir(parents=True, exist_ok=True)
        if self.port == 0:
            self.port = free_port()
        elif not _is_free(self.port):
            raise BrokerError(f"port {self.port} is taken by another program; stop it, or choose another port with --port")
        properties = self.data / "server.properties"
        controller = next(port for port in iter(free_port, None) if port != self.port)  # nothing listens yet, so the same one may be given twice
        properties.write_text(self._properties.format(host=_HOST, port=self.port, controller_port=controller, logs=(self.data / "topics").as_posix()), encoding="utf-8")
        self._format(jars, properties)
        self._process = self._launch(_java_command(jars, "kafka.Kafka", str(properties), data=self.data))
        (self.data / "broker.json").write_bytes(msgspec.json.encode(_Running(pid=self._process.pid, port=self.port)))
        try:
            self._wait_until_it_answers(self._process.pid)
        except BaseException:
            self.stop()
            raise
        return self.bootstrap

    def stop(self) -> bool:
        """Stop the broker; False if none was running. Topics stay in the data folder."""
        running = self._running()
        if running is not None:
            os.kill(running.pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            while self._alive(running.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            if self._alive(running.pid):
                os.kill(running.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        if self._process is not None:
            self._process.wait()
            self._process = None
        (self.data / "broker.json").unlink(missing_ok=True)
        return running is not None

    def status(self) -> BrokerStatus:
        """Whether the broker's process lives, and whether it answers a client."""
        running = self._running()
        bootstrap = f"{_HOST}:{running.port}" if running else None
        return BrokerStatus(
            running=running is not None,
            answers=bootstrap is not None and _answers(bootstrap),
            pid=running.pid if running else None,
            bootstrap=bootstrap,
            data=str(self.data),
            log=str(self.log),
        )

    def log_tail(self) -> str:
        """The last lines of the broker's log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:])

    def _format(self, jars: Path, properties: Path) -> None:
        if (self.data / "topics" / "meta.properties").exists():
            return
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")  # Kafka refuses an id that begins with "-"
        with self.log.open("ab") as log:
            command = _java_command(jars, "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(properties), data=self.data)
            code = subprocess.run(command, stdout=log, stderr=log, env=_environment(), check=False).returncode  # noqa: S603  our own command
        if code != 0:
            raise BrokerError(f"Kafka could not format its storage in {self.data} (exit code {code}); the end of {self.log}:\n{self.log_tail()}")

    def _launch(self, command: list[str]) -> subprocess.Popen[bytes]:
        if self._die_with_parent:
            command = dying_with_parent(command)
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal stops what uses the broker first, and the broker by `stop`.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True)  # noqa: S603  our own command

    def _wait_until_it_answers(self, pid: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not self._alive(pid):
                raise BrokerError(f"Kafka ended while it started; the end of {self.log}:\n{self.log_tail()}")
            if not _is_free(self.port) and _answers(self.bootstrap):
                return
            time.sleep(0.1)
        raise BrokerError(f"Kafka did not answer on {self.bootstrap} within {_START_SECONDS:.0f} s; the end of {self.log}:\n{self.log_tail()}")

    def _running(self) -> _Running | None:
        try:
            running = msgspec.json.decode((self.data / "broker.json").read_bytes(), type=_Running)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return running if self._alive(running.pid) else None

    def _alive(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        command = Path(f"/proc/{pid}/cmdline")
        # A pid is used again after a restart of the machine; where the kernel tells the command, believe it.
        if not command.parent.parent.joinpath("self").exists():
            return True
        try:
            return str(self.data).encode() in command.read_bytes()
        except OSError:
            return False


@contextlib.contextmanager
def running_broker(properties: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """A broker on a free port with its data in a temporary folder; yields the bootstrap address, and leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="driftwarden-broker-", ignore_cleanup_errors=True) as folder:
        broker = _start_on_a_free_port(Path(folder), properties)
        try:
            yield broker.bootstrap
        finally:
            broker.stop()


def _start_on_a_free_port(data: Path, properties: Mapping[str, str], attempts: int = 3) -> Broker:
    for attempt in range(attempts):
        broker = Broker(port=0, data=data / str(attempt), properties=properties, die_with_parent=True)
        try:
            broker.start()
        except BrokerError as error:
            # Between choosing a free port and Kafka's binding it, another program can take it.
            if attempt + 1 == attempts or not ("in use" in str(error) or "is taken" in str(error)):
                raise
        else:
            return broker
    raise AssertionError("unreachable")


def _java_command(jars: Path, program: str, *arguments: str, data: Path) -> list[str]:
    return [
        str(java_program()),
        "-Xms64m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # half the time to start; the peak rate of a loopback broker is not what we measure
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        f"-Dkafka.logs.dir={data}",
        "-cp",
        str(jars / "*"),
        program,
        *arguments,
    ]


def _environment() -> dict[str, str]:
    home = java_home()
    return {**os.environ, "JAVA_HOME": str(home), "PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((_HOST, port)) != 0


def _answers(bootstrap: str) -> bool:
    try:
        client = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000, bootstrap_timeout_ms=2_000)
    except KafkaError:
        return False
    try:
        return bool(client.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        client.close()
