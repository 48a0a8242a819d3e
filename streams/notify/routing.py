"""Which receivers a notice goes to: the first route that fits, and those after it where a route says `continue`, as Alertmanager does it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from streams.notify.settings import Route


def receivers_of(routes: Sequence[Route], *, model: str, kind: str, severity: str, owner: str) -> tuple[str, ...]:
    """Names of the receivers, each once, in the order of the routes; none where no route fits.

    Examples
    --------
    >>> routes = (Route(receiver="pager", severity="critical", goes_on=True), Route(receiver="risk", owner="risk-*"), Route(receiver="everybody"))
    >>> receivers_of(routes, model="churn", kind="performance", severity="critical", owner="sales")
    ('pager', 'everybody')
    >>> receivers_of(routes, model="churn", kind="drift", severity="warning", owner="risk-eu")
    ('risk',)
    """
    found: list[str] = []
    for route in routes:
        if _fits(route.model, model) and _fits(route.kind, kind) and _fits(route.severity, severity) and _fits(route.owner, owner):
            found += route.receiver
            if not route.goes_on:
                break
    return tuple(dict.fromkeys(found))


def _fits(patterns: Sequence[str] | None, value: str) -> bool:
    return patterns is None or any(fnmatchcase(value, pattern) for pattern in patterns)
