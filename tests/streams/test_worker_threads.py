"""A worker computes on the core that it is given: the libraries below numpy start no threads of their own for it."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, numpy, streams.worker
from threadpoolctl import threadpool_info
from streams.connection import connect
from streams.telemetry.settings import MetricsSettings
from streams.worker_settings import WorkerSettings

class Started(Exception):
    pass

def stop(*given):
    raise Started

streams.worker.Worker = stop
try:
    streams.worker.run_worker(connect(), WorkerSettings(), MetricsSettings())
except Started:
    print(json.dumps([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]))
"""


def test_products_of_long_columns_wake_no_threads() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert set(json.loads(told.stdout)) == {1}
