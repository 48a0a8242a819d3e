"""What each kind of receiver is sent: a file a kind, from notices to requests, without sending them.

A request that is made again of the same notice carries the same name, by which the receiver knows that it is one.
"""

from __future__ import annotations

from typing import assert_never

from streams.notify.desk import Batch
from streams.notify.forms.alertmanager import AlertmanagerForm
from streams.notify.forms.email import EmailForm
from streams.notify.forms.pagerduty import PagerDutyForm
from streams.notify.forms.request import Form
from streams.notify.forms.slack import SlackForm
from streams.notify.forms.webhook import WebhookForm
from streams.notify.settings import AlertmanagerReceiver, EmailReceiver, PagerDutyReceiver, Receiver, SlackReceiver, WebhookReceiver


def form_of(name: str, receiver: Receiver, *, sample: Batch) -> Form:
    """The form of a receiver.

    Parameters
    ----------
    name : of the receiver.
    sample : what its templates are tried on.

    Raises
    ------
    SettingsError
        If a template is wrong.
    """
    match receiver:
        case WebhookReceiver():
            return WebhookForm(receiver)
        case SlackReceiver():
            return SlackForm(name, receiver, sample)
        case AlertmanagerReceiver():
            return AlertmanagerForm(receiver)
        case PagerDutyReceiver():
            return PagerDutyForm(receiver)
        case EmailReceiver():
            return EmailForm(name, receiver, sample)
        case _:
            assert_never(receiver)
