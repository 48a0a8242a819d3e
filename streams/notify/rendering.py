"""Messages from templates, in Jinja's sandbox: a template reads what a notice says, and reaches nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import resources
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from detectors.errors import SettingsError
from streams.notify.desk import Batch

logger = logging.getLogger(__name__)

ONE_LINE = 200
"""Characters of a title; a longer one is cut."""


class Renderer:
    """Renders the messages of one receiver.

    Parameters
    ----------
    title, text : templates of the operator; None for our own.
    escape : makes a value harmless in what is rendered, such as HTML; markup of the template itself stays.
    receiver : name, for messages about a template.
    sample : what a template is tried on, so that one with a fault is refused at the start.

    Raises
    ------
    SettingsError
        If a template cannot be read, or does not render the sample.
    """

    def __init__(self, *, title: str | None = None, text: str | None = None, escape: Callable[[str], str] | None = None, receiver: str = "", sample: Batch | None = None) -> None:
        self._escape = escape
        self._ours = {name: self._compiled(own(f"{name}.txt")) for name in ("title", "message")}
        self._own: dict[str, Any] = {}
        self._receiver = receiver
        for name, key, source in (("title", "title", title), ("message", "text", text)):
            if source is None:
                continue
            try:
                self._own[name] = self._compiled(source)
                if sample is not None:
                    self._own[name].render(_content(sample))
            except Exception as error:  # whatever the expressions of a template may raise
                raise SettingsError(f"receivers.{receiver}.{key}: the template cannot be rendered: {error}") from error

    def title(self, batch: Batch) -> str:
        """The first line."""
        line = " ".join(self._rendered("title", batch).split())
        return line if len(line) <= ONE_LINE else line[: ONE_LINE - 1] + "…"

    def text(self, batch: Batch) -> str:
        """The message."""
        return self._rendered("message", batch).strip()

    def _compiled(self, source: str) -> Any:
        escape = self._escape
        finalize = None if escape is None else (lambda value: escape(str(value)))
        return ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=finalize).from_string(source)

    def _rendered(self, name: str, batch: Batch) -> str:
        if name in self._own:
            try:
                return str(self._own[name].render(_content(batch)))
            except Exception as error:  # as above; an alert without what the template asks for must reach people all the same
                logger.warning("receiver '%s': its template cannot render this message, so ours does: %s", self._receiver, error)
        return str(self._ours[name].render(_content(batch)))


def html_page(batch: Batch, title: str) -> str:
    """Our message as a page of HTML, everything escaped."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True)
    return str(environment.from_string(own("message.html")).render({**_content(batch), "title": title}))


def own(name: str) -> str:
    """Text of one of our templates."""
    return resources.files("streams.notify").joinpath("templates", name).read_text(encoding="utf-8")


def _content(batch: Batch) -> dict[str, Any]:
    return {"notices": batch.notices, "held_back": batch.held_back}
