"""Who may see the page: loopback by default; elsewhere whoever knows the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from pydantic import SecretStr

from detectors.errors import SettingsError

TOKEN_VARIABLE = "DRIFTWARDEN_UI_TOKEN"  # noqa: S105  the name of a variable, not a secret
COOKIE = "driftwarden"
SHORTEST_TOKEN = 16  # characters; 16 random ones are not guessed
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]", "::1")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the page listens, and who may see it.

    Parameters
    ----------
    address : an IP address, or ``localhost``.
    token : everybody has to know it; None only on loopback.
    hosts : names by which people reach the page, besides the address itself.

    Examples
    --------
    >>> Access(address="0.0.0.0")
    Traceback (most recent call last):
    ...
    detectors.errors.SettingsError: on 0.0.0.0 whoever reaches this machine would see the page; set DRIFTWARDEN_UI_TOKEN, or listen on 127.0.0.1
    """

    address: str = "127.0.0.1"
    token: SecretStr | None = None
    hosts: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.is_loopback and self.token is None:
            raise SettingsError(f"on {self.address} whoever reaches this machine would see the page; set {TOKEN_VARIABLE}, or listen on 127.0.0.1")
        if self.token is not None and len(self.token.get_secret_value()) < SHORTEST_TOKEN:
            raise SettingsError(f"{TOKEN_VARIABLE} has fewer than {SHORTEST_TOKEN} characters and could be guessed; take a random one, as of: openssl rand -hex 16")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the page."""
        return self.address == "localhost" or self._ip.is_loopback

    @property
    def allowed_hosts(self) -> list[str]:
        """What a request's Host may be: a name that an attacker lets point here is none of them.

        On all addresses at once the names are not known; there the token alone decides, whose cookie a browser does not send under another name.
        """
        if self.address != "localhost" and self._ip.is_unspecified and not self.hosts:
            return ["*"]
        return [*LOOPBACK_HOSTS, self.address, f"[{self.address}]", *self.hosts]

    def admits(self, *, cookie: str = "", authorization: str = "") -> bool:
        """Whether a request may be answered, by its headers ``Cookie`` and ``Authorization``."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return (scheme.lower() == "bearer" and self.is_token(given.strip())) or _same(_cookie(cookie), self.cookie)

    def is_token(self, given: str) -> bool:
        """Whether somebody knows the token; takes as long for a wrong one as for the right one."""
        return self.token is not None and _same(given, self.token.get_secret_value())

    @property
    def cookie(self) -> str:
        """What a browser that gave the token shows from then on: it tells the token to nobody."""
        if self.token is None:
            return ""
        return hmac.new(self.token.get_secret_value().encode(), b"driftwarden ui", hashlib.sha256).hexdigest()

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        try:
            return ipaddress.ip_address(self.address)
        except ValueError:
            raise SettingsError(f"an address is an IP address such as 127.0.0.1, 0.0.0.0 or ::1, got {self.address!r}; by which name people reach it is --host") from None


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
