"""Values of ``notify.yaml`` that are more than text: variables of the environment, addresses, rates.

A secret is never in the file, and never in a message about it: the file names the variable that holds it, ``${SLACK_URL}``. What the environment holds comes in as the
validation's context, so reading a file is a function of its text and that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer, SecretStr, ValidationInfo

from detectors.duration import format_duration, parse_duration

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_RATE = re.compile(r"\s*(\d+)\s+per\s+(\d+(?:\.\d+)?\s*(?:ms|s|m|h|d))\s*")
_STAND_IN = "not-set.invalid"  # a name that RFC 2606 keeps from ever being one


@dataclass(frozen=True)
class Environment:
    """Variables that a file may name, and which of those it named are not there."""

    variables: Mapping[str, str]
    missing: set[str] = field(default_factory=set)

    def value(self, name: str) -> str:
        """Of a variable; a stand-in where it is not set, and then that is remembered."""
        if not self.variables.get(name):
            self.missing.add(name)
            return _STAND_IN
        return self.variables[name]


def _environment(info: ValidationInfo) -> Environment:
    return info.context if isinstance(info.context, Environment) else Environment({})


def _secret(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, SecretStr) or value is None:
        return value
    match = _VARIABLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a secret does not belong into a file; set a variable of the environment, and name it here: ${NAME}")
    return SecretStr(_environment(info).value(match[1]))


def _expanded(value: Any, info: ValidationInfo) -> Any:
    return _VARIABLE.sub(lambda match: _environment(info).value(match[1]), value) if isinstance(value, str) else value


def address(value: Any, info: ValidationInfo) -> Any:
    """An address of HTTP, without the identity and fragment that one may carry; its text is never repeated, as it may hold a token."""
    text = _expanded(value, info)
    if text == _STAND_IN:
        text = f"https://{_STAND_IN}"
    try:
        parts = urlsplit(text) if isinstance(text, str) else None
        fit = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fit = False
    if not fit or parts is None or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("expected an address such as https://example.com/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address with a name or password in it would be printed by every program on the way; give them apart")
    return text


def _base_address(value: Any, info: ValidationInfo) -> Any:
    """An address that a path is put behind."""
    text = address(value, info)
    if urlsplit(text).query or urlsplit(text).fragment:
        raise ValueError("a path is put behind this address, so it must not have a ? or #")
    return text.rstrip("/")


def _secret_address(value: Any, info: ValidationInfo) -> Any:
    secret = _secret(value, info)
    return secret if secret is None else SecretStr(address(secret.get_secret_value(), info))


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At most ``count`` messages in any ``duration`` (milliseconds), after a rest as many at once."""

    count: int
    duration: int

    def __str__(self) -> str:
        return f"{self.count} per {format_duration(self.duration)}"


def parse_rate(value: Any) -> Rate:
    """A rate as people write it.

    Examples
    --------
    >>> print(parse_rate("20 per 1m"))
    20 per 1m
    """
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) < 1 or parse_duration(match[2]) < 1:
        raise ValueError(f"a rate is a number of messages and a duration such as '20 per 1m', got {value!r}")
    return Rate(count=int(match[1]), duration=parse_duration(match[2]))


def _duration(value: Any) -> int:
    if isinstance(value, int):
        raise ValueError(f"a duration is a number and a unit (ms, s, m, h, d) such as 10s or 5m; got {value}")  # noqa: TRY004  pydantic asks for it
    return parse_duration(value)


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
SecretAddress = Annotated[SecretStr, BeforeValidator(_secret_address)]
Address = Annotated[str, BeforeValidator(address)]
BaseAddress = Annotated[str, BeforeValidator(_base_address)]
Text = Annotated[str, BeforeValidator(_expanded)]
RateLimit = Annotated[Rate, BeforeValidator(parse_rate), PlainSerializer(str, when_used="json")]
Pause = Annotated[int, BeforeValidator(_duration), PlainSerializer(format_duration, when_used="json")]
