"""A broker that refuses a client is told of at once: kafka-python asks again until its time is up, and forgets by then why it was refused."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import IllegalSaslStateError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError

_OF_IDENTITY = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError, IllegalSaslStateError)
_OF_THE_NETWORK = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)  # a broker that goes away in the middle looks like this, too


def refused_tls(error: BaseException) -> ssl.SSLError | None:
    """What TLS had against a connection, None where the error is another; trying again does not mend it.

    Examples
    --------
    >>> from kafka.errors import KafkaConnectionError
    >>> refused_tls(KafkaConnectionError(ssl.SSLError(1, "unknown ca")))
    SSLError(1, 'unknown ca')
    >>> refused_tls(KafkaConnectionError("socket disconnected"))
    """
    for told in (error, error.__cause__, error.__context__, *error.args):
        if isinstance(told, ssl.SSLError) and not isinstance(told, _OF_THE_NETWORK):
            return told
    return None


def is_refusal(error: BaseException) -> bool:
    """Whether a broker, or our own trust in it, said no: for a password, a mechanism or a certificate."""
    return isinstance(error, _OF_IDENTITY) or refused_tls(error) is not None


def _made_with_whole_answers(made: Callable[[Any], None], transport: Any) -> None:
    """Have a last answer read before the end that follows it: a broker says why it refuses and hangs up, and a transport that finds both forgets the answer."""
    receive: Any = getattr(transport, "_sock_recv", None)

    def answer_first() -> tuple[bytes, Exception | None]:
        answer, error = receive()
        return answer, None if answer else error

    if receive is not None:
        transport._sock_recv = answer_first
    made(transport)


def client_that_tells(**given: Any) -> Any:
    """kafka-python's network client, for its option ``kafka_client``: to be made with it fails with the refusal, and leaves no thread behind.

    Only until a broker has answered: whoever was let in once waits as before when a password changes. A release of the client that lacks what is watched here is taken as it is: a
    refusal is then told when its time is up. See docs/adr/0049-a-refusal-is-told-at-once.md.
    """
    client = KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**given)
    manager: Any = getattr(client, "_manager", None)
    if not (hasattr(manager, "bootstrap") and hasattr(manager, "get_connection")):
        return client
    bootstrap, get_connection = manager.bootstrap, manager.get_connection
    refusals: dict[object, Exception] = {}

    def connection_or_refusal(node: object, *arguments: Any, **options: Any) -> Any:
        if node in refusals:
            raise refusals[node]

        def remember(error: Exception) -> None:
            if is_refusal(error):
                refusals[node] = error

        connection = get_connection(node, *arguments, **options)
        if hasattr(connection, "init_future") and hasattr(connection, "connection_made"):
            connection.init_future.add_errback(remember)
            connection.connection_made = partial(_made_with_whole_answers, connection.connection_made)
        return connection

    def first_bootstrap(*arguments: Any, **options: Any) -> None:
        manager.get_connection = connection_or_refusal
        try:
            bootstrap(*arguments, **options)
        except BaseException:
            client.close()  # nobody else could: the consumer that has started its thread is not made
            raise
        finally:
            manager.bootstrap, manager.get_connection = bootstrap, get_connection

    manager.bootstrap = first_bootstrap
    return client
