"""The server of the live page: files of the package, sections as JSON, and what changes as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec
import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.telemetry.figures import Figures
from streams.ui.access import COOKIE, Access
from streams.ui.live_view import LiveView
from streams.ui.sections import Asked, Pages

STATIC = Path(__file__).parent / "static"
EVERY = 1.0  # seconds between looks for what changed
HEARTBEAT = 15  # looks without a change until a sign of life
LONGEST_BODY = 4_096  # bytes of the form with the token
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PROBES = ("/healthz", "/readyz")  # who asks these knows no token, and the machine by its number alone
OPEN_TO_ALL = ("/login", "/static/page.css", *PROBES)


class KnownHosts(TrustedHostMiddleware):
    """Answers to names of this machine only, but for probes, which tell nothing of any model."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await (self.app if scope.get("path") in PROBES else super().__call__)(scope, receive, send)


class Guard:
    """Asks for the token, and puts the headers on every answer that keep a browser from doing what it should not."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        given = Headers(scope=scope)
        if scope["path"] in OPEN_TO_ALL or self._access.admits(cookie=given.get("cookie", ""), authorization=given.get("authorization", "")):
            await self._app(scope, receive, send_with_headers)
        elif scope["path"].startswith(("/api/", "/static/", "/metrics")):
            await PlainTextResponse("a token is needed: as a cookie from /login, or as Authorization: Bearer", 401)(scope, receive, send_with_headers)
        else:
            await FileResponse(STATIC / "login.html", 401)(scope, receive, send_with_headers)


def application(view: LiveView, access: Access, figures: Figures, stopping: asyncio.Event | None = None) -> Starlette:
    """The application.

    Parameters
    ----------
    view : what is shown.
    access : who may see it.
    figures : of the process; under ``/metrics`` to whom the page may be shown, and whether it is ready to everybody.
    stopping : ends the streams of open pages.
    """
    pages = Pages(view)
    ending = stopping or asyncio.Event()
    streams = {"open": 0}

    async def shell(_: Request) -> Response:
        return FileResponse(STATIC / "page.html", media_type="text/html")

    async def sections(request: Request) -> Response:
        asked = _asked(request, pages)
        if asked is None:
            return _no_such_page(pages)
        return Response(_object(await run_in_threadpool(pages.encoded, asked)), media_type="application/json")

    async def events(request: Request) -> Response:
        asked = _asked(request, pages)
        if asked is None:
            return _no_such_page(pages)
        if streams["open"] >= view.bounds.pages:
            return PlainTextResponse(f"{streams['open']} pages are open already, as many as --max-pages allows; close one", 503)
        return StreamingResponse(_changes(asked), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def _changes(asked: Asked) -> AsyncIterator[bytes]:
        streams["open"] += 1
        figures.set("pages_open", streams["open"])
        try:
            sent: dict[str, bytes] = {}
            seen, quiet = -1, 0
            while not ending.is_set():
                revision = view.revision
                if revision != seen:
                    seen = revision
                    found = await run_in_threadpool(pages.encoded, asked)
                    changed = {name: section for name, section in found.items() if sent.get(name) != section}
                    changed |= dict.fromkeys(sent.keys() - found.keys(), b"null")
                    sent = found
                    if changed:
                        quiet = 0
                        yield b"data: " + _object(changed) + b"\n\n"
                quiet += 1
                if quiet % HEARTBEAT == 0:
                    yield b": \n\n"
                await asyncio.sleep(EVERY)
        finally:
            streams["open"] -= 1
            figures.set("pages_open", streams["open"])

    async def login(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LONGEST_BODY:
                return PlainTextResponse("too long for a token", 413)
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if not access.is_token(given.strip()):
            return FileResponse(STATIC / "login.html", 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, access.cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/")
        return answer

    async def metrics(request: Request) -> Response:
        encoded, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(await run_in_threadpool(encoded, figures.registry), media_type=kind, headers={"Cache-Control": "no-store"})

    async def alive(_: Request) -> Response:
        return PlainTextResponse("alive\n", headers={"Cache-Control": "no-store"})

    async def ready(_: Request) -> Response:
        return PlainTextResponse(f"{figures.waits_for or 'ready'}\n", 503 if figures.waits_for else 200, headers={"Cache-Control": "no-store"})

    return Starlette(
        routes=[
            *(Route(path, shell) for path in ("/", "/model", "/alert", "/versions")),
            Route("/api/sections", sections),
            Route("/api/events", events),
            Route("/login", login, methods=["POST"]),
            Route("/metrics", metrics),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(KnownHosts, allowed_hosts=access.allowed_hosts, www_redirect=False), Middleware(Guard, access=access)],
    )


class Server(uvicorn.Server):
    """Ends the streams of open pages when it is told to stop: otherwise it would wait for them.

    Parameters
    ----------
    view, access, figures : as of `application`; without figures there are those of a process that reads nothing.
    port : 0 for a free one.
    started : called with the port when it listens.
    """

    def __init__(self, view: LiveView, access: Access, port: int, *, figures: Figures | None = None, started: Callable[[int], object] = int) -> None:
        self._ending = asyncio.Event()
        self._tell = started
        app = application(view, access, figures or Figures("ui", "ui"), self._ending)
        super().__init__(
            uvicorn.Config(app, host=access.address, port=port, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=2, ws="none")
        )

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Listen, and tell on which port."""
        await super().startup(sockets)
        if self.started:
            self._tell(int(self.servers[0].sockets[0].getsockname()[1]))

    def stop(self) -> None:
        """End soon; from any thread."""
        self.should_exit = True

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """End."""
        self._ending.set()
        await super().shutdown(sockets)


def address_of(access: Access, port: int, *, model: str = "") -> str:
    """What to open in a browser.

    Examples
    --------
    >>> address_of(Access(), 8600), address_of(Access(address="::1"), 8600, model="loans & more")
    ('http://127.0.0.1:8600/', 'http://[::1]:8600/model?name=loans%20%26%20more')
    """
    host = f"[{access.address}]" if ":" in access.address else access.address
    return f"http://{host}:{port}/" + (f"model?name={quote(model, safe='')}" if model else "")


def _asked(request: Request, pages: Pages) -> Asked | None:
    """None of a page that there is not."""
    query = request.query_params
    names = ("model", "version", "segment", "alert")
    asked = Asked(page=query.get("page", "fleet"), **{name: query.get(name, "") for name in names})
    return asked if asked.page in pages.names else None


def _no_such_page(pages: Pages) -> Response:
    return PlainTextResponse(f"no such page; there are: {', '.join(pages.names)}", 404)


def _object(sections: dict[str, bytes]) -> bytes:
    """Encoded sections as one JSON object, on one line."""
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + section for name, section in sections.items()) + b"}"
