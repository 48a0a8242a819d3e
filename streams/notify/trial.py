"""Trying a file, and a receiver of it, before anybody relies on them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from streams.notify.delivery import Delivery, sender_of, wall_clock
from streams.notify.desk import Batch
from streams.notify.forms import form_of
from streams.notify.outcome import AwayError, RefusedError
from streams.notify.sample import sample_batch, sample_notice
from streams.notify.settings import NotifySettings, parse_notify_settings, text_of
from streams.notify.values import Environment


def checked(file: Path, variables: Mapping[str, str]) -> tuple[NotifySettings, list[str]]:
    """Settings of a file, its templates tried; and the variables that it names and that are not set.

    Raises
    ------
    SettingsError
        If something is wrong with it.
    """
    environment = Environment(variables)
    settings = parse_notify_settings(text_of(file), str(file), environment)
    for name, receiver in settings.receivers.items():
        form_of(name, receiver, sample=sample_batch(settings.page_address))
    return settings, sorted(environment.missing)


def try_out(name: str, settings: NotifySettings) -> str | None:
    """Send a sample alert to a receiver and resolve it; why it was not taken, None where it was."""
    receiver = settings.receivers[name]
    form = form_of(name, receiver, sample=sample_batch(settings.page_address))
    delivery = Delivery(name=name, form=form, sender=sender_of(receiver), retry_at_most=settings.retry_at_most, stopping=threading.Event())
    at = wall_clock()
    try:
        for status in ("opened", "resolved"):
            delivery.send(Batch(notices=(sample_notice(status, at=at, page_address=settings.page_address),)))
    except (AwayError, RefusedError) as error:
        return str(error)
    finally:
        delivery.close()
    return None
