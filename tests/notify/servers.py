"""Receivers for tests: a real Alertmanager, a real mail server, and an HTTP server that remembers what it was sent and answers as it is told."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from streams.broker import free_port
from streams.java import user_cache
from tests.server import Server
from tests.waiting import PATIENCE
from tools.alertmanager.build import alertmanager

CONFIGURATION = """\
route: {receiver: nobody, group_wait: 1s}
receivers: [{name: nobody}]
"""


class Alertmanager(Server):
    """An Alertmanager that tells nobody."""

    READY = "/-/ready"

    def command(self) -> list[str]:
        (self.folder / "alertmanager.yml").write_text(CONFIGURATION)
        command = [str(alertmanager(cache=user_cache())), f"--config.file={self.folder / 'alertmanager.yml'}", f"--storage.path={self.folder}"]
        return [*command, f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]

    def alerts(self, model: str) -> list[dict[str, Any]]:
        """Alerts of a model that are open there."""
        answer = requests.get(f"{self.url}/api/v2/alerts", params={"filter": f'model="{model}"'}, timeout=PATIENCE)
        answer.raise_for_status()
        return list(answer.json())


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


@dataclass
class HttpServer:
    """Answers 200, or what ``answers`` holds, the next one first: a status, its headers, its body."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200


@contextmanager
def http_server() -> Iterator[HttpServer]:
    told = HttpServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, answer = told.answers.pop(0) if told.answers else (told.status, {}, b"ok")
            told.posts.append(Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body, status))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailServer:
    """Takes mail after STARTTLS and with the right password only."""

    port: int
    certificate: Path
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802  aiosmtpd calls it so
        if self.answers:
            return self.answers.pop(0)
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"


@contextmanager
def mail_server(folder: Path, *, encrypts: bool = True) -> Iterator[MailServer]:
    certificate, key = _certificate(folder)
    told = MailServer(free_port(), certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"ada", b"lovelace")
        return AuthResult(success=right, handled=right)

    options: dict[str, Any] = {"authenticator": authenticated, "auth_required": True, "tls_context": context, "require_starttls": True} if encrypts else {}
    controller = Controller(told, hostname="127.0.0.1", port=told.port, **options)
    controller.start()
    try:
        yield told
    finally:
        controller.stop()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(days=1), now + datetime.timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, secret
