"""How soon there is a training that no alert asks for: soon after one that was worth having. Pure.

A champion that was promoted while the world still moves is behind it from its first day on, and raises no alert: what it does then is taken for what it always does. So a
promotion earns challengers of the newest rows, and one of these that is promoted earns the next ones. Where none is proved to be better, the world stands still, and alerts are
waited for.

The pool of an adaptive champion asks as much of its members. One costs a training, and is worth it where the world has moved since the one before. The pool's weights tell: a
newcomer begins with half of all weight (`retrainer.trainers.adaptive_pool.JOINING`), and has more only by labels on which it was right and the others were not. No proof is asked
where an alert has told that the world changed: where it changed gradually, all members that the alert asked for learnt from both worlds, and one of what came after them follows.

That one, which nobody has asked for and no proof has earned, keeps a pace, a third of retraining every 500 labels: each training takes up `PACE` labels, but for those that a proof
has earned, and it waits until those of all but the last are over. So it comes later where the pool had been trained just before the alert, as by its wait. The alert's own members
wait for nothing.
"""

from __future__ import annotations

import msgspec

from detectors.settings.retraining import Retrain

SOON = 500
"""Labelled events after a cause at which a pool's next member joins where the last one was worth having, and its first one: a quarter of the usual window."""

AFTER = 1_000
"""Labelled events, predicted after a promotion, at which a challenger of the newest ones is trained: half of the usual window, as a challenger has to be judged, too."""

LATE = 4_000
"""Labelled events that a pool waits for at most: two of the usual windows. So much is spent on asking whether a world that stands still has moved."""

PACE = 1_500
"""Labelled events that a training takes up: three times those of a model that is retrained every 500. What waits for `LATE` keeps that pace by itself."""

PROOF = 0.6
"""Share of the weight at which a member was worth having."""

AFTER_AN_ALERT = (AFTER, 3 * AFTER)
"""Labelled events between the last member that an alert asked for and the next, and to the one after that, where it was worth having: the counts grow, as an alert's own do."""

WINDOWS = 2
"""Windows of new labels, after each of which a promotion earns one challenger more: a model of none of the newest rows should not be all that is judged."""


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the last training.

    Attributes
    ----------
    wait : labelled events after which a pool's next member joins without a proof, and the first pool is trained where a single champion serves.
    member : cause of the pool's last one, "" before the first.
    unasked : members since the last that an alert asked for; those that came before any alert count, too.
    proved : whether that was worth having; of a single champion, whether the last cause promoted it.
    since : from when on labels are new to it, epoch milliseconds.
    labels : labelled events of the model before the last training.
    taken : labelled events that the trainings so far take up from then on.
    """

    wait: int = LATE
    member: str = ""
    unasked: int = len(AFTER_AN_ALERT)
    proved: bool = False
    since: int = 0
    labels: int = 0
    taken: int = 0


def floor(cadence: Cadence, retrain: Retrain) -> int | None:
    """Labelled events since the last cause ended after which a training starts by itself; None for never.

    Examples
    --------
    >>> pool = Retrain(champion="adaptive")
    >>> floor(Cadence(), Retrain()), floor(Cadence(), pool), floor(Cadence(), Retrain(champion="adaptive", new_labels=900))
    (None, 4000, 900)
    >>> floor(Cadence(wait=LATE, member="labels-1"), pool), floor(Cadence(wait=LATE, member="labels-1", proved=True), pool)
    (4000, 500)
    >>> floor(Cadence(proved=True), Retrain())
    1000
    """
    if follows_up(cadence, retrain):
        return AFTER if retrain.new_labels is None else min(AFTER, retrain.new_labels)
    if not is_earned(retrain):
        return retrain.new_labels
    if cadence.proved:
        return soon(cadence)
    return max(soon(cadence), cadence.taken - PACE) if is_after_alert(cadence) else cadence.wait


def soon(cadence: Cadence) -> int:
    """Labelled events after which the next member joins where the last one was worth having."""
    return AFTER_AN_ALERT[cadence.unasked] if cadence.unasked < len(AFTER_AN_ALERT) else SOON


def is_after_alert(cadence: Cadence) -> bool:
    """Whether the pool's newest member is the last that an alert asked for; the next one learns from what came after it alone."""
    return cadence.unasked == 0


def follows_up(cadence: Cadence, retrain: Retrain) -> bool:
    """Whether the last cause of a single champion has earned the next one."""
    return cadence.proved and retrain.champion == "single" and retrain.follow_up and retrain.policy != "never"


def follow_up(retrain: Retrain) -> tuple[int, ...]:
    """Labelled events, predicted after a promotion, at which challengers of the newest rows are trained.

    Examples
    --------
    >>> follow_up(Retrain())
    (1000, 3000, 5000)
    """
    return tuple(AFTER + place * retrain.window for place in range(WINDOWS + 1))


def ended(cadence: Cadence, at: int, *, promoted: bool) -> Cadence:
    """After a cause of a single champion."""
    return msgspec.structs.replace(cadence, proved=promoted, since=at + 1)


def chosen(cadence: Cadence, retrain: Retrain) -> Cadence:
    """After somebody else, or a rollback, put a version in the place of a single champion: nothing is earned by that."""
    return msgspec.structs.replace(cadence, proved=False) if retrain.champion == "single" else cadence


def is_earned(retrain: Retrain) -> bool:
    """Whether members earn the next one: of a pool whose user has named no number, and has not left all to people."""
    return retrain.champion == "adaptive" and retrain.new_labels is None and retrain.policy != "never"


def trained(cadence: Cadence, labels: int, *, earned: bool = False) -> Cadence:
    """When a training begins, after so many labelled events of the model; what a proof has earned takes up none. No wait becomes longer than `LATE` by it.

    Examples
    --------
    >>> pool, cadence = Retrain(champion="adaptive"), Cadence()
    >>> for labels in (500, 4_600, 5_800):
    ...     cadence = asked(trained(cadence, labels), "a1")
    >>> floor(cadence, pool), floor(trained(trained(cadence, 5_800), 5_800), pool)
    (1000, 3300)
    """
    left = max(0, cadence.taken - (labels - cadence.labels))
    return msgspec.structs.replace(cadence, labels=labels, taken=left if earned else min(left + PACE, LATE + PACE))


def joined(cadence: Cadence, cause: str) -> Cadence:
    """After one more member: without a proof of the last one the wait doubles, and the first one has nothing to be proved by.

    Examples
    --------
    >>> cadence, waits = weighed(Cadence(), "first", 0.4), []
    >>> for place, proved in enumerate([False, False, True, False, False]):
    ...     cadence = msgspec.structs.replace(joined(cadence, f"labels-{place}"), proved=proved)
    ...     waits.append(floor(cadence, Retrain(champion="adaptive")))
    >>> waits
    [4000, 4000, 500, 500, 1000]
    """
    kept = cadence.wait if is_after_alert(cadence) else min(2 * cadence.wait, LATE)
    wait = SOON if cadence.proved else kept if cadence.member else LATE
    return msgspec.structs.replace(cadence, wait=wait, member=cause, proved=False, unasked=cadence.unasked + 1)


def asked(cadence: Cadence, cause: str) -> Cadence:
    """After one more member that an alert asked for.

    Examples
    --------
    >>> cadence, waits = asked(Cadence(), "a1"), []
    >>> for place in range(3):
    ...     proved = weighed(cadence, cadence.member, 0.7)
    ...     waits.append(floor(proved, Retrain(champion="adaptive")))
    ...     cadence = joined(proved, f"labels-{place}")
    >>> waits
    [1000, 3000, 500]
    """
    return msgspec.structs.replace(cadence, member=cause, proved=False, unasked=0)


def weighed(cadence: Cadence, member: str, weight: float) -> Cadence:
    """After labels that a pool learnt from: its first member is soon due, and the newest one, of a cause, may have been worth having."""
    if not cadence.member:
        return msgspec.structs.replace(cadence, wait=SOON)
    earned = member == cadence.member and weight >= PROOF and not is_after_alert(cadence)
    return msgspec.structs.replace(cadence, proved=True) if earned else cadence
