"""Points from Kafka to InfluxDB: how many a second by the clock `driftwarden influx sink` writes, with broker and database beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from bench.figure import Found, Row, Size, expect
from bench.influx_server import influx_server
from bench.installation import broker_cpu, installation
from bench.stream_rows import told
from bench.workload import PANE, PARTITIONS, START
from detectors.point import Point
from streams.influx.settings import InfluxSettings
from streams.wire import encode_points

MODELS, FEATURES = 100, 50
POINTS = 600_000
WARM = 50_000


def panes(first: int, end: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Records as detection writes them: those of a model and a pane together, a point of five fields for each feature."""
    rng = np.random.default_rng(first)
    for pane in range(first, end):
        for model in range(MODELS):
            name = f"bench-{model:04d}"
            values = rng.random((FEATURES, 4)).tolist()
            points = [
                Point(
                    measurement="drift",
                    tags={"model": name, "version": "1", "segment": "", "feature": f"f{feature:02d}"},
                    fields={"psi": psi, "psi_low": low, "psi_high": high, "js": js, "n": 1_000.0},
                    time=START + pane * PANE,
                )
                for feature, (psi, low, high, js) in enumerate(values)
            ]
            yield model % PARTITIONS, name.encode(), encode_points(points)


def write(size: Size) -> Found:
    """Points a second from the moment at which a paused sink goes on until InfluxDB has acknowledged the last of them."""
    a_pane = MODELS * FEATURES
    warm, timed = (size.of(points, multiple=a_pane) // a_pane for points in (WARM, POINTS))
    figures, details = [], {}
    with (
        influx_server() as database,
        installation() as installed,
        installed.places_of(installed.connection.group(InfluxSettings().group), installed.topics.metrics) as places,
    ):
        sink = installed.process("sink", "influx", "sink", **database.environment)
        installed.publish_points(panes(0, warm))
        until = warm

        def all_written() -> bool:
            return places() == installed.ends(installed.topics.metrics)

        installed.wait_until(all_written, "the sink did not begin", patience=120)
        for _ in range(size.repeats):
            sink.pause()
            installed.publish_points(panes(until, until + timed))
            until += timed
            cpu, database_cpu, broker, began = sink.cpu, database.cpu, broker_cpu(installed.bootstrap), time.monotonic()
            sink.go_on()
            installed.wait_until(all_written, "not all was written", patience=300)
            took, points = time.monotonic() - began, timed * a_pane
            figures.append(points / took)
            details = {
                "cpu_microseconds_a_point": (sink.cpu - cpu) / points * 1e6,
                "cpu_microseconds_a_point_of_influxd": (database.cpu - database_cpu) / points * 1e6,
                "cpu_microseconds_a_point_of_the_broker": (broker_cpu(installed.bootstrap) - broker) / points * 1e6,
                "sink_mebibytes": sink.memory,
            }
            told(f"  {figures[-1]:,.0f} points/s, " + ", ".join(f"{name} {value:.3g}" for name, value in details.items()))
            expect("points in InfluxDB", database.count("psi"), until * a_pane)
    return Found(figures=tuple(figures), details=details)


ROWS = (Row(name="sink", what="points of 5 fields from Kafka into InfluxDB by one sink, by the clock", sense="at least", target=50_000, unit="points/s", run=write),)
