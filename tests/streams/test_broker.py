"""The bundled Kafka: it starts with no Java on the PATH, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from streams import java
from streams.broker import Broker, BrokerError, free_port
from streams.topics import Topics, create_topics, existing_partitions
from tests.waiting import eventually

pytestmark = pytest.mark.kafka


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _driftwarden(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": path} if path is not None else {})
    return subprocess.run([sys.executable, "-c", "from streams.cli import main; main()", *arguments], capture_output=True, text=True, env=environment, check=False, timeout=120)


def test_the_command_starts_a_broker_without_java_on_the_path_and_its_topics_survive_a_stop(tmp_path: Path) -> None:
    data, port = str(tmp_path / "kafka"), str(free_port())
    try:
        started = _driftwarden("broker", "start", "--port", port, "--data", data, "--json", path="/nowhere")
        assert started.returncode == 0, started.stderr
        status = json.loads(started.stdout)
        assert (status["running"], status["answers"], status["bootstrap"], status["version"]) == (True, True, f"127.0.0.1:{port}", "4.1.0")
        create_topics(status["bootstrap"], partitions=2, prefix="kept.")
        again = _driftwarden("broker", "start", "--port", port, "--data", data, "--json")
        assert json.loads(again.stdout)["pid"] == status["pid"]
        elsewhere = _driftwarden("broker", "stop", "--data", data, "--port", "1")
        assert (elsewhere.returncode, "not on port 1" in elsewhere.stderr) == (2, True)
        stopped = _driftwarden("broker", "stop", "--data", data, "--port", port)
        assert (stopped.returncode, stopped.stdout.startswith(f"stopped the Kafka on 127.0.0.1:{port}")) == (0, True)
        assert not _alive(status["pid"])
        assert _driftwarden("broker", "status", "--data", data).returncode == 1
        assert _driftwarden("broker", "stop", "--data", data).returncode == 1
        assert _driftwarden("broker", "start", "--port", port, "--data", data).returncode == 0
        admin = KafkaAdminClient(bootstrap_servers=status["bootstrap"])
        assert existing_partitions(admin, Topics(prefix="kept."))["kept.inference.events"] == 2
        admin.close()
    finally:
        Broker(data=Path(data)).stop()


def test_a_taken_port_is_one_red_line_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = _driftwarden("broker", "start", "--port", str(other.getsockname()[1]), "--data", str(tmp_path))
    assert refused.returncode == 2
    assert "is taken by another program" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_broker_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    with pytest.raises(BrokerError, match=r"(?s)Kafka ended while it started.*Stored node id 7 doesn't match"):
        Broker(port=0, data=tmp_path, die_with_parent=True).start()
    assert not (tmp_path / "broker.json").exists()


def test_a_broker_that_a_test_started_ends_when_the_test_is_killed(tmp_path: Path) -> None:
    imports = "import sys, time; from pathlib import Path; from streams.broker import Broker\n"
    program = imports + "b = Broker(0, Path(sys.argv[1]), die_with_parent=True); b.start(); print(b.status().pid, flush=True); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not _alive(pid), "the end of the broker")


def test_the_cache_is_the_platforms_and_a_variable_moves_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(java.CACHE_VARIABLE, raising=False)
    if sys.platform == "linux":
        assert java.cache_folder() == tmp_path / "driftwarden" / "kafka-4.1.0"
    monkeypatch.setenv(java.CACHE_VARIABLE, str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "jars").mkdir(parents=True)
    assert java.kafka_jars() == tmp_path / "elsewhere" / "jars"
