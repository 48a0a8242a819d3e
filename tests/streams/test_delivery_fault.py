"""Faults of ours and of the state: the worker stops, declares nothing, and says why."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient

from streams.state_codec import FORMAT
from streams.topics import Topics, create_topics
from tests.streams.delivery_stream import PARTITIONS, START, STEP, delivery_stream
from tests.waiting import eventually

pytestmark = pytest.mark.kafka


def test_a_handler_that_raises_stops_the_worker_with_nothing_declared_and_a_restart_is_exact(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.publish(2_000)
        failing = stream.worker("w0", "raise", "1")
        assert failing.exit_code() == 1
        assert "a bug of ours" in failing.printed
        declared = [stream.committed(partition) for partition in range(PARTITIONS)]
        assert set(declared) <= {None, 0}
        again = stream.worker("w0", "raise", "9")
        stream.publish_while(lambda: again.running, "the ninth fetch")
        assert again.exit_code() == 1
        stream.worker("w0")
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
    assert not Path(f"{topics.prefix}workers-data").exists()  # a worker keeps nothing in the directory that it was started in


def test_a_piece_of_state_above_its_limit_stops_the_worker_with_the_story(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.publish(2_000)
        worker = stream.worker("w0", part_bytes="800", piece_bytes="800")
        assert worker.exit_code() == 1
        assert "the limit is 800; reduce the bins, segments or classes of its monitor, or raise the limit" in worker.printed


def test_state_larger_than_a_record_is_split_and_survives_a_kill(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        for count in (4, 25):
            worker = stream.worker("w0", "SIGKILL", "state.inference.events", "piece", str(count), part_bytes="1150")
            stream.publish_while(lambda worker=worker: worker.running, f"record {count} of the state")
        stream.worker("w0", part_bytes="1150")
        stream.publish(1_000)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        saved = [msgspec.msgpack.decode(record.value) for record in stream.records(topics.state_of(topics.inference_events)) if record.value is not None]
        assert max(parts for _, _, _, _, parts, _ in saved) > 1


def test_a_source_topic_made_anew_stops_a_running_worker_and_the_next_one(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.publish(2_000)
        worker = stream.worker("w0")
        eventually(lambda: None not in [stream.committed(partition) for partition in range(PARTITIONS)], "an epoch of every partition")
        admin = KafkaAdminClient(bootstrap_servers=broker)
        admin.delete_topics([topics.inference_events])
        eventually(lambda: topics.inference_events not in admin.list_topics(), "deletion")
        time.sleep(1.0)
        create_topics(broker, partitions=PARTITIONS, prefix=topics.prefix)
        admin.close()
        for event in range(40):
            stream.send(f"new{event}", START + event * STEP, b'{"kind":"time"}')
        assert worker.exit_code() == 1
        assert "while this worker read it; what it had read is not in it" in worker.printed
        after = stream.worker("w0")
        assert after.exit_code() == 1
        assert "the topic was made anew or lost records. To start over, stop all workers" in after.printed


def test_state_and_bundles_of_another_release_stop_the_worker_in_one_line_and_what_it_advises_is_exact(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.publish(2_000)
        other = stream.worker("w0", "format", "0")
        eventually(lambda: None not in [stream.committed(partition) for partition in range(PARTITIONS)], "an epoch of every partition")
        other.stop()
        kept = (topics.summaries, *topics.state)
        for found, forgotten in ((rf"state piece {topics.state[0]}\[\d\] \('manifest',\)", topics.state), (rf"bundle {topics.summaries}\[\d\]@0", kept)):
            refusing = stream.worker("w0")
            assert refusing.exit_code() == 1
            [line] = [line for line in refusing.printed.splitlines() if "release" in line]
            assert re.search(rf"{found}: format 0, expected {FORMAT}; another release of Driftwarden wrote it", line)
            assert f"start over: delete the topics {', '.join(kept)}, make them again with 'driftwarden topics apply'" in line
            assert "Traceback" not in refusing.printed
            made_anew(broker, topics, forgotten)
        stream.worker("w0")
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)


def made_anew(broker: str, topics: Topics, names: tuple[str, ...]) -> None:
    """Delete some topics, and apply them again."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_topics(list(names))
    eventually(lambda: not set(names) & set(admin.list_topics()), "deletion")
    create_topics(broker, partitions=PARTITIONS, prefix=topics.prefix)
    admin.close()
