"""A token bucket: how many messages a receiver may still be sent."""

from __future__ import annotations

from streams.notify.values import Rate


class TokenBucket:
    """Holds up to ``rate.count`` tokens, and gets as many in ``rate.duration``; a message takes one.

    In any span of that duration at most twice as many messages go out, and in the long run no more than the rate.

    Examples
    --------
    >>> bucket = TokenBucket(Rate(count=2, duration=60_000), now=0)
    >>> [bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(29_999), bucket.take(30_000)]
    [True, True, False, False, True]
    """

    def __init__(self, rate: Rate, *, now: int) -> None:
        self._rate = rate
        self._tokens = float(rate.count)
        self._at = now

    def whole(self, now: int) -> int:
        """Messages that may go out now."""
        # A clock that is set back gives nothing, and takes nothing.
        gained = max(0, now - self._at) * self._rate.count / self._rate.duration
        self._tokens, self._at = min(float(self._rate.count), self._tokens + gained), now
        return int(self._tokens + 1e-9)

    def take(self, now: int) -> bool:
        """Whether a message may go out; then its token is gone."""
        if self.whole(now) < 1:
            return False
        self._tokens -= 1
        return True
