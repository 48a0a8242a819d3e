"""What may come of sending: it is delivered, it is to be tried again, or it never will be."""

from __future__ import annotations


class AwayError(Exception):
    """The receiver cannot be reached, or asks to come again later.

    Parameters
    ----------
    reason : without any secret.
    retry_after : seconds that the receiver asks for.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RefusedError(Exception):
    """The receiver will not take it, however often it is asked."""
