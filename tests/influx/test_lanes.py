"""Requests go out beside each other, and no point overtakes another of its series."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import as_completed

from hypothesis import given
from hypothesis import strategies as st

from streams.influx.lanes import Lanes
from streams.influx.lines import Told
from tests.waiting import PATIENCE


def told(series: int, value: int) -> Told:
    return Told(b"s%d" % series, b"0", b"s%d n=%d 0" % (series, value), final=False)


@given(st.lists(st.lists(st.integers(0, 9), max_size=20), max_size=6), st.integers(1, 4))
def test_the_points_of_a_series_are_written_in_the_order_in_which_they_were_sent(rounds: list[list[int]], number: int) -> None:
    written: list[bytes] = []

    def write(lines: Sequence[bytes]) -> bool:
        written.extend(lines)
        return True

    lanes, sent = Lanes(number, write), []
    for place, series in enumerate(rounds):
        points = [told(one, place) for one in series]
        sent += [point.line for point in points]
        lanes.send(points)
    lanes.close()
    assert sorted(written) == sorted(sent)
    for one in range(10):
        mine = b"s%d " % one
        assert [line for line in written if line.startswith(mine)] == [line for line in sent if line.startswith(mine)]


def test_a_lane_that_waits_holds_up_no_other_but_what_is_behind_it() -> None:
    free = threading.Event()
    written: list[bytes] = []

    def write(lines: Sequence[bytes]) -> bool:
        if b"s0 n=0 0" in lines:
            free.wait(PATIENCE)
        written.extend(lines)
        return True

    lanes = Lanes(2, write)
    other = next(number for number in range(1, 1_000) if hash(b"s%d" % number) % 2 != hash(b"s0") % 2)
    first, beside = lanes.send([told(0, 0)]), lanes.send([told(other, 0), told(0, 1)])
    assert next(as_completed(beside, 30)).result()
    assert written == [b"s%d n=0 0" % other]
    free.set()
    assert first[0].result(30)
    lanes.close()
    assert written == [b"s%d n=0 0" % other, b"s0 n=0 0", b"s0 n=1 0"]
