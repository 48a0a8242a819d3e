"""What a form makes: a request of HTTP, or a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Protocol

from streams.notify.desk import Batch, Grouping


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A POST. Address and headers may hold secrets, and are not in its text.

    Attributes
    ----------
    accepted : statuses by which the receiver says that it has it.
    """

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    accepted: frozenset[int] = frozenset(range(200, 300))


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message, and whom it goes to."""

    message: EmailMessage
    recipients: tuple[str, ...]


Request = HttpRequest | Mail


class Form(Protocol):
    """How one receiver is told."""

    grouping: Grouping
    takes_versions: bool  # whether it is told of promotions, rollbacks, canaries and what waits for a person
    takes_acknowledgements: bool  # whether it is told when somebody has acknowledged an open alert
    again_every: int | None  # milliseconds after which it is told again of all that is open; None: once is enough

    def requests(self, batch: Batch, now: int) -> Sequence[Request]:
        """What to send for a batch at a time (epoch milliseconds); nothing where the receiver need not be told."""
        ...


def authorization(token: str | None) -> dict[str, str]:
    """The header of a bearer token, if there is one."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def shortened(text: str, most: int) -> str:
    """At most so many characters; what is cut is shown to be.

    Examples
    --------
    >>> shortened("drift of age", 8)
    'drift o…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"
