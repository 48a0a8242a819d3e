"""``notify.yaml``: who is told of what, and how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from detectors.alerts.alert import Severity
from detectors.duration import format_duration, parse_duration
from detectors.errors import SettingsError
from detectors.profile import Frozen
from detectors.verdict import AlertKind
from streams.notify.values import Address, BaseAddress, Environment, Pause, Rate, RateLimit, Secret, SecretAddress, Text
from streams.settings_file import parse_settings

NoticeKind = Literal[AlertKind, "promotion", "rollback", "canary", "approval"]
NoticeSeverity = Literal[Severity, "info"]

MOST_BETWEEN_POSTS = parse_duration("2m")
"""An alert that is not posted again is taken for over by Alertmanager: at the end that the last post named, see `streams.notify.forms.alertmanager`."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], BeforeValidator(_listed), Field(min_length=1)]


class _Receiver(Frozen):
    """What all receivers have."""

    rate_limit: RateLimit = Field(default=Rate(count=20, duration=60_000), description="most messages; those beyond it wait, and people get them as one digest")
    send_updated: bool = Field(default=True, description="whether it is told when an open alert grows; when one is opened again it always is")
    send_resolved: bool = Field(default=True, description="whether it is told when an alert is over")


class _ForPeople(_Receiver):
    """Receivers whose messages people read as they are."""

    title: str | None = Field(default=None, description="template of the first line; default: our own")
    text: str | None = Field(default=None, description="template of the message; default: our own")


class WebhookReceiver(_Receiver):
    """A program: CloudEvents 1.0 as structured JSON, signed by the convention of Standard Webhooks."""

    type: Literal["webhook"]
    url: Address
    secret: Secret = Field(description="that the receiver knows, too: whsec_ and base64, or any text of 24 characters or more")
    bearer: Secret | None = Field(default=None, description="token of the header Authorization")
    ca_file: Path | None = Field(default=None, description="certificates to trust; default: the system's")

    @field_validator("secret")
    @classmethod
    def _secret_is_long(cls, secret: Any) -> Any:
        if len(secret.get_secret_value()) < 24 and secret.get_secret_value() != "not-set.invalid":
            raise ValueError("the secret is shorter than 24 characters, and could be guessed; make one with: openssl rand -base64 32")
        return secret


class SlackReceiver(_ForPeople):
    """A channel of Slack, by an incoming webhook, whose address is a secret."""

    type: Literal["slack"]
    url: SecretAddress


class AlertmanagerReceiver(_Receiver):
    """Alertmanager's API v2: alerts as they open and close; it routes, groups and silences."""

    type: Literal["alertmanager"]
    url: BaseAddress
    resend_every: Pause = Field(default=60_000, ge=1_000, le=MOST_BETWEEN_POSTS, description="pause between two posts of what is open")
    labels: dict[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], Text] = Field(
        default_factory=dict, description="that every alert gets, such as cluster: eu"
    )
    bearer: Secret | None = Field(default=None, description="token of the header Authorization")
    ca_file: Path | None = Field(default=None, description="certificates to trust; default: the system's")


class PagerDutyReceiver(_Receiver):
    """PagerDuty's Events API v2: an incident a page; what is told of versions as change events."""

    type: Literal["pagerduty"]
    routing_key: Secret
    url: BaseAddress = Field(default="https://events.pagerduty.com", description="https://events.eu.pagerduty.com for accounts in the European region")
    ca_file: Path | None = Field(default=None, description="certificates to trust; default: the system's")


class EmailReceiver(_ForPeople):
    """Mail by a server of SMTP, as plain text and HTML."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["email"]
    host: Text
    port: int = Field(default=587, gt=0, lt=65_536)
    encryption: Literal["starttls", "tls", "none"] = Field(default="starttls", description="starttls as on port 587, tls as on 465")
    username: Text | None = None
    password: Secret | None = None
    sender: Text = Field(alias="from", min_length=3)
    to: Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1)]
    ca_file: Path | None = Field(default=None, description="certificates to trust; default: the system's")

    @model_validator(mode="after")
    def _identity_is_complete_and_hidden(self) -> EmailReceiver:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together; give both or neither")
        if self.password is not None and self.encryption == "none":
            raise ValueError("password would be readable by everybody on the way: encryption is none; set it to starttls or tls")
        return self


Receiver = WebhookReceiver | SlackReceiver | AlertmanagerReceiver | PagerDutyReceiver | EmailReceiver


class Route(Frozen):
    """Which notices go where. What is left out matches everything; patterns are those of a shell: ``churn-*``."""

    model_config = ConfigDict(populate_by_name=True)

    receiver: Patterns
    model: Patterns | None = None
    severity: Annotated[tuple[NoticeSeverity, ...], BeforeValidator(_listed), Field(min_length=1)] | None = None
    kind: Annotated[tuple[NoticeKind, ...], BeforeValidator(_listed), Field(min_length=1)] | None = None
    owner: Patterns | None = None
    goes_on: bool = Field(default=False, alias="continue", description="whether later routes are asked as well")


class NotifySettings(Frozen):
    """All of ``notify.yaml``."""

    receivers: dict[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,100}$")], Annotated[Receiver, Field(discriminator="type")]] = Field(min_length=1)
    routes: tuple[Route, ...] = Field(min_length=1)
    page_address: BaseAddress | None = Field(default=None, description="of the live page, as people reach it; messages link to it")
    group: str = Field(default="driftwarden-notify", min_length=1, description="first part of the consumer groups, one a receiver, behind the topic prefix")
    group_wait: Pause = Field(default=5_000, ge=0, description="how long what belongs to one incident is gathered, before people are told in one message")
    max_waiting: int = Field(default=500, gt=0, description="notices that wait for a receiver; with more, nothing further is read for it")
    max_open: int = Field(default=10_000, gt=0, description="open alerts that are remembered for a receiver, the newest")
    max_remembered: int = Field(  # records of a partition that are read again after a crash are far fewer
        default=10_000, gt=0, description="resolved alerts, and what was told of versions, that are known of a partition, the newest, so that none is told twice"
    )
    retry_at_most: Pause = Field(default=30_000, gt=0, description="longest pause between two tries while a receiver is away")

    @model_validator(mode="after")
    def _routes_and_receivers_know_each_other(self) -> NotifySettings:
        for place, route in enumerate(self.routes):
            strange = [name for name in route.receiver if name not in self.receivers]
            if strange:
                raise ValueError(f"routes.{place}.receiver names {strange[0]!r}, which is no receiver; there are: {', '.join(self.receivers)}")
        routed = {name for route in self.routes for name in route.receiver}
        idle = [name for name in self.receivers if name not in routed]
        if idle:
            raise ValueError(f"receivers.{idle[0]}: no route leads to it, so it would never be told anything; name it in a route, or leave it out")
        return self


KINDS: tuple[str, ...] = get_args(NoticeKind)
SEVERITIES: tuple[str, ...] = get_args(NoticeSeverity)


def parse_notify_settings(text: str, source: str, environment: Environment) -> NotifySettings:
    """Settings from the text of a file; variables that it names and that are not set are in ``environment.missing`` afterwards.

    Raises
    ------
    SettingsError
        If the text says what cannot be meant, with the lines.
    """
    return parse_settings(text, source, NotifySettings, least="`receivers` and `routes`", context=environment)


def load_notify_settings(path: Path, variables: Mapping[str, str]) -> NotifySettings:
    """Settings from a file, with all variables that it names.

    Raises
    ------
    SettingsError
        If it cannot be read, says what cannot be meant, or names variables that are not set.
    """
    environment = Environment(variables)
    settings = parse_notify_settings(text_of(path), str(path), environment)
    if environment.missing:
        raise SettingsError(f"{path}: these variables of the environment are named, and not set: {', '.join(sorted(environment.missing))}")
    return settings


def text_of(path: Path) -> str:
    """Text of a file of settings."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}; docs/notifications.md has an example") from error


def in_words(settings: NotifySettings) -> list[str]:
    """One line for each receiver: what it is, and how much it may be told.

    Examples
    --------
    >>> text = "receivers: {mail: {type: email, host: localhost, from: a@example.com, to: b@example.com}}" + chr(10) + "routes: [{receiver: mail}]"
    >>> in_words(parse_notify_settings(text, "notify.yaml", Environment({})))
    ['mail: email, at most 20 per 1m']
    """
    lines = []
    for name, receiver in settings.receivers.items():
        again = f", posted again every {format_duration(receiver.resend_every)}" if isinstance(receiver, AlertmanagerReceiver) else ""
        lines.append(f"{name}: {receiver.type}, at most {receiver.rate_limit}{again}")
    return lines
