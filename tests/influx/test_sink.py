"""Points on a real Kafka end in a real InfluxDB: each once, none lost, whatever happens to either."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from influxdb_client import InfluxDBClient
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from detectors.errors import SettingsError
from detectors.point import Point
from streams.connection import KafkaConnection
from streams.influx import sink as sink_module
from streams.influx.settings import InfluxSettings
from streams.influx.setup import set_up
from streams.influx.sink import RECORDS_AT_ONCE, ROUNDS, InfluxSink
from streams.influx.writer import InfluxWriter
from streams.topics import Topics, create_topics
from streams.wire import encode_points
from tests.background import running_beside
from tests.consumer_groups import members
from tests.influx.conftest import NOBODY, Influxd
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka

NOON = 1_700_000_000_000


@pytest.fixture
def settings(influx: Influxd, bucket: str) -> InfluxSettings:
    settings = influx.settings(bucket)
    set_up(settings, keep_seconds=0, keep_hourly_seconds=0)
    return settings


@pytest.fixture
def connection(broker: str, topics: Topics) -> KafkaConnection:
    return KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)


def publish(connection: KafkaConnection, records: list[bytes], partition: int = 0) -> None:
    producer = KafkaProducer(**connection.client_arguments())
    for value in records:
        producer.send(connection.topics.metrics, value=value, partition=partition)
    producer.flush()
    producer.close()


def psi(first: int, end: int) -> list[bytes]:
    return [encode_points([Point(measurement="drift", tags={"model": "churn", "feature": "age"}, fields={"psi": n / 10, "n": n}, time=NOON + n)]) for n in range(first, end)]


def traffic(predictions: int, *, final: bool) -> bytes:
    return encode_points([Point(measurement="traffic", tags={"model": "churn"}, fields={"predictions": predictions, "final": final}, time=NOON)])


@contextmanager
def running(connection: KafkaConnection, settings: InfluxSettings) -> Iterator[InfluxSink]:
    stopping = threading.Event()
    sink = InfluxSink(connection, settings, stopping)
    with running_beside(sink.run, stopping):
        yield sink


def stored(settings: InfluxSettings, measurement: str = "drift") -> list[dict[str, Any]]:
    """Rows of a measurement, one for each time of a series, oldest first."""
    with InfluxDBClient(url=settings.url, token=settings.secret, org=settings.org) as client:
        flux = f"""from(bucket: "{settings.bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}")
            |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")"""
        return sorted((record.values for table in client.query_api().query(flux) for record in table.records), key=lambda row: row["_time"])


def committed(connection: KafkaConnection, settings: InfluxSettings, partition: int = 0) -> int:
    consumer = KafkaConsumer(**connection.client_arguments(), group_id=f"{connection.topic_prefix}{settings.group}")
    place = consumer.committed(TopicPartition(connection.topics.metrics, partition))
    consumer.close()
    return place or 0


def test_every_point_is_stored_with_its_tags_fields_and_time(connection: KafkaConnection, settings: InfluxSettings) -> None:
    publish(connection, psi(0, 500))
    publish(connection, [b"not a point", *psi(500, 1_000)], partition=1)
    with running(connection, settings) as sink:
        eventually(lambda: sink.written == 1_000)
        eventually(lambda: sink._figures.registry.get_sample_value("driftwarden_influx_points_written_total") == 1_000)
        of = [{"topic": connection.topics.metrics, "partition": partition} for partition in "01"]
        eventually(lambda: [sink._figures.registry.get_sample_value("driftwarden_consumer_lag_records", one) for one in of] == [0, 0])
        eventually(lambda: [committed(connection, settings, part) for part in (0, 1)] == [500, 501])
    rows = stored(settings)
    assert [(row["psi"], row["n"]) for row in rows] == [(n / 10, n) for n in range(1_000)]
    assert {(row["model"], row["feature"]) for row in rows} == {("churn", "age")}
    assert (rows[7]["_time"].timestamp() * 1_000) == NOON + 7


def test_a_sink_whose_group_has_committed_nothing_writes_all_again_and_changes_nothing(connection: KafkaConnection, settings: InfluxSettings) -> None:
    publish(connection, [traffic(5, final=False), *psi(0, 200), traffic(9, final=True)])
    for group in ("before", "now"):
        mine = settings.model_copy(update={"group": group, "batch_points": 1})
        with running(connection, mine) as sink:
            eventually(lambda mine=mine: committed(connection, mine) == 202)
            assert sink.written == 202
    assert [row["n"] for row in stored(settings)] == list(range(200))
    assert [(row["predictions"], row["final"]) for row in stored(settings, "traffic")] == [(9, True)]


def test_sinks_of_two_installations_write_their_own_and_leave_each_other_alone(influx: Influxd, connection: KafkaConnection, settings: InfluxSettings) -> None:
    others = KafkaConnection(bootstrap=connection.bootstrap, topic_prefix=f"other-{connection.topic_prefix}")
    create_topics(connection=others, partitions=4)
    theirs = influx.settings(f"{settings.bucket}-other")
    set_up(theirs, keep_seconds=0, keep_hourly_seconds=0)
    publish(connection, psi(0, 100))
    publish(others, psi(50, 70))
    with running(connection, settings), running(others, theirs):
        eventually(lambda: [committed(one, settings) for one in (connection, others)] == [100, 20])
        assert [members(one.bootstrap, f"{one.topic_prefix}driftwarden-influx") for one in (connection, others)] == [1, 1]
    assert [[row["n"] for row in stored(one)] for one in (settings, theirs)] == [list(range(100)), list(range(50, 70))]


def test_a_final_point_stays(connection: KafkaConnection, settings: InfluxSettings) -> None:
    with running(connection, settings) as sink:
        for number, point in enumerate((traffic(5, final=False), traffic(9, final=True), traffic(7, final=False))):
            publish(connection, [point])
            eventually(lambda number=number: committed(connection, settings) == number + 1)
        assert sink.written == 2
    (row,) = stored(settings, "traffic")
    assert (row["predictions"], row["final"]) == (9, True)


def test_while_influxdb_is_away_kafka_holds_what_comes_and_nothing_is_lost(influx: Influxd, connection: KafkaConnection, settings: InfluxSettings) -> None:
    settings = settings.model_copy(update={"batch_points": 200, "retry_at_most": 500})
    publish(connection, psi(0, 100))
    with running(connection, settings) as sink:
        eventually(lambda: sink.written == 100)
        influx.stop()
        publish(connection, psi(100, 5_000))
        eventually(lambda: sink._figures.waits_for.startswith(f"InfluxDB does not take points ({influx.url}: "))
        eventually(lambda: committed(connection, settings) == 100)
        time.sleep(1)
        assert sink.held <= (ROUNDS + 1) * (200 + RECORDS_AT_ONCE), "more is held than rounds, and what a poll gives beyond each"
        assert committed(connection, settings) == 100
        influx.start()
        eventually(lambda: committed(connection, settings) == 5_000)
        eventually(lambda: sink._figures.waits_for == "")
    assert [row["n"] for row in stored(settings)] == list(range(5_000))


def test_without_points_to_write_it_is_still_told_whether_influxdb_takes_them(
    influx: Influxd, connection: KafkaConnection, settings: InfluxSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "ASK_EVERY", 0.1)
    with running(connection, settings) as sink:
        eventually(lambda: sink._figures.waits_for == "")
        influx.stop()
        eventually(lambda: sink._figures.waits_for.startswith(f"InfluxDB does not take points ({influx.url} does not answer)"))
        influx.start()
        eventually(lambda: sink._figures.waits_for == "")


def test_what_is_behind_an_unwritten_point_is_not_acknowledged_and_the_last_value_of_a_point_stays(
    connection: KafkaConnection, settings: InfluxSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, write, waited = threading.Event(), InfluxWriter.write, threading.Event()

    def slow(writer: InfluxWriter, lines: Sequence[bytes]) -> bool:
        if any(b"n=0.0" in line for line in lines):
            waited.set()
            free.wait(PATIENCE)
        return write(writer, lines)

    monkeypatch.setattr(InfluxWriter, "write", slow)
    same_lane = hash(b"drift,feature=age,model=churn") % 2
    other = next(name for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n") if hash(b"drift,feature=%b,model=churn" % name.encode()) % 2 != same_lane)

    def point(feature: str, n: int) -> bytes:
        return encode_points([Point(measurement="drift", tags={"model": "churn", "feature": feature}, fields={"n": float(n), "final": n > 0}, time=NOON)])

    with running(connection, settings.model_copy(update={"batch_points": 1, "requests": 2})) as sink:
        publish(connection, [point("age", 0)])
        eventually(waited.is_set)
        publish(connection, [point(other, 7), point("age", 8)])
        eventually(lambda: sink.written == 1)
        assert committed(connection, settings) == 0
        free.set()
        eventually(lambda: committed(connection, settings) == 3)
    assert {row["feature"]: row["n"] for row in stored(settings)} == {other: 7, "age": 8}


def test_a_point_that_influxdb_refuses_loses_no_other(connection: KafkaConnection, settings: InfluxSettings) -> None:
    odd = Point(measurement="drift", tags={"model": "churn", "feature": "age"}, fields={"psi": "high"}, time=NOON + 50)
    publish(connection, psi(0, 10))
    with running(connection, settings) as sink:
        eventually(lambda: sink.written == 10)
        publish(connection, [*psi(10, 50), encode_points([odd]), *psi(51, 100)])
        eventually(lambda: committed(connection, settings) == 100)
        assert sink.rejected == 1
    assert [row["n"] for row in stored(settings)] == [n for n in range(100) if n != 50]


def test_series_beyond_the_bound_are_left_out_and_counted(connection: KafkaConnection, settings: InfluxSettings, caplog: pytest.LogCaptureFixture) -> None:
    points = [Point(measurement="segment", tags={"model": "churn", "segment": str(n % 5)}, fields={"accuracy": 0.5}, time=NOON + n) for n in range(20)]
    publish(connection, [encode_points(points)])
    with running(connection, settings.model_copy(update={"max_series": 3})) as sink:
        eventually(lambda: committed(connection, settings) == 1)
        assert (sink.written, sink.left_out) == (12, 8)
    assert "DRIFTWARDEN_INFLUX_MAX_SERIES" in caplog.text


def test_a_wrong_token_ends_the_sink_with_nothing_acknowledged(connection: KafkaConnection, influx: Influxd, settings: InfluxSettings, bucket: str) -> None:
    publish(connection, psi(0, 10))
    with pytest.raises(SettingsError, match=f"refused to write bucket '{bucket}'.*the token is not valid"):
        InfluxSink(connection, influx.settings(bucket, **NOBODY), threading.Event()).run()
    assert committed(connection, settings) == 0


def test_an_error_ends_the_sink_also_while_a_request_is_tried_again(connection: KafkaConnection, settings: InfluxSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(connection, psi(0, 10))
    sink = InfluxSink(connection, settings.model_copy(update={"url": "http://127.0.0.1:1"}), threading.Event())

    def a_bug() -> None:
        if sink._writer.away:
            raise ZeroDivisionError

    monkeypatch.setattr(sink, "_tell_figures", a_bug)
    with pytest.raises(ZeroDivisionError):
        sink.run()
    assert committed(connection, settings) == 0
