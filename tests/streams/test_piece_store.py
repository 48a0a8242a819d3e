"""Pieces of state in a compacted topic: whatever the last epoch lost, what was complete before it comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.piece import Piece
from streams.piece_store import Entry, PieceStore, StateLimits
from streams.state_codec import StateError

Topic = dict[bytes, bytes]
LIMITS = StateLimits(part_bytes=120, piece_bytes=10_000)


def write(topic: Topic, entries: list[Entry]) -> None:
    for key, value in entries:
        if value is None:
            topic.pop(key, None)
        else:
            topic[key] = value


def value_of(version: int, size: int) -> dict[str, Any]:
    """Does not compress, so that its size decides how many parts it takes."""
    return {"version": version, "filling": np.random.default_rng(version).bytes(size)}


class Owner:
    """A worker's use of its store: epochs of changes, each ended by a manifest."""

    def __init__(self, topic: Topic, owner: int) -> None:
        self.store = PieceStore(limits=LIMITS, owner=owner)
        self.recovered = self.store.recover(topic.items(), "events[0]")
        self.covered = 0 if self.recovered.manifest is None else self.recovered.manifest["covered"]

    def claim(self, topic: Topic) -> None:
        write(topic, [self.store.manifest({"covered": self.covered})])

    def epoch(self, changes: dict[str, int | None], version: int) -> list[Entry]:
        self.store.epoch += 1
        self.covered = version
        pieces = [Piece((name,), version, None if size is None else value_of(version, size)) for name, size in changes.items()]
        return [*self.store.entries(pieces), self.store.manifest({"covered": version})]


def versions(owner: Owner) -> dict[str, int]:
    return {str(piece.key[0]): piece.value["version"] for piece in owner.recovered.pieces}


changes = st.dictionaries(st.sampled_from("abcd"), st.one_of(st.none(), st.sampled_from([0, 60, 200, 500])), max_size=4)


@settings(max_examples=150)
@given(st.lists(changes, max_size=7), st.lists(st.booleans(), min_size=24, max_size=24), st.lists(changes, max_size=3))
def test_any_part_of_the_last_epoch_may_be_lost_and_every_piece_is_complete_and_as_new_as_the_manifest(epochs, arrived, after):
    topic: Topic = {}
    first = Owner(topic, 1)
    first.claim(topic)
    expected: dict[str, int] = {}
    for version, changed in enumerate(epochs, start=1):
        entries = first.epoch(changed, version)
        if version < len(epochs):
            write(topic, entries)
            expected |= dict.fromkeys(changed, version)
            expected = {name: at for name, at in expected.items() if name not in changed or changed[name] is not None}
        else:
            write(topic, [entry for entry, arrives in zip(entries[:-1], arrived, strict=False) if arrives])
    last = epochs[-1] if epochs else {}
    for owner in (2, 3):  # recovering twice finds the same
        found = versions(Owner(dict(topic), owner))
        for name, version in expected.items():
            assert found.get(name) in ({version, len(epochs), None} if name in last and last[name] is None else {version, len(epochs)} if name in last else {version})
        assert all(name in expected or name in last for name in found)
    second = Owner(topic, 4)
    assert second.recovered.generation == 2
    second.claim(topic)
    kept = versions(second)
    for version, changed in enumerate(after, start=100):
        write(topic, second.epoch(changed, version))
        kept |= dict.fromkeys(changed, version)
        kept = {name: at for name, at in kept.items() if name not in changed or changed[name] is not None}
    assert versions(Owner(topic, 5)) == kept


@settings(max_examples=100)
@given(changes, changes, changes, st.booleans())
def test_what_a_replaced_owner_writes_late_never_wins_over_its_successor(before, late, successor, same_generation):
    topic: Topic = {}
    zombie = Owner(topic, 1)
    zombie.claim(topic)
    write(topic, zombie.epoch({"a": 500, "b": 0} | before, 1))
    owner = Owner(topic, 2)
    if same_generation:
        zombie = Owner(topic, 3)
        zombie.claim(topic)
    owner.claim(topic)
    all_of_them = dict.fromkeys("abcd", 0) | {name: size for name, size in successor.items() if size is not None}
    write(topic, owner.epoch(all_of_them, 2))
    write(topic, owner.epoch(all_of_them, 3))
    write(topic, zombie.epoch(late, 2))
    again = Owner(topic, 4)
    assert again.recovered.manifest is not None
    assert again.recovered.manifest["covered"] == 3
    assert versions(again) == dict.fromkeys("abcd", 3)


def test_a_piece_that_the_successor_has_not_written_is_recovered_as_of_the_offset_that_the_replaced_owner_came_to():
    topic: Topic = {}
    zombie = Owner(topic, 1)
    zombie.claim(topic)
    write(topic, zombie.epoch({"a": 0, "b": 500, "c": 0}, 1))
    successor = Owner(topic, 2)
    successor.claim(topic)
    write(topic, zombie.epoch({"a": 0, "b": 500}, 3))
    write(topic, successor.epoch({"b": 500}, 2))
    again = Owner(topic, 3)
    assert again.recovered.manifest is not None
    assert again.recovered.manifest["covered"] == 2
    assert {piece.key[0]: piece.covered for piece in again.recovered.pieces} == {"a": 3, "b": 2, "c": 1}


def test_a_split_piece_that_the_manifest_names_and_the_topic_lost_stops_recovery_with_the_story():
    topic: Topic = {}
    owner = Owner(topic, 1)
    entries = owner.epoch({"a": 500}, 1)
    write(topic, entries[1:])
    with pytest.raises(StateError, match="the manifest names it, but no version is complete"):
        Owner(topic, 2)


def test_a_piece_above_the_limit_is_refused_with_the_story():
    owner = Owner({}, 1)
    with pytest.raises(StateError, match=r"takes 2.... bytes compressed, the limit is 10000; reduce the bins"):
        owner.epoch({"a": 20_000}, 1)


def test_records_of_another_program_are_refused():
    with pytest.raises(StateError, match="another program writes to this topic"):
        PieceStore().recover([(b"\xc1", b"")], "events[0]")


@pytest.mark.parametrize(("part", "piece"), [(0, 10), (20, 10)])
def test_limits_that_hold_nothing_are_refused(part: int, piece: int):
    with pytest.raises(ValueError, match="a piece is made of one or more parts"):
        StateLimits(part_bytes=part, piece_bytes=piece)


def test_pieces_that_were_recovered_share_their_names_and_times():
    topic: Topic = {}
    first = Owner(topic, 1)
    first.store.epoch += 1
    write(topic, first.store.entries([Piece(("window", model, 3_600_000, 1_700_000_000_000), 1, 0) for model in ("loans", "churn")]))
    write(topic, [first.store.manifest({"covered": 1})])
    one, other = (piece.key for piece in Owner(topic, 2).recovered.pieces)
    assert [mine is theirs for mine, theirs in zip(one, other, strict=True)] == [True, False, True, True]
