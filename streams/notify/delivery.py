"""A batch to its receiver: asked again while that is away, given up where it refuses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from streams.notify.desk import Batch
from streams.notify.forms.request import Form
from streams.notify.http_sender import HttpSender
from streams.notify.outcome import AwayError, RefusedError
from streams.notify.settings import EmailReceiver, Receiver, SlackReceiver
from streams.notify.smtp_sender import SmtpSender

logger = logging.getLogger(__name__)

LONGEST_ASKED = 3_600.0
"""Seconds: of a ``Retry-After`` beyond an hour no notification is left to be on time."""


class Sender(Protocol):
    """Sends one kind of request."""

    def send(self, request: Any) -> None:
        """Send; AwayError or RefusedError where it is not delivered."""
        ...

    def close(self) -> None:
        """Its connections."""
        ...


def sender_of(receiver: Receiver) -> Sender:
    """What sends to a receiver."""
    if isinstance(receiver, EmailReceiver):
        return SmtpSender(receiver)
    return HttpSender(None if isinstance(receiver, SlackReceiver) else receiver.ca_file)


def wall_clock() -> int:
    """Now, epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Delivery:
    """Delivers batches to one receiver.

    Parameters
    ----------
    name : of the receiver, for messages.
    form, sender : what it is sent, and by what.
    retry_at_most : longest pause between two tries, milliseconds.
    stopping : ends the waiting for a receiver that is away.

    Attributes
    ----------
    sent, refused : requests that the receiver has taken, and that it refused for good.
    is_away : whether it could not be reached at the last try, or asked to come again later.
    """

    def __init__(self, *, name: str, form: Form, sender: Sender, retry_at_most: int, stopping: threading.Event, clock: Callable[[], int] = wall_clock) -> None:
        self._name = name
        self._form = form
        self._sender = sender
        self._longest = retry_at_most / 1_000
        self._stopping = stopping
        self._clock = clock
        self.sent = 0
        self.refused = 0
        self.is_away = False

    def deliver(self, batch: Batch) -> bool:
        """Whether nothing is left to do for a batch: it was delivered, or refused for good. False where this process was told to stop before."""
        asking = Retrying(
            retry=retry_if_exception_type(AwayError), wait=self._pause, sleep=self._wait, stop=lambda _: self._stopping.is_set(), before_sleep=self._say, reraise=True
        )
        try:
            asking(self.send, batch)
        except AwayError:
            return False
        except RefusedError as error:
            self.refused += 1
            names = ", ".join(notice.name for notice in (*batch.notices, *batch.held_back))
            logger.error("receiver '%s' refused a message for good, which is left out: %s; it was of: %s", self._name, error, names)  # noqa: TRY400  the story is the message
        return True

    def deliver_once(self, batch: Batch) -> bool:
        """As `deliver`, without a second try: for what will be said again anyway."""
        try:
            self.send(batch)
        except (AwayError, RefusedError) as error:
            logger.warning("receiver '%s' was not told again of what is open; it is tried at the next time: %s", self._name, error)
        return True

    def send(self, batch: Batch) -> None:
        """All requests of a batch, once each.

        Raises
        ------
        AwayError, RefusedError
            At the first that is not delivered.
        """
        try:
            for request in self._form.requests(batch, self._clock()):
                self._sender.send(request)
                self.sent += 1
        except AwayError:
            self.is_away = True
            raise
        except RefusedError:
            self.is_away = False
            raise
        self.is_away = False

    def close(self) -> None:
        """Its connections."""
        self._sender.close()

    def _wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, AwayError) else None
        return min(asked, LONGEST_ASKED) if asked is not None else float(wait_exponential_jitter(multiplier=0.5, max=self._longest)(state))

    def _say(self, state: RetryCallState) -> None:
        if state.outcome and state.next_action:
            story = "receiver '%s' is away (%s); next try in %.1f s; nothing is lost, Kafka holds what comes"
            logger.warning(story, self._name, state.outcome.exception(), state.next_action.sleep)
