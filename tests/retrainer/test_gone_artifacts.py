"""Artifacts that somebody changed or cleared away: what needs them says so, and what does not need them goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from retrainer.loop import RetrainLoop
from retrainer.registry import DigestError, GoneError
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Model
from retrainer.versions import Version
from tests.retrainer.closed_loop import CHANGE, TRAINER, feed, run, versions
from tests.retrainer.concepts import specification, stream


@pytest.fixture
def judging(tmp_path: Path, first: list[Version], model: Model) -> RetrainLoop:
    """A loop whose challenger, version 2, is on trial; version 1 is in its registry, too."""
    registry = FilesRegistry(tmp_path)
    registry.register(model.artifact(), first[0])
    loop = RetrainLoop(specification(refresh=[200]), TRAINER, registry, records=first)
    run(loop, stream([(CHANGE, "old"), (260, "new")], model))
    assert loop.state.open == ("2",)
    return loop


def lose(folder: Path, version: str, *, changed: bool) -> None:
    """Change a version's artifact, or clear the version away."""
    (file,) = (folder / "loans" / "versions" / version).rglob("model.skops")
    if changed:
        file.write_bytes(b"changed")
    else:
        shutil.rmtree(folder / "loans" / "versions" / version)


def taken_up(loop: RetrainLoop, folder: Path, *, saved: bool, chosen: tuple[Version, ...] = ()) -> RetrainLoop:
    """The loop after a restart, from its state or from what was announced."""
    again = RetrainLoop(specification(refresh=[200]), TRAINER, FilesRegistry(folder), records=[*loop.records, *chosen])
    if saved:
        assert versions(again.resume(loop.save(), [])) == [("2", "rejected") for _ in chosen]
    return again


@pytest.mark.parametrize("changed", [True, False], ids=["changed", "gone"])
@pytest.mark.parametrize("saved", [True, False], ids=["from its state", "from what was announced"])
def test_a_challenger_that_is_lost_is_asked_for_until_a_person_has_chosen_another_champion(judging: RetrainLoop, model: Model, tmp_path: Path, saved: bool, changed: bool) -> None:
    lose(tmp_path, "2", changed=changed)
    later = stream([(CHANGE, "old"), (600, "new")], model)
    with pytest.raises(DigestError if changed else GoneError, match="Put "):
        feed(taken_up(judging, tmp_path, saved=saved), later)
    chosen = Version(model="loans", version="9", status="promoted", at=0, by="ada")
    loop = taken_up(judging, tmp_path, saved=saved, chosen=(chosen,))
    assert versions(feed(loop, later)) == []
    assert (loop.state.champion, loop.state.open) == ("9", ())


@pytest.mark.parametrize("changed", [True, False], ids=["changed", "gone"])
def test_a_former_champion_that_is_lost_is_watched_no_longer_after_a_restart(judging: RetrainLoop, model: Model, tmp_path: Path, changed: bool) -> None:
    feed(judging, stream([(CHANGE, "old"), (1_400, "new")], model))
    assert (judging.state.champion, [one.version for one in judging.save().trials]) == ("2", ["1"])
    lose(tmp_path, "1", changed=changed)
    again = taken_up(judging, tmp_path, saved=True)
    assert versions(feed(again, stream([(CHANGE, "old"), (1_500, "new")], model))) == []
    assert again.save().trials == ()
