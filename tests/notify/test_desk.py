"""What waits goes out in time, in groups, within its rate, and none of it is lost: hypothesis looks for the order in which it would be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.notify.desk import BEFORE_ALL, Desk, Grouping
from streams.notify.open_alerts import OpenAlerts
from streams.notify.rate_limit import TokenBucket
from streams.notify.values import Rate
from tests.notify.samples import notice

MINUTE = 60_000


def desk(grouping: Grouping = "incident", *, count: int = 20, group_wait: int = 5_000) -> Desk:
    return Desk(grouping=grouping, group_wait=group_wait, rate=Rate(count=count, duration=MINUTE), max_waiting=10, now=0)


def test_notices_of_one_incident_are_one_message_when_they_were_gathered() -> None:
    waiting = desk()
    waiting.add(notice("a1", incident="i"), partition=0, offset=3, now=0)
    waiting.add(notice("a2", incident="i"), partition=0, offset=4, now=4_000)
    waiting.add(notice("b1"), partition=1, offset=0, now=4_000)
    assert waiting.due(4_999) is None
    batch = waiting.due(5_000)
    assert batch is not None
    assert [one.alert_id for one in batch.notices] == ["a1", "a2"]
    assert (waiting.first_unsettled(0), waiting.first_unsettled(1), waiting.first_unsettled(2)) == (3, 0, None)
    waiting.settle()
    assert waiting.first_unsettled(0) is None


def test_an_alert_that_grew_or_ended_before_anybody_was_told_is_told_as_it_is_now() -> None:
    waiting = desk(group_wait=0)
    for sequence, status in enumerate(("opened", "updated")):
        waiting.add(notice("a1", sequence, status, incident="i"), partition=0, offset=sequence, now=0)
    for sequence, status in enumerate(("opened", "resolved")):
        waiting.add(notice("a2", sequence, status, incident="i"), partition=0, offset=2 + sequence, now=0)
    batch = waiting.due(0)
    assert batch is not None
    assert [(one.alert_id, one.sequence, one.status) for one in batch.notices] == [("a1", 1, "opened"), ("a2", 1, "resolved")]


def test_what_the_rate_holds_back_is_told_in_a_digest() -> None:
    waiting = desk(count=2, group_wait=0)
    for number in range(5):
        waiting.add(notice(f"a{number}"), partition=0, offset=number, now=0)
    first = waiting.due(0)
    waiting.settle()
    second = waiting.due(0)
    assert first is not None
    assert second is not None
    assert (len(first.notices), len(first.held_back), len(second.notices), len(second.held_back)) == (1, 0, 1, 3)
    waiting.settle()
    waiting.add(notice("b"), partition=0, offset=5, now=1)
    assert waiting.held(29_999) == 1
    assert waiting.due(29_999) is None
    assert waiting.due(30_000) is not None


def test_what_is_over_before_anybody_was_told_is_left_out_and_costs_no_message() -> None:
    waiting = desk("one", count=1)
    for offset, name in enumerate("ab"):
        waiting.add(notice(name), partition=0, offset=offset, now=0)
    waiting.discard(lambda one: one.alert_id == "a")
    assert waiting.first_unsettled(0) == 1
    batch = waiting.due(0)
    assert batch is not None
    assert [one.alert_id for one in batch.notices] == ["b"]
    waiting.discard(lambda _: True)
    assert waiting.first_unsettled(0) == 1, "what is under way is not settled before it is told"


def test_nothing_is_read_when_enough_waits_and_what_stands_for_the_past_holds_its_place() -> None:
    waiting = desk("one")
    waiting.add(notice("old"), partition=0, offset=BEFORE_ALL, now=0)
    for number in range(9):
        waiting.add(notice(f"a{number}"), partition=0, offset=number, now=0)
    assert waiting.is_full
    assert waiting.first_unsettled(0) == BEFORE_ALL
    waiting.drop(0)
    assert len(waiting) == 0


@given(st.lists(st.integers(0, 20_000), max_size=80), st.integers(1, 5))
def test_no_minute_sees_more_than_twice_the_rate_and_no_hour_much_more_than_it(pauses: list[int], count: int) -> None:
    bucket, now, taken = TokenBucket(Rate(count=count, duration=MINUTE), now=0), 0, []
    for pause in pauses:
        now += pause
        if bucket.take(now):
            taken.append(now)
    for at in taken:
        assert sum(at <= other < at + MINUTE for other in taken) <= 2 * count
    assert len(taken) <= count + now * count / MINUTE + 1e-6


@given(st.data())
def test_whatever_comes_when_everything_is_delivered_once_and_in_the_order_of_its_alert(data: st.DataObject) -> None:
    grouping = data.draw(st.sampled_from(["one", "incident", "all"]))
    waiting = desk(grouping, count=data.draw(st.integers(1, 3)), group_wait=data.draw(st.sampled_from([0, 5_000])))
    sequences: dict[str, int] = {}
    delivered: list[tuple[str, int]] = []
    now = offset = 0
    for _ in range(data.draw(st.integers(0, 25))):
        now += data.draw(st.integers(0, 30_000))
        if data.draw(st.booleans()):
            name = data.draw(st.sampled_from("abc"))
            sequences[name] = sequences.get(name, -1) + 1
            waiting.add(notice(name, sequences[name], "updated"), partition=0, offset=offset, now=now)
            offset += 1
        elif (batch := waiting.due(now)) is not None:
            delivered += [(one.alert_id, one.sequence) for one in (*batch.notices, *batch.held_back)]
            waiting.settle()
    while len(waiting):
        now += MINUTE
        batch = waiting.due(now)
        assert batch is not None
        delivered += [(one.alert_id, one.sequence) for one in (*batch.notices, *batch.held_back)]
        waiting.settle()
    assert waiting.first_unsettled(0) is None
    assert len(delivered) == len(set(delivered))
    for name, last in sequences.items():
        told = [sequence for alert_id, sequence in delivered if alert_id == name]
        assert told == sorted(told)
        assert told[-1] == last, "the newest is told"


def test_what_an_alert_was_called_is_remembered_until_it_is_called_so_again() -> None:
    alerts = OpenAlerts(10, max_resolved=100)
    calls = [("updated", "critical", ""), ("updated", "warning", ""), ("updated", "critical", "ada"), ("resolved", "warning", "")]
    told = [alerts.take(notice("a1", number, status, severity=severity, owner=owner)) for number, (status, severity, owner) in enumerate(calls)]
    formerly = [[(former.severity, former.owner) for former in one.formerly] for one in told if one is not None]
    assert formerly == [[], [("critical", "")], [("critical", ""), ("warning", "")], [("critical", ""), ("critical", "ada")]]


LIVES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["opened", "updated", "resolved"])), max_size=30)


@given(LIVES, st.data())
def test_records_that_are_read_again_change_nothing(life: list[tuple[str, str]], data: st.DataObject) -> None:
    records = [notice(name, sum(other == name for other, _ in life[:place]), status) for place, (name, status) in enumerate(life)]
    once, again = OpenAlerts(100, max_resolved=100), OpenAlerts(100, max_resolved=100)
    told = [one for record in records if (one := once.take(record)) is not None]
    assert len(told) == len(records)
    repeated = []
    for place, record in enumerate(records):
        repeated += [record, *data.draw(st.lists(st.sampled_from(records[: place + 1]), max_size=2))]
    told_again = [one for record in repeated if (one := again.take(record)) is not None]
    assert told_again == told
    assert again.notices == once.notices


def test_an_incident_is_over_with_the_last_of_its_alerts() -> None:
    alerts = OpenAlerts(100, max_resolved=100)
    alerts.take(notice("a", 0, incident="a"))
    alerts.take(notice("b", 0, incident="a"))
    first, last = alerts.take(notice("a", 1, "resolved", incident="a")), alerts.take(notice("b", 1, "resolved", incident="a"))
    assert first is not None
    assert last is not None
    assert (first.open_beside, last.open_beside) == (1, 0)
    again = alerts.take(notice("b", 2, "updated", incident="a"))
    assert again is not None
    assert again.status == "opened again"


def test_of_more_open_alerts_than_the_bound_the_oldest_is_forgotten() -> None:
    alerts = OpenAlerts(2, max_resolved=100)
    for name in "abc":
        alerts.take(notice(name))
    assert ([one.alert_id for one in alerts.notices], alerts.forgotten) == (["b", "c"], 1)


def test_of_more_resolved_alerts_than_the_bound_the_oldest_would_be_told_again() -> None:
    alerts = OpenAlerts(10, max_resolved=2)
    for name in "abc":
        alerts.take(notice(name))
        alerts.take(notice(name, 1, "resolved"))
    assert [alerts.take(notice(name, 1, "resolved")) is None for name in "cba"] == [True, True, False]
