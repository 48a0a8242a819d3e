"""A packaged version: its server is started in a process of its own, from the folder alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from kafka import KafkaProducer

from detectors.errors import SettingsError
from retrainer.bootstrap import bootstrap_champion
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Model
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Version
from streams.packaging import SERVER, locked, write_package
from streams.topics import Topics
from streams.wire import encode_version
from tests.retrainer.concepts import specification, table
from tests.streams.command_line import run
from tests.waiting import PATIENCE

ROWS = [{"x": 0.5, "y": 1, "city": "Rome"}, {"x": None, "y": 0, "city": None}, {"x": -1.0, "y": 2, "city": "Atlantis"}]
COLUMNS = {"x": np.array([0.5, np.nan, -1.0]), "y": np.array([1.0, 0.0, 2.0]), "city": np.array(["Rome", None, "Atlantis"], object)}


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> tuple[FilesRegistry, Version]:
    registry = FilesRegistry(tmp_path_factory.mktemp("models"))
    records = bootstrap_champion(*table(400, "old", 1), specification=specification(), trainer=ScikitLearnTrainer(iterations=10), registry=registry, at=0)
    return registry, records[-1]


@pytest.fixture(scope="module")
def model(champion: tuple[FilesRegistry, Version]) -> Model:
    return champion[0].fetch(champion[1].uri, champion[1].digest)


@pytest.fixture(scope="module")
def folder(champion: tuple[FilesRegistry, Version], tmp_path_factory: pytest.TempPathFactory) -> Path:
    registry, record = champion
    place = tmp_path_factory.mktemp("package") / "loans"
    write_package(place, registry.artifact(record.uri, record.digest), record, source=registry.source(record))
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """Address of the package's own server, in a process of its own."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PORT": "0", "LARGEST_BODY": "100000"}
    with subprocess.Popen([sys.executable, "serve.py"], cwd=folder, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("model 'loans' version 1 on port "), said
        yield f"http://127.0.0.1:{said.split()[-1]}"
        process.terminate()
        assert process.wait(PATIENCE) == 0


def ask(address: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, Any]:
    request = urllib.request.Request(address, body, {"Content-Type": kind})  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  as above
            return answer.status, json.loads(answer.read().strip() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_server_answers_every_form_that_mlflow_knows_as_the_model_does(server: str, model: Model) -> None:
    expected = model.predict(COLUMNS).tolist()
    split = {"columns": ["city", "x", "y"], "data": [[row["city"], row["x"], row["y"]] for row in ROWS]}
    lists = {name: [row[name] for row in ROWS] for name in ("x", "y", "city")}
    forms: list[dict[str, Any]] = [{"dataframe_split": split}, {"dataframe_records": ROWS}, {"instances": ROWS}, {"inputs": lists}, {"inputs": ROWS}]
    for form in forms:
        assert ask(f"{server}/invocations", json.dumps(form).encode()) == (200, {"predictions": expected}), form
    assert ask(f"{server}/invocations", b"x,y,city\n0.5,1,Rome\n,0,\n-1.0,2,Atlantis\n", "text/csv; charset=utf-8") == (200, {"predictions": expected})
    scored = ask(f"{server}/invocations", json.dumps({"inputs": lists, "params": {"scores": True}}).encode())[1]
    assert scored["scores"] == pytest.approx(model.score(COLUMNS).tolist())
    assert ask(f"{server}/invocations", json.dumps({"dataframe_records": [{**ROWS[0], "new": 3}]}).encode())[1]["predictions"] == expected[:1]


def test_it_says_that_it_is_there_and_which_version_it_is(server: str, champion: tuple[FilesRegistry, Version]) -> None:
    assert ask(f"{server}/ping") == (200, None)
    assert ask(f"{server}/health") == (200, None)
    assert ask(f"{server}/version") == (200, {"model": "loans", "version": "1", "revision": 0, "digest": champion[1].digest})


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "said"),
    [
        ("/invocations", b"{", "application/json", 400, "not JSON"),
        ("/invocations", b"[1]", "application/json", 400, "expected a JSON object"),
        ("/invocations", b'{"inputs": [[1, 2]]}', "application/json", 400, "with named columns"),
        ("/invocations", b'{"inputs": {"x": [1], "y": [1, 2]}}', "application/json", 400, "different lengths"),
        ("/invocations", b'{"inputs": {"x": [1]}}', "application/json", 400, "needs the features"),
        ("/invocations", b'{"inputs": {"x": ["far"], "y": [1], "city": ["Rome"]}}', "application/json", 400, "cannot predict that"),
        ("/invocations", b'{"dataframe_split": {"columns": ["x"], "data": [[1, 2]]}}', "application/json", 400, "every row needs 1 values"),
        ("/invocations", b'{"inputs": {"x": [1' + b"0" * 400 + b"]}}", "application/json", 400, "too large"),
        ("/invocations", b"[" * 90_000, "application/json", 400, "not JSON"),
        ("/invocations", b"x\r1", "text/csv", 400, "not CSV"),
        ("/invocations", b"", "text/csv", 400, "first line names the columns"),
        ("/invocations", b"<x/>", "application/xml", 415, "text/csv"),
        ("/invocations", b" " * 100_001, "application/json", 413, "send fewer rows"),
        ("/invocations", None, "application/json", 405, "takes POST"),
        ("/predict", None, "application/json", 404, "/invocations"),
    ],
)
def test_what_cannot_be_answered_is_told_why_and_the_server_goes_on(server: str, path: str, body: bytes | None, kind: str, status: int, said: str) -> None:
    found, content = ask(server + path, body, kind)
    assert found == status
    assert said in content["message"]
    assert ask(f"{server}/ping")[0] == 200


def test_the_code_of_the_package_serves_whatever_is_installed(folder: Path) -> None:
    program = "import pathlib, serve, sys; serve.load(pathlib.Path.cwd()); print(sys.modules['retrainer'].__file__)"
    told = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert str(folder / "model/code/driftwarden.zip") in told.stdout


def test_a_package_whose_model_was_changed_does_not_start(champion: tuple[FilesRegistry, Version], tmp_path: Path) -> None:
    registry, record = champion
    write_package(tmp_path / "p", registry.artifact(record.uri, record.digest), record)
    (tmp_path / "p/model/data/model.skops").write_bytes(b"another")
    done = subprocess.run([sys.executable, "serve.py"], cwd=tmp_path / "p", capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "was not loaded" in done.stderr
    with pytest.raises(SettingsError, match="is not empty"):
        write_package(tmp_path / "p", b"", record)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SettingsError, match="is a file"):
        write_package(tmp_path / "file", b"", record)


def test_the_dockerfile_passes_its_linter_and_the_lock_is_whole(folder: Path, champion: tuple[FilesRegistry, Version]) -> None:
    linted = subprocess.run([Path(sys.executable).parent / "hadolint", "--no-color", folder / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")
    dockerfile = (folder / "Dockerfile").read_text()
    assert f"FROM python:{champion[1].provenance['python']}-slim" in dockerfile
    assert "docker build -t loans:1 ." in dockerfile
    pins = dict(line.split("==") for line in (folder / "requirements.txt").read_text().split())
    assert {name: pins[name] for name in ("numpy", "scikit-learn", "skops")} == {name: installed_version(name) for name in ("numpy", "scikit-learn", "skops")}
    assert "kafka-python" not in pins
    assert f"waitress=={installed_version('waitress')}" == SERVER, "the tests run another server than packages do"
    old = msgspec.structs.replace(champion[1], provenance={"packages": {"numpy": "2.4.0"}})
    assert "numpy==2.4.0" in locked(old)


@pytest.mark.kafka
def test_the_command_packs_a_version_that_was_announced(champion: tuple[FilesRegistry, Version], broker: str, topics: Topics, tmp_path: Path) -> None:
    registry, record = champion
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send(topics.versions, key=b"loans", value=encode_version(record)).get(20)
    producer.close()
    done = run("models", "package", "loans@champion", "--registry", registry.root, "--out", tmp_path / "out", "--bootstrap", broker, "--prefix", topics.prefix)
    assert done.exit_code == 0, done.exception
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".dockerignore", "Dockerfile", "model", "requirements.txt", "serve.py"]
