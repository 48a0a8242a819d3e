"""Requests of HTTP to the addresses of the operator's file, and nowhere else: redirects are not followed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry, Timeout

from streams.notify.forms.request import HttpRequest
from streams.notify.outcome import AwayError, RefusedError

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
SHOWN_BYTES = 300
"""Of an answer that refuses: its reason, and not a page."""

_COME_AGAIN = frozenset({401, 403, 404, 408, 425, 429})  # the first three refuse us, or our address, and not the message: somebody has to mend that first


class HttpSender:
    """Posts to one receiver.

    Parameters
    ----------
    ca_file : certificates to trust; None: the system's.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._pool = urllib3.PoolManager(
            num_pools=2, maxsize=1, timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), ca_certs=None if ca_file is None else str(ca_file), cert_reqs="CERT_REQUIRED"
        )

    def send(self, request: HttpRequest) -> None:
        """Post.

        Raises
        ------
        AwayError
            If nobody answers, or the answer is 408, 425, 429 or 5xx.
        RefusedError
            If the answer is another one that the receiver does not accept with.
        """
        host = urlsplit(request.url).hostname
        try:
            answer = self._pool.request("POST", request.url, body=request.body, headers=dict(request.headers), redirect=False, retries=False, preload_content=False)
            try:
                told = answer.read(SHOWN_BYTES, decode_content=True).decode("utf-8", "replace")
            finally:
                answer.close()  # the rest of it, however much it is, is not waited for
        except (HTTPError, OSError, UnicodeError) as error:  # its text may hold the address, which may be a secret
            raise AwayError(f"{host}: {type(error).__name__}") from None
        if answer.status in request.accepted:
            return
        story = f"{host} answered {answer.status} {told!r}"
        if answer.status in _COME_AGAIN or answer.status >= 500:
            raise AwayError(story, _retry_after(answer.headers.get("Retry-After")))
        if 300 <= answer.status < 400:
            raise RefusedError(f"{host} answered {answer.status}, elsewhere; redirects are not followed: name the address itself")
        raise RefusedError(story)

    def close(self) -> None:
        """Its connections."""
        self._pool.clear()


def _retry_after(header: str | None) -> float | None:
    """Seconds, of a number or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(Retry().parse_retry_after(header)))
    except (InvalidHeader, ValueError, OverflowError):  # urllib3 hands on what the parts of a date that is none raise
        return None
