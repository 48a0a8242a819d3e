"""A channel of Slack, by an incoming webhook: blocks, and a text for notifications and screen readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from streams.notify.desk import Batch, Grouping
from streams.notify.forms.request import HttpRequest, shortened
from streams.notify.notice import Notice
from streams.notify.rendering import Renderer
from streams.notify.settings import SlackReceiver

MOST_BLOCKS = 50
MOST_HEADER = 150
MOST_SECTION = 3_000
_HELD_BACK = 20


def escaped(text: str) -> str:
    """Text that is no markup of Slack: no mention, no link.

    Examples
    --------
    >>> escaped("<!channel> & all")
    '&lt;!channel&gt; &amp; all'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackForm:
    """One message for the notices of an incident, and for what the rate limit held back."""

    grouping: Grouping = "incident"
    takes_versions = True
    takes_acknowledgements = False
    again_every: int | None = None

    def __init__(self, name: str, receiver: SlackReceiver, sample: Batch) -> None:
        self._url = receiver.url.get_secret_value()
        self._plain = Renderer(title=receiver.title, receiver=name, sample=sample)
        self._text = None if receiver.text is None else Renderer(text=receiver.text, escape=escaped, receiver=name, sample=sample)

    def requests(self, batch: Batch, now: int) -> Sequence[HttpRequest]:  # noqa: ARG002  a message of Slack has no time of its own
        """One message."""
        title = self._plain.title(batch)
        body = {"text": escaped(title), "blocks": [_header(title), *(self._written(batch) if self._text is not None else _blocks(batch))][:MOST_BLOCKS]}
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return [HttpRequest(url=self._url, body=msgspec.json.encode(body), headers=headers, accepted=frozenset({200}))]

    def _written(self, batch: Batch) -> list[dict[str, Any]]:
        assert self._text is not None  # noqa: S101  asked before
        return [_section(self._text.text(batch))]


def _blocks(batch: Batch) -> Iterator[dict[str, Any]]:
    for notice in batch.notices:
        yield from _of_notice(notice)
    if batch.held_back:
        lines = [f"• {escaped(notice.status)}: {escaped(notice.summary)}" for notice in batch.held_back[:_HELD_BACK]]
        if len(batch.held_back) > _HELD_BACK:
            lines.append(f"• and {len(batch.held_back) - _HELD_BACK} more; `driftwarden alerts` prints them all")
        yield {"type": "divider"}
        yield _section("\n".join([f"*And {len(batch.held_back)} more*, which the rate limit held back:", *lines]))


def _of_notice(notice: Notice) -> Iterator[dict[str, Any]]:
    yield _section(f"*{escaped(notice.summary)}*")
    if notice.acknowledged is not None:
        note = f": {notice.acknowledged.note}" if notice.acknowledged.note else ""
        yield _section(escaped(f"{notice.acknowledged.by} has acknowledged it, as a change that is meant to stay{note}."))
    fields = [("Model", notice.model), ("Version", notice.version), ("Severity", notice.severity), ("Since", notice.since), ("Owner", notice.owner), ("By", notice.by)]
    told = [{"type": "mrkdwn", "text": f"*{name}*\n{escaped(shortened(value, 1_500))}"} for name, value in fields if value]
    yield {"type": "section", "fields": told}
    if notice.status != "resolved":
        for finding in notice.findings:
            yield _section("\n".join([f"*{escaped(finding.monitor)}*: {escaped(finding.changed)}", *(f"• {escaped(sentence)}" for sentence in finding.surely)]))
        if notice.more_findings:
            yield _section(f"and {notice.more_findings} more monitors")
    if notice.causes:
        yield _section("\n".join(["*What else happened*", *(f"• {escaped(cause)}" for cause in notice.causes)]))
    lines = [f"{action.label}: `{escaped(action.command)}`" for action in notice.actions]
    if notice.link:
        lines.append(f"<{notice.link}|Look at it>")
    if lines:
        yield _section("\n".join(lines))


def _header(title: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": shortened(title, MOST_HEADER)}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": shortened(text or "–", MOST_SECTION)}}
