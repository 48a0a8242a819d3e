"""No number of a version is given twice, on a real Kafka: a person registers one while the retrainer trains another, and the other way round."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from detectors.errors import DriftwardenError
from retrainer.registry.files import FilesRegistry
from retrainer.versions import Version
from streams.announcements import Announcements, Offsets
from streams.connection import KafkaConnection
from streams.topics import Topics
from streams.version_numbers import NumberTakenError, refuse_taken
from streams.whole_topic import read_versions
from streams.wire import encode_version
from tests.streams.command_line import run
from tests.streams.retraining_stream import RetrainingStream
from tests.streams.test_register import artifact
from tests.waiting import PATIENCE

pytestmark = pytest.mark.kafka


def told(stream: RetrainingStream) -> list[tuple[str, str, str]]:
    return [(one.version, one.status, one.by) for one in stream.versions()]


def test_a_version_that_is_registered_while_another_is_trained_keeps_its_number_and_the_training_is_done_again(changed: RetrainingStream, monkeypatch: pytest.MonkeyPatch) -> None:
    brought, register = artifact(changed.folder / "elsewhere"), FilesRegistry.register
    options = ("--registry", changed.registry.root, "--by", "ada", "--bootstrap", changed.broker, "--prefix", changed.topics.prefix)

    def a_person_comes_in_between(registry: FilesRegistry, content: bytes, record: Version) -> tuple[str, str]:
        monkeypatch.undo()
        done = run("models", "register", brought, *options)
        assert "version 2 of 'loans' is registered" in done.stdout, done.exception
        return register(registry, content, record)

    monkeypatch.setattr(FilesRegistry, "register", a_person_comes_in_between)
    changed.run_until(changed.ended)
    assert told(changed) == [("2", "registered", "ada"), ("3", "registered", "retrainer"), ("3", "promoted", "retrainer")]
    assert changed.fits() == ["a1", "a1"], "the one that had the number of another was not announced"
    assert [one.instruction for one in changed.decisions()] == ["Collect", "Train", "StartGate", "Publish", "DoNothing"]
    assert changed.registry.alias("loans", "champion") == "3"


def test_a_person_whose_version_has_the_number_of_one_that_was_trained_meanwhile_is_told(changed: RetrainingStream, monkeypatch: pytest.MonkeyPatch) -> None:
    brought, register = artifact(changed.folder / "elsewhere"), FilesRegistry.register
    options = ("--registry", changed.registry.root, "--by", "ada", "--bootstrap", changed.broker, "--prefix", changed.topics.prefix)

    def the_retrainer_comes_in_between(registry: FilesRegistry, content: bytes, record: Version) -> tuple[str, str]:
        monkeypatch.undo()
        changed.run_until(changed.ended)
        return register(registry, content, record)

    monkeypatch.setattr(FilesRegistry, "register", the_retrainer_comes_in_between)
    refused = run("models", "register", brought, *options)
    assert isinstance(refused.exception, DriftwardenError), refused.stdout
    assert "version 2 of 'loans' was given to another one at the same moment, by retrainer, and yours was not announced" in str(refused.exception)
    assert told(changed) == [("2", "registered", "retrainer"), ("2", "promoted", "retrainer")]
    again = run("models", "register", brought, *options)
    assert "version 3 of 'loans' is registered" in again.stdout, again.exception


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "given up"])
def test_who_lies_second_in_the_log_waits_for_how_the_first_one_ends(broker: str, topics: Topics, is_committed: bool) -> None:
    connection = KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)
    theirs, mine = (Version(model="loans", version="7", status="registered", at=at, by=by, uri=by) for at, by in ((1, "bob"), (2, "ada")))
    first, second, outcome = Announcements(connection, "first"), Announcements(connection, "second"), list[str]()
    is_written, may_end = threading.Event(), threading.Event()

    def hold(_: Offsets) -> None:
        is_written.set()
        assert may_end.wait(PATIENCE)
        if not is_committed:
            raise DriftwardenError("given up")

    def write(by: str, to: Announcements, record: Version, check: Callable[[Offsets], None]) -> None:
        try:
            to.write([(topics.versions, b"loans", encode_version(record))], check=check)
            outcome.append(f"{by} is heard")
        except NumberTakenError as error:
            outcome.append(str(error))
        except DriftwardenError:
            outcome.append(f"{by} gave up")

    bob = threading.Thread(target=write, args=("bob", first, theirs, hold))
    bob.start()
    assert is_written.wait(PATIENCE)
    ada = threading.Thread(target=write, args=("ada", second, mine, partial(refuse_taken, connection, [mine], {})))
    ada.start()
    ada.join(1.0)
    assert ada.is_alive(), "how the first one ends is not known yet"
    may_end.set()
    for one in (bob, ada):
        one.join(PATIENCE)
    for written in (first, second):
        written.close()
    refused = "version 7 of 'loans' was given to another one at the same moment, by bob, and yours was not announced"
    assert set(outcome) == ({"bob is heard", refused} if is_committed else {"bob gave up", "ada is heard"})
    assert [one.by for one in read_versions(connection)["loans"]] == (["bob"] if is_committed else ["ada"])
