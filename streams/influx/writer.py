"""Lines to InfluxDB: asked again while it is away, taken apart where it refuses."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from influxdb_client import InfluxDBClient, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter
from urllib3.exceptions import HTTPError

from detectors.errors import SettingsError
from streams.influx.settings import InfluxSettings

logger = logging.getLogger(__name__)

REQUEST_MILLISECONDS = 30_000
_REFUSED = {401: "the token is not valid", 403: "the token may not write this bucket", 404: "there is no such bucket or organization; make it with: driftwarden influx setup"}
_UNREADABLE = {400, 413}  # nothing of the request was written; in parts, what is good of it will be
_PARTLY = 422  # what is good of the request was written


class AwayError(Exception):
    """InfluxDB cannot be reached, or asks to come again later."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class InfluxWriter:
    """Writes lines of points to a bucket; several threads may ask it to.

    Parameters
    ----------
    settings : how to reach InfluxDB.
    stopping : ends the waiting for an InfluxDB that is away.

    Attributes
    ----------
    written : points that InfluxDB has acknowledged.
    rejected : requests, or single points, that it refused at least a part of.
    """

    def __init__(self, settings: InfluxSettings, stopping: threading.Event) -> None:
        self._settings = settings
        self._stopping = stopping
        self._client = InfluxDBClient(url=settings.url, token=settings.secret, org=settings.org, timeout=REQUEST_MILLISECONDS)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._counting = threading.Lock()
        self.written = 0
        self.rejected = 0
        self._away: dict[str, str] = {}  # by thread: one that is answered says nothing of another that is not

    @property
    def away(self) -> str:
        """Why InfluxDB takes no points, as of the last time that a thread asked it; "" where it does."""
        return next(iter(list(self._away.values())), "")

    def write(self, lines: Sequence[bytes]) -> bool:
        """Whether InfluxDB has the lines; it is asked until then, or until this process is told to stop.

        Raises
        ------
        SettingsError
            If the token or the bucket is refused.
        """
        asking = Retrying(retry=retry_if_exception_type(AwayError), wait=self._pause, sleep=self._wait, stop=lambda _: self._stopping.is_set(), before_sleep=_say, reraise=True)
        try:
            asking(self._send, lines)
        except AwayError:
            return False
        return True

    def ask(self) -> bool:
        """Whether InfluxDB answers, where there is nothing to write."""
        answers = bool(self._client.ping())
        self._tell(None if answers else f"{self._settings.url} does not answer")
        return answers

    def close(self) -> None:
        """Its connections."""
        self._client.close()

    def _send(self, lines: Sequence[bytes]) -> None:
        try:
            self._post(lines)
        except AwayError as error:
            self._tell(str(error))
            raise
        self._tell(None)

    def _tell(self, away: str | None) -> None:
        thread = threading.current_thread().name
        if away is None:
            self._away.pop(thread, None)
        else:
            self._away[thread] = away

    def _post(self, lines: Sequence[bytes]) -> None:
        try:
            self._api.write(bucket=self._settings.bucket, record=b"\n".join(lines), write_precision=WritePrecision.MS)
        except ApiException as error:
            self._on_refusal(error, lines)
        except (HTTPError, OSError) as error:
            raise AwayError(f"{self._settings.url}: {type(error).__name__}") from error
        else:
            with self._counting:
                self.written += len(lines)

    def _on_refusal(self, error: ApiException, lines: Sequence[bytes]) -> None:
        status = error.status or 0
        if status in _REFUSED:
            where = f"bucket '{self._settings.bucket}' of '{self._settings.org}'"
            raise SettingsError(f"InfluxDB on {self._settings.url} refused to write {where} ({status}): {_REFUSED[status]}") from error
        if status in _UNREADABLE and len(lines) > 1:
            for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
                self._post(half)
        elif status in _UNREADABLE or status == _PARTLY:
            with self._counting:
                self.rejected += 1
            logger.error("InfluxDB refused (%d) %s of %d points, which are left out: %s", status, "some" if status == _PARTLY else "all", len(lines), error.message)
        else:
            after = (error.headers or {}).get("Retry-After", "")
            raise AwayError(f"{self._settings.url} answered {status}", float(after) if after.isdecimal() else None)

    def _wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds until the next try."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, AwayError) else None
        longest = self._settings.retry_at_most / 1000
        return min(asked, longest) if asked is not None else float(wait_exponential_jitter(multiplier=0.5, max=longest)(state))


def _say(state: RetryCallState) -> None:
    if state.outcome and state.next_action:
        logger.warning("InfluxDB is away (%s); next try in %.1f s; nothing is lost, Kafka holds what comes", state.outcome.exception(), state.next_action.sleep)
