"""How far event time has come where no event tells: by the clock, since the newest record that told of both."""

from __future__ import annotations


class EventClock:
    """From the clock on the wall to the event time of models.

    Not for what decides about rows: these bring their own time.

    Examples
    --------
    An hour after the record of a canary, and then half an hour after a labelled row of a stream that goes at half the speed:

    >>> clock = EventClock()
    >>> clock.tell("loans", at=1_000_000, told_at=50_000_000)
    >>> clock.now("loans", 50_000_000 + 3_600_000)
    4600000
    >>> clock.tell("loans", at=2_800_000, told_at=53_600_000)
    >>> clock.now("loans", 53_600_000 + 1_800_000)
    4600000

    Of a model that nothing has told of there is no other time than that of the clock:

    >>> clock.now("churn", 53_600_000)
    53600000
    """

    def __init__(self) -> None:
        self._ahead: dict[str, int] = {}

    def tell(self, model: str, *, at: int, told_at: int) -> None:
        """The event time of a model was ``at`` when the clock said ``told_at``, both in epoch milliseconds."""
        self._ahead[model] = at - told_at

    def now(self, model: str, clock: int) -> int:
        """Event time of a model when the clock says ``clock``."""
        return clock + self._ahead.get(model, 0)
