"""Mail by SMTP: encrypted unless the operator says otherwise, to the server of the operator's file."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from contextlib import suppress

from streams.notify.forms.request import Mail
from streams.notify.outcome import AwayError, RefusedError
from streams.notify.settings import EmailReceiver

logger = logging.getLogger(__name__)

SECONDS = 20.0


class SmtpSender:
    """Sends mail by one server; a connection a mail, since they are few.

    Parameters
    ----------
    receiver : its address, and who we are there.
    """

    def __init__(self, receiver: EmailReceiver) -> None:
        self._receiver = receiver
        self._context = ssl.create_default_context(cafile=None if receiver.ca_file is None else str(receiver.ca_file))

    def send(self, mail: Mail) -> None:
        """Send to all recipients.

        Raises
        ------
        AwayError
            If the server cannot be reached, does not encrypt, or answers 4xx: later.
        RefusedError
            If it answers 5xx: never.
        """
        where = f"{self._receiver.host}:{self._receiver.port}"
        try:
            server = self._connected()
            try:
                refused = server.send_message(mail.message, to_addrs=list(mail.recipients))
            finally:
                with suppress(smtplib.SMTPException, OSError):  # the mail is accepted, or its fate told already
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            told = f"{where} refused every recipient: {_reasons(error.recipients)}"
            raise (RefusedError if all(code >= 500 for code, _ in error.recipients.values()) else AwayError)(told) from None
        except smtplib.SMTPAuthenticationError as error:  # refuses us, and not the mail
            raise AwayError(f"{where} answered {error.smtp_code} {_text(error.smtp_error)!r}; check username and password") from None
        except smtplib.SMTPResponseException as error:
            told = f"{where} answered {error.smtp_code} {_text(error.smtp_error)!r}"
            raise (RefusedError if error.smtp_code >= 500 else AwayError)(told) from None
        except (smtplib.SMTPException, OSError) as error:
            raise AwayError(f"{where}: {type(error).__name__}: {error}") from None
        if refused:
            logger.error("%s took the mail, but not for all recipients: %s", where, _reasons(refused))

    def close(self) -> None:
        """Nothing is kept."""

    def _connected(self) -> smtplib.SMTP:
        receiver = self._receiver
        name = socket.gethostname()
        if receiver.encryption == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(receiver.host, receiver.port, local_hostname=name, timeout=SECONDS, context=self._context)
        else:
            server = smtplib.SMTP(receiver.host, receiver.port, local_hostname=name, timeout=SECONDS)
        try:
            if receiver.encryption == "starttls":
                server.starttls(context=self._context)  # SMTPNotSupportedError where a server, or whoever is in between, does not offer it: nothing goes out in the clear
            if receiver.username is not None and receiver.password is not None:
                server.login(receiver.username, receiver.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server


def _reasons(recipients: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{name}: {code} {_text(reason)!r}" for name, (code, reason) in list(recipients.items())[:5])


def _text(reason: bytes | str) -> str:
    return (reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason)[:300]
