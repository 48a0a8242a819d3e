"""Mail as plain text and HTML; those of one incident are one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from streams.notify.desk import Batch, Grouping
from streams.notify.forms.request import Mail
from streams.notify.rendering import Renderer, html_page
from streams.notify.settings import EmailReceiver

_DOMAIN = "driftwarden.invalid"  # RFC 2606: nobody's; a Message-ID needs one


class EmailForm:
    """One mail for the notices of an incident, and for what the rate limit held back."""

    grouping: Grouping = "incident"
    takes_versions = True
    takes_acknowledgements = False
    again_every: int | None = None

    def __init__(self, name: str, receiver: EmailReceiver, sample: Batch) -> None:
        self._receiver = receiver
        self._renderer = Renderer(title=receiver.title, text=receiver.text, receiver=name, sample=sample)

    def requests(self, batch: Batch, now: int) -> Sequence[Mail]:
        """One mail."""
        message = EmailMessage()
        title = self._renderer.title(batch)
        message["Subject"] = title
        message["From"] = self._receiver.sender
        message["To"] = ", ".join(self._receiver.to)
        message["Date"] = format_datetime(datetime.fromtimestamp(now / 1_000, UTC))
        message["Message-ID"] = _identity("\n".join(notice.name for notice in batch.notices))
        thread = _identity(f"incident {batch.notices[0].incident}")
        message["In-Reply-To"] = thread
        message["References"] = thread
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no replies of machines
        message.set_content(self._renderer.text(batch) + "\n")
        if self._receiver.text is None:  # what the operator wrote is not said twice in our words
            message.add_alternative(html_page(batch, title), subtype="html")
        return [Mail(message=message, recipients=self._receiver.to)]


def _identity(text: str) -> str:
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:32]}@{_DOMAIN}>"
