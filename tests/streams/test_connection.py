"""Files and settings of an encrypted connection: what cannot be used is told before anything connects."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.errors import SettingsError
from streams.connection import KafkaConnection, connect
from tests.certificates import Authority

PASSWORD, WRONG = "difference-engine-1822", "byron-1788"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    authority = Authority(tmp_path, "authority")
    signed = authority.sign("client", password=PASSWORD)
    return {"security_protocol": "SSL", "ssl_cafile": str(authority.certificate), "ssl_certfile": str(signed.certificate), "ssl_keyfile": str(signed.key), "ssl_password": PASSWORD}


def _refused(settings: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as told:
        KafkaConnection(**settings).ssl_context()  # type: ignore[arg-type]  # all are texts, which pydantic takes
    assert PASSWORD not in str(told.value)
    assert WRONG not in str(told.value)
    return str(told.value)


def test_the_key_of_a_certificate_may_have_a_password(files: dict[str, str]) -> None:
    assert KafkaConnection(**files).ssl_context() is not None  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("name", ["ssl_cafile", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_not_there_is_named_with_its_setting(files: dict[str, str], name: str) -> None:
    assert _refused(files | {name: "/nowhere/it.pem"}) == f"DRIFTWARDEN_{name.upper()}: /nowhere/it.pem cannot be read: No such file or directory"


def test_a_file_of_authorities_that_holds_none_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("certificates are elsewhere")
    assert _refused(files | {"ssl_cafile": str(tmp_path / "notes.txt")}).startswith(f"DRIFTWARDEN_SSL_CAFILE: {tmp_path / 'notes.txt'} holds no certificate")


def test_a_wrong_password_of_the_key_is_refused_and_a_missing_one_is_not_asked_for_at_the_terminal(files: dict[str, str]) -> None:
    without = {name: value for name, value in files.items() if name != "ssl_password"}
    for settings in (files | {"ssl_password": WRONG}, without):
        assert "DRIFTWARDEN_SSL_PASSWORD" in _refused(settings)


def test_the_key_of_another_certificate_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    other = Authority(tmp_path, "stranger").sign("other").key
    assert "the key being that of the certificate" in _refused(files | {"ssl_keyfile": str(other)})


def test_files_that_would_not_be_used_are_refused(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWARDEN_SSL_CAFILE", files["ssl_cafile"])
    with pytest.raises(SettingsError, match=r"ssl_cafile was given, but security_protocol is PLAINTEXT.*DRIFTWARDEN_SECURITY_PROTOCOL"):
        connect()
    monkeypatch.setenv("DRIFTWARDEN_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("DRIFTWARDEN_SSL_KEYFILE", files["ssl_keyfile"])
    with pytest.raises(SettingsError, match="set DRIFTWARDEN_SSL_CERTFILE"):
        connect()
