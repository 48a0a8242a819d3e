"""A real MLflow server for tests: sqlite, one worker, on this machine alone.

The client, ``mlflow-skinny``, is one of our own packages. What the server needs besides is installed once for a user, as a thin layer that lies over the environment of
the tests: 100 MB and 20 s instead of 850 MB and two minutes for an environment of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from streams.broker import free_port
from streams.java import user_cache

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_PATIENCE = 120.0  # seconds; 10 on an idle machine


def layer() -> Path:
    """Folder of the packages that MLflow needs beyond its client; to be put on the Python path."""
    number = version("mlflow-skinny")
    pins = [f"mlflow=={number}", f"mlflow-tracing=={number}", *REQUIREMENTS.read_text().split()]
    digest = hashlib.sha256("\n".join([*pins, sys.version]).encode()).hexdigest()[:12]
    folder = user_cache() / "test-mlflow" / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--only-binary", ":all:", "--target", str(unfinished), *pins]
            subprocess.run(pip, check=True)
            unfinished.replace(folder)
    return folder


def environment(**more: str) -> dict[str, str]:
    """Variables of a process that has the whole of MLflow."""
    path = os.pathsep.join([str(layer()), str(Path(__file__).parents[2])])
    return os.environ | {"PYTHONPATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"} | more


@contextlib.contextmanager
def running_mlflow(folder: Path) -> Iterator[str]:
    """Address of a server whose data lie in a folder.

    Raises
    ------
    RuntimeError
        If it does not answer within two minutes; with the end of its log.
    """
    port = free_port()
    variables = environment(
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        MLFLOW_WEBHOOK_ALLOWED_SCHEMES="http,https",
        MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS="true",
        MLFLOW_WEBHOOK_CACHE_TTL="1",
    )
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    address = f"http://127.0.0.1:{port}"
    with (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(command, env=variables, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(f"{address}/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the MLflow server did not start:\n{(folder / 'mlflow.log').read_text()[-3_000:]}")
            time.sleep(0.2)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # its worker is a process of its own
        server.wait(10)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)
    except OSError:
        return False
