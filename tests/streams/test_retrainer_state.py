"""What the retrainer keeps on its state topic."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import SettingsError
from detectors.settings.retraining import Gate
from retrainer.cadence import Cadence
from retrainer.gate import GateState, step
from retrainer.saved import FORMAT, SavedLoop
from retrainer.stage import State
from streams.retrainer_state import KeptRows, SavedModel, SavedRetraining, encode_model, encode_positions


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=120))
def test_from_the_first_record_that_is_kept_on_there_are_always_rows_enough(records: list[tuple[int, int]]) -> None:
    kept = KeptRows(100)
    taken: list[tuple[int, int, int]] = []
    for place, (partition, rows) in enumerate(records):
        kept.add(partition, place, rows)
        taken.append((partition, place, rows))
        first = kept.first()
        needed = {(partition, place) for partition, place, _ in _newest(taken, 100)}
        assert all(first[partition] <= place for partition, place in needed)
        again = KeptRows(100, kept.pieces)
        assert again.first() == first
    assert len(kept.pieces) <= 20 + 2


def _newest(taken: list[tuple[int, int, int]], rows: int) -> list[tuple[int, int, int]]:
    """The fewest latest records that hold so many rows."""
    total = 0
    for start in range(len(taken) - 1, -1, -1):
        total += taken[start][2]
        if total >= rows:
            return taken[start:]
    return taken


def test_a_later_record_of_a_model_replaces_the_earlier_and_another_format_is_refused() -> None:
    saved = SavedRetraining()
    for clock in (1, 2):
        loop = SavedLoop(state=State(model="churn"), trials=(), sequences={"a1": 3}, clock=clock, idle=0, counted=0)
        saved.take(*encode_model(SavedModel(model="churn", loop=loop, kept=((((0, 5),), 9),))))
    saved.take(*encode_positions({("alerts", 1): 7, ("alerts", 0): 6}))
    assert saved.models["churn"].loop.clock == 2
    assert saved.positions == {("alerts", 0): 6, ("alerts", 1): 7}
    key, value = encode_model(saved.models["churn"])
    content = msgspec.msgpack.decode(value)
    content["loop"]["format"] = 1
    with pytest.raises(SettingsError, match="written in format 1, this release reads 3"):
        saved.take(key, msgspec.msgpack.encode(content))


def test_a_state_of_a_release_that_counted_no_trainings_is_read_as_one_without_any() -> None:
    loop = SavedLoop(state=State(model="churn", cadence=Cadence(wait=500, member="labels-1", unasked=3)), trials=(), sequences={}, clock=1, idle=7, counted=0)
    key, value = encode_model(SavedModel(model="churn", loop=loop, kept=()))
    content = msgspec.msgpack.decode(value)
    del content["loop"]["labels"], content["loop"]["state"]["cadence"]["labels"], content["loop"]["state"]["cadence"]["taken"]
    saved = SavedRetraining()
    saved.take(key, msgspec.msgpack.encode(content))
    assert saved.models["churn"].loop == loop


def test_what_a_trial_remembers_is_laid_out_as_the_format_says() -> None:
    state, _ = step(GateState(), np.ones(200), np.zeros(200), gate=Gate())
    assert (FORMAT, np.shape(state.filters)) == (3, (6, 4)), "laid out otherwise it needs another format or another name, or a trial that was saved could not go on"
