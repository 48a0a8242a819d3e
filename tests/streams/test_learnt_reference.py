"""A model without a reference learns one from its first events: the one that `monitor infer` makes of these rows."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

import numpy as np
import pytest

from detectors.references.reference import profile_of
from detectors.rfc3339 import format_time
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from streams.connection import connect
from streams.file_events import ColumnNames
from streams.infer import infer
from streams.replay import replay
from streams.tables import read_chunks, read_table
from streams.topics import Topics
from streams.whole_topic import read_monitors
from tests.streams.delivery_stream import PARTITIONS, delivery_stream
from tests.waiting import eventually

START, N = 1_700_000_000_000, 1_000
HEADER = ("time", "age", "plan", "note", "prediction")


def write_rows(path: Path, rows: int) -> Path:
    """Independent rows, a second and some milliseconds apart; from row 2,200 on ages are a sigma higher."""
    random = np.random.default_rng(11)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for row in range(rows):
            age = "" if random.random() < 0.03 else round(random.normal(50 if row >= 2_200 else 40, 10), 3)
            fate = random.choice(["late", "paid", "sent again"])
            note = f"order {random.integers(10**6)} was {fate}"
            writer.writerow([START + row * 1_000 + int(random.integers(900)), age, random.choice(["free", "paid", "team"]), note, random.choice(["no", "yes"])])
    return path


def learning(inferred: MonitorSpecification, n: int = N) -> MonitorSpecification:
    reference = inferred.reference.model_copy(update={"source": None, "profile": None, "learn": n})
    return inferred.model_copy(update={"reference": reference, "lateness": 60_000})


def test_a_replay_learns_what_infer_makes_of_the_same_rows_and_then_finds_a_shift(tmp_path: Path) -> None:
    whole = write_rows(tmp_path / "live.csv", 3_000)
    head = tmp_path / "head.csv"
    head.write_text("".join(whole.read_text().splitlines(keepends=True)[: N + 1]))
    base = MonitorSpecification.model_validate({"model": "churn", "windows": ["10m"], "quality": {"monitors": ["constant"]}})
    inferred = infer(read_table(head), model="churn", prediction="prediction", time="time", base=base)
    assert {feature.type for feature in inferred.features.values()} == {"numeric", "categorical", "text"}

    replayed = replay(read_chunks(whole), learning(inferred), ColumnNames(time="time", prediction="prediction"))
    reference = replayed.specification.reference
    assert reference.profile == inferred.reference.profile
    assert reference.learnt
    first, last = (format_time(int(row.split(",")[0])) for row in head.read_text().splitlines()[1 :: N - 1])
    assert reference.source == f"learnt from 1,000 events, {first} to {last}"
    assert [alert.monitors[0].name for alert in replayed.opened] == ["feature:age"]
    points = [point for point in replayed.points if point.measurement == "monitor" and point.tags["monitor"] == "feature:age" and "needed" in point.fields]
    events = [point.fields["events"] for point in points]
    assert events == sorted(events)
    assert {(point.fields["state"], point.fields["needed"]) for point in points} == {("learning", N)}


@pytest.mark.kafka
def test_two_workers_that_share_the_partitions_learn_what_one_would_though_one_of_them_is_far_behind(broker: str, topics: Topics, tmp_path: Path) -> None:
    connection = connect(broker, topic_prefix=topics.prefix)
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply(reference=Reference(learn=N))
        workers = [stream.worker(name) for name in ("w0", "w1")]
        eventually(lambda: all("inference.events[" in worker.printed for worker in workers), "partitions for both workers")
        stream.publish(N // 5)
        eventually(lambda: all(map(stream.committed, range(PARTITIONS))), "rows of each partition")
        late, known = workers[1], [stream.committed(partition) for partition in range(PARTITIONS)]
        late.signal(signal.SIGSTOP)
        stream.publish(4 * N)
        eventually(lambda: [stream.committed(partition) for partition in range(PARTITIONS)] != known, "what the other one has counted")
        assert len(read_monitors(connection).of("churn")) == 1, "rows of the first N may lie where nobody has read"
        late.signal(signal.SIGCONT)
        stream.publish_while(lambda: len(read_monitors(connection).of("churn")) == 1, "a reference that is learnt")
        stream.publish(4_000)
        stream.finish()
        assert stream.counted(revisions=2) == (stream.predictions, stream.labels)
        declared, learnt = read_monitors(connection).of("churn")
        printed = [worker.printed for worker in workers]

    age, plan, outcome = (np.array(column, object) for column in zip(*stream.rows[:N], strict=True))
    profile = profile_of({"age": age.astype(float), "plan": plan}, features=declared.specification.features, task="classification", prediction=outcome)
    assert learnt.specification.reference.profile == profile
    assert not any("those counts are left out" in text for text in printed)
